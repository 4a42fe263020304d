import { assert } from 'chai';
import { parsePodsFile } from '../../src/pods/pods-file.ts';
import { parsePodsFileAside } from '../../src/pods/pods-file-aside.ts';

const { signal: never } = new AbortController();

function fileOf(pods: number): string {
  const entries = Array.from({ length: pods }, (_, i) => ({
    ...{ name: `pod-${i}`, address: `10.0.${i >> 8}.${i & 255}`, port: 8000, model: 'm' },
    ...{ kvEvents: { port: 5557, replayPort: 5558 }, labels: { zone: 'a' } },
  }));
  return JSON.stringify({ pods: entries });
}

/** How often others get a turn until `work` is done. */
async function turnsDuring(work: Promise<unknown>): Promise<number> {
  let turns = 0;
  let isDone = false;
  void work.finally(() => {
    isDone = true;
  });
  for (;;) {
    await new Promise(setImmediate);
    if (isDone) return turns;
    turns++;
  }
}

describe('parsing a pods file aside', function () {
  // Threads are started.
  this.timeout(20_000);

  it('gives what parsing gives, and others their turns meanwhile', async () => {
    const text = fileOf(1_000);
    const parsing = parsePodsFileAside(text, never);
    assert.isAbove(await turnsDuring(parsing), 10);
    assert.deepEqual(await parsing, parsePodsFile(text));
  });

  it('gives all mistakes', async () => {
    const text = `${fileOf(200).slice(0, -2)},{}]}`;
    assert.deepEqual(await parsePodsFileAside(text, never), parsePodsFile(text));
  });

  for (const [what, text] of [
    ['of a few bytes', '? '.repeat(1_000)],
    ['that never ends', `pods: ${'{'.repeat(1_000)}`],
  ] as const) {
    it(`is not stopped by a file ${what}`, async () => {
      const bounds = { timeoutMs: 200, maxHeapMb: 100 };
      const parsing = parsePodsFileAside(text, never, bounds);
      assert.isAbove(await turnsDuring(parsing), 10);
      assert.equal((await parsing).kind, 'invalid');
    });
  }

  it('does not start a thread for a short one in JSON', async () => {
    const parsing = parsePodsFileAside(fileOf(10), never);
    assert.equal(await turnsDuring(parsing), 0);
    assert.equal((await parsing).kind, 'valid');
  });

  it('gives up after a time', async () => {
    assert.deepEqual(await parsePodsFileAside(fileOf(1_000), never, { timeoutMs: 1, maxHeapMb: 100 }), {
      kind: 'invalid',
      problems: [{ place: 'file', reason: 'takes more than 0.001 s to parse; make it simpler' }],
    });
  });

  it('gives up beyond an amount of memory', async () => {
    const text = `pods: [${'a,'.repeat(500_000)}]`;
    assert.deepEqual(await parsePodsFileAside(text, never, { timeoutMs: 1_000_000, maxHeapMb: 40 }), {
      kind: 'invalid',
      problems: [{ place: 'file', reason: 'takes more than 40 MB to parse; make it simpler' }],
    });
  });

  it('ends when it is told to', async () => {
    const stopping = new AbortController();
    const parsing = parsePodsFileAside(fileOf(1_000), stopping.signal);
    stopping.abort('stop');
    assert.equal(await parsing.catch(caught => caught), 'stop');
    assert.equal(await parsePodsFileAside('', stopping.signal).catch(caught => caught), 'stop');
  });
});
