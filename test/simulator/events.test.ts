import { assert } from 'chai';
import type { SimulatedEngine } from '../../src/simulator/engine.ts';
import { Bench, cacheEventOf, decodeBatch, fixture, post } from './helpers.ts';

interface RecordedReplay {
  readonly note: string;
  /** Hex of the frames that a DEALER sent. */
  readonly sent: string[];
  /** Hex of the first and the last reply's frames. */
  readonly replies: string[][];
}

const END = 'ffffffffffffffff';

/** `count` prompts that share nothing: one batch each. */
async function prompts(engine: SimulatedEngine, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const prompt = Array.from({ length: 16 }, (_, j) => 1_000 * (i + 1) + j);
    assert.equal((await post(engine, '/v1/completions', { prompt, max_tokens: 1 })).status, 200);
  }
}

describe('the event stream of the simulated engine', () => {
  const bench = new Bench();
  afterEach(() => bench.close());

  it('numbers its messages from 0 without gaps and stamps them with wall-clock seconds', async () => {
    const engine = await bench.engine({ topic: 'kv@sim' });
    const subscriber = await bench.subscriber(engine, 'kv@sim');
    await prompts(engine, 2);
    let last: bigint | undefined;
    for (let stored = 0; stored < 2; ) {
      const [topic, sequence, payload] = await subscriber.receive();
      assert.equal(topic!.toString(), 'kv@sim');
      assert.lengthOf(sequence!, 8);
      const number = sequence!.readBigUInt64BE();
      if (last !== undefined) assert.equal(number, last + 1n);
      last = number;
      const [timestamp, events] = decodeBatch(payload!);
      assert.closeTo(timestamp, Date.now() / 1_000, 60);
      stored += events.filter(event => (event as { type: string }).type === 'BlockStored').length;
    }
  });

  it('tells of a reset with the next step only, unless it is asked to', async () => {
    const engine = await bench.engine();
    const dealer = bench.dealer(engine.replayPort);
    const replay = async () => {
      await dealer.send(['', Buffer.alloc(8)]);
      const kinds: string[][] = [];
      for await (const frames of dealer) {
        if (frames.at(-1)!.length === 0) break;
        kinds.push(decodeBatch(frames.at(-1)!)[1].map(event => (event as { type: string }).type));
      }
      return kinds;
    };
    await prompts(engine, 1);
    assert.isTrue(engine.resetCache());
    assert.equal((await post(engine, '/reset_prefix_cache', undefined)).text, '{"success":true}');
    assert.deepEqual(await replay(), [['BlockStored']]);
    await prompts(engine, 1);
    assert.deepEqual((await replay()).at(-1), ['AllBlocksCleared', 'AllBlocksCleared', 'BlockStored']);
    engine.resetCache();
    engine.publishPending();
    engine.publishPending();
    assert.deepEqual((await replay()).slice(2), [['AllBlocksCleared']]);
  });

  for (const { version, encoding } of [
    { version: '0.32.0', encoding: 'map' },
    { version: '0.23.0', encoding: 'array' },
  ] as const) {
    for (const recorded of fixture<RecordedReplay[]>(`vllm-${version}-replay.json`)) {
      it(`answers a replay request with the frames of vLLM ${version}: ${recorded.note}`, async () => {
        // The recorded server had kept its last 20 batches.
        const engine = await bench.engine({
          eventEncoding: encoding,
          topic: 'kv@sim',
          replayBufferSteps: 20,
        });
        await prompts(engine, 49);
        const dealer = bench.dealer(engine.replayPort);
        await dealer.send(recorded.sent.map(hex => Buffer.from(hex, 'hex')));
        // A request past the end: its end marker shows that the one before has been dealt with.
        await dealer.send(['', Buffer.alloc(8, 0xff)]);
        const replies: string[][] = [];
        for (let ends = recorded.replies.length === 0 ? 1 : 2; ends > 0; ) {
          const frames = (await dealer.receive()).map(frame => frame.toString('hex'));
          replies.push(frames);
          if (frames.includes(END)) ends--;
        }
        replies.pop();
        const lengths = (frames: string[] | undefined) =>
          frames?.map(hex => (hex.length === 16 || hex.length === 0 ? hex.length : 'some'));
        assert.deepEqual(lengths(replies[0]), lengths(recorded.replies[0]));
        assert.deepEqual(replies.at(-1), recorded.replies.at(-1));
      });
    }

    it(`replays from the asked sequence number on, in order, as far back as it keeps: ${version}`, async () => {
      const engine = await bench.engine({ eventEncoding: encoding, replayBufferSteps: 3 });
      await prompts(engine, 8);
      const dealer = bench.dealer(engine.replayPort);
      const sequencesFrom = async (start: number) => {
        const request = Buffer.alloc(8);
        request.writeBigUInt64BE(BigInt(start));
        await dealer.send(['', request]);
        const sequences: number[] = [];
        for await (const frames of dealer) {
          if (frames.at(-1)!.length === 0) return sequences;
          sequences.push(Number(frames.at(-2)!.readBigUInt64BE()));
        }
        return sequences;
      };
      assert.deepEqual(await sequencesFrom(0), [5, 6, 7]);
      assert.deepEqual(await sequencesFrom(6), [6, 7]);
      assert.deepEqual(await sequencesFrom(8), []);
    });
  }

  for (const eventEncoding of ['map', 'array'] as const) {
    it(`lets a reader of its ${eventEncoding} events know exactly what it holds`, async () => {
      const engine = await bench.engine({ eventEncoding, cacheBlocks: 12, adapters: ['ad1'] });
      for (let i = 0; i < 12; i++) {
        const body = { prompt: Array.from({ length: 16 * (1 + (i % 4)) }, (_, j) => j), max_tokens: 20 + i };
        const extra = [{}, { model: 'ad1' }, { cache_salt: 's' }][i % 3];
        await post(engine, '/v1/completions', { ...body, ...extra, ignore_eos: true });
      }
      const dealer = bench.dealer(engine.replayPort);
      await dealer.send(['', Buffer.alloc(8)]);
      const copies = new Map<bigint, number>();
      for await (const frames of dealer) {
        if (frames.at(-1)!.length === 0) break;
        for (const event of decodeBatch(frames.at(-1)!)[1].map(cacheEventOf)) {
          const hashes =
            event.kind === 'stored' ? event.hashes : event.kind === 'removed' ? [event.hash] : [];
          const change = event.kind === 'stored' ? 1 : -1;
          for (const hash of hashes) copies.set(hash, (copies.get(hash) ?? 0) + change);
        }
      }
      assert.isNotEmpty([...copies].filter(([, count]) => count === 0));
      assert.deepEqual(
        new Map([...copies].filter(([, count]) => count > 0).sort()),
        new Map(
          engine.cache
            .residentBlocks()
            .map((block): [bigint, number] => [block.hash, block.copies])
            .sort(),
        ),
      );
    });
  }

  it('has no sockets for what is switched off', async () => {
    const engine = await bench.engine({ eventsPort: 'off', replayPort: 'off' });
    assert.isUndefined(engine.eventsPort);
    assert.isUndefined(engine.replayPort);
    await prompts(engine, 1);
  });
});
