import { assert } from 'chai';
import fc from 'fast-check';
import { KubernetesError } from '../../src/kubernetes/kubernetes-error.ts';
import { readWatchEvents, type WatchEvent } from '../../src/kubernetes/watch-event.ts';

const MAX_BYTES = 200;

describe('the events of a watch', () => {
  it('are the same wherever the body is cut, inside of characters too', async () => {
    const line = fc.record({
      type: fc.constantFrom('ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK', 'ERROR'),
      object: fc.string({ unit: 'binary', maxLength: 8 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(line, { maxLength: 5 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 7 })),
        async (events, sizes) => {
          const bytes = Buffer.from(events.map(event => `${JSON.stringify(event)}\n`).join(''));
          assert.deepEqual(await readAll(cut(bytes, sizes)), events);
        },
      ),
    );
  });

  it('are read one by one as they come', async () => {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const writer = writable.getWriter();
    const events = readWatchEvents(readable, MAX_BYTES);
    void writer.write(Buffer.from('{"type":"ADDED","object":1}\n{"type":"DEL'));
    assert.deepEqual((await events.next()).value, { type: 'ADDED', object: 1 });
    void writer.write(Buffer.from('ETED","object":2}\n'));
    assert.deepEqual((await events.next()).value, { type: 'DELETED', object: 2 });
    void writer.close();
    assert.isTrue((await events.next()).done);
  });

  it('are not those whose line is not complete', async () => {
    assert.deepEqual(await readAll(['{"type":"ADDED","object":1}\n', '{"type":"ADDED","object":2}']), [
      { type: 'ADDED', object: 1 } as WatchEvent,
    ]);
  });

  it('may have empty lines between them', async () => {
    assert.lengthOf(await readAll(['\n\n{"type":"ADDED","object":1}\n\n']), 1);
  });

  for (const [what, line] of Object.entries({
    'no JSON': '{"type":"ADDED",\n',
    'no object': '7\n',
    null: 'null\n',
    'of a type that is not known': '{"type":"RENAMED","object":{}}\n',
    'without a type': '{"object":{}}\n',
  })) {
    it(`end at a line that is ${what}`, async () => {
      assert.equal((await failureOf([line])).kind, 'malformed');
    });
  }

  it('end at a line that is too long, before it is complete', async () => {
    let chunks = 0;
    async function* endless() {
      for (;;) {
        chunks++;
        yield Buffer.alloc(50, 'x');
      }
    }
    const failure = await readWatchEvents(endless(), MAX_BYTES)
      .next()
      .catch(caught => caught);
    assert.equal(failure.kind, 'malformed');
    assert.equal(chunks, 5);
  });
});

function* cut(bytes: Buffer, sizes: Iterable<number>) {
  let start = 0;
  for (const size of sizes) {
    if (start >= bytes.length) return;
    yield bytes.subarray(start, start + size);
    start += size;
  }
}

async function readAll(chunks: Iterable<string | Buffer>): Promise<WatchEvent[]> {
  async function* body() {
    for (const chunk of chunks) yield Buffer.from(chunk);
  }
  const events: WatchEvent[] = [];
  for await (const event of readWatchEvents(body(), MAX_BYTES)) events.push(event);
  return events;
}

async function failureOf(chunks: Iterable<string>): Promise<KubernetesError> {
  const failure = await readAll(chunks).then(
    () => undefined,
    (error: unknown) => error,
  );
  assert.instanceOf(failure, KubernetesError);
  return failure as KubernetesError;
}
