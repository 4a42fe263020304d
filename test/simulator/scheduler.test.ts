import { assert } from 'chai';
import { type CacheEvent, KvCache } from '../../src/simulator/kv-cache.ts';
import { type Generation, type GenerationRequest, Scheduler } from '../../src/simulator/scheduler.ts';
import { EngineStats } from '../../src/simulator/stats.ts';
import { END_OF_SEQUENCE } from '../../src/simulator/tokenizer.ts';
import { VirtualClock } from './helpers.ts';

interface Rig {
  readonly cache: KvCache;
  readonly clock: VirtualClock;
  readonly scheduler: Scheduler;
  readonly stats: EngineStats;
  /** One per publication. */
  readonly batches: { atMs: number; events: readonly CacheEvent[] }[];
  /** Starts a request; its tokens' times are recorded. */
  run(
    prompt: readonly number[],
    options?: Partial<GenerationRequest>,
  ): { done: Promise<Generation>; timesMs: number[] };
}

/** 1 token per ms of prefill, 10 ms per decoded token, blocks of 4. */
function rigOf({ blocks = 64, overheadMs = 0, prefillChunkTokens = 1_000 } = {}): Rig {
  const clock = new VirtualClock();
  const cache = new KvCache({ blockSizeTokens: 4, blocks, hashSeed: '', freedPartialBlock: 'taken-first' });
  const stats = new EngineStats();
  const batches: Rig['batches'] = [];
  const scheduler = new Scheduler({
    cache,
    clock,
    cost: { prefillTokensPerSecond: 1_000, decodeTokensPerSecond: 100, overheadMs },
    prefillChunkTokens,
    stats,
    publish: events => batches.push({ atMs: clock.now(), events }),
  });
  const run: Rig['run'] = (promptTokens, options = {}) => {
    const timesMs: number[] = [];
    const done = scheduler.generate({
      promptTokens,
      context: {},
      maxTokens: 1,
      ignoreEos: true,
      seed: 0,
      signal: new AbortController().signal,
      onToken: () => timesMs.push(clock.now()),
      ...options,
    });
    return { done, timesMs };
  };
  return { cache, clock, scheduler, stats, batches, run };
}

function tokens(from: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => from + i);
}

describe('the scheduler of the simulated engine', () => {
  it('prefills one request after the other', async () => {
    const { run } = rigOf({ overheadMs: 5 });
    const runs = [run(tokens(0, 100)), run(tokens(1_000, 50))];
    await Promise.all(runs.map(each => each.done));
    assert.deepEqual(
      runs.map(each => each.timesMs),
      [[105], [160]],
    );
  });

  it('lets a cache hit be seen in the time to the first token', async () => {
    const { run } = rigOf();
    const [cold, warm] = [run(tokens(0, 102)), run(tokens(0, 102))];
    await Promise.all([cold.done, warm.done]);
    assert.equal((await cold.done).cachedTokens, 0);
    assert.equal((await warm.done).cachedTokens, 100);
    assert.deepEqual([...cold.timesMs, ...warm.timesMs], [102, 104]);
  });

  it('decodes side by side, also while another request is in prefill', async () => {
    const { run } = rigOf();
    const [first, second] = [run(tokens(0, 10), { maxTokens: 4 }), run(tokens(1_000, 10), { maxTokens: 3 })];
    const long = run(tokens(2_000, 200));
    await Promise.all([first.done, second.done, long.done]);
    assert.deepEqual(first.timesMs, [10, 20, 30, 40]);
    assert.deepEqual(second.timesMs, [20, 30, 40]);
    assert.deepEqual(long.timesMs, [220]);
  });

  it('publishes prompt blocks with the first token, then one event per block decoded, a step after it is full', async () => {
    const { run, batches } = rigOf();
    const { done, timesMs } = run(tokens(0, 10), { maxTokens: 8 });
    await done;
    assert.deepEqual(
      batches.map(({ atMs, events }) => [
        atMs,
        events.map(event => event.kind === 'stored' && event.hashes.length),
      ]),
      // 12 tokens are there at 20 ms and 16 at 60 ms.
      [
        [10, [2]],
        [30, [1]],
        [70, [1]],
      ],
    );
    assert.lengthOf(timesMs, 8);
  });

  it('does not store the block that only the last token fills, as that token is never computed', async () => {
    const { run, cache } = rigOf();
    await run(tokens(0, 10), { maxTokens: 2 }).done;
    assert.equal(cache.residentCount, 2);
    await run(tokens(0, 10), { maxTokens: 3 }).done;
    assert.equal(cache.residentCount, 3);
  });

  it('computes and publishes a long prompt in chunks', async () => {
    const { run, batches } = rigOf({ prefillChunkTokens: 40 });
    const { done, timesMs } = run(tokens(0, 90));
    await done;
    assert.deepEqual(
      batches.map(({ atMs, events }) => [atMs, events.length]),
      [
        [40, 1],
        [80, 1],
        [90, 1],
      ],
    );
    assert.deepEqual(timesMs, [90]);
  });

  it('says the same for the same prompt and seed, and ends by itself unless told not to', async () => {
    const { run } = rigOf({ blocks: 400 });
    const options = { maxTokens: 500, ignoreEos: false };
    const [one, same, other] = await Promise.all([
      run(tokens(0, 10), options).done,
      run(tokens(0, 10), options).done,
      run(tokens(0, 10), { ...options, seed: 1 }).done,
    ]);
    assert.deepEqual(one.tokenIds, same.tokenIds);
    assert.notDeepEqual(one.tokenIds, other.tokenIds);
    assert.equal(one.finishReason, 'stop');
    assert.equal(one.tokenIds.at(-1), END_OF_SEQUENCE);
    const endless = await run(tokens(0, 10), { maxTokens: 300 }).done;
    assert.equal(endless.finishReason, 'length');
    assert.lengthOf(endless.tokenIds, 300);
  });

  it('makes a request wait for blocks until another has finished', async () => {
    const { run, cache } = rigOf({ blocks: 6 });
    const first = run(tokens(0, 16), { maxTokens: 4 });
    const second = run(tokens(1_000, 16));
    await Promise.all([first.done, second.done]);
    assert.deepEqual(first.timesMs, [16, 26, 36, 46]);
    assert.deepEqual(second.timesMs, [62]);
    assert.equal(cache.usedBlocks, 0);
  });

  it('takes the blocks of the youngest request when an older one needs one, and computes it again', async () => {
    const { run, cache, stats } = rigOf({ blocks: 6 });
    const older = run(tokens(0, 8), { maxTokens: 12 });
    const younger = run(tokens(1_000, 8), { maxTokens: 12 });
    const results = await Promise.all([older.done, younger.done]);
    assert.isAtLeast(stats.preemptions, 1);
    for (const { tokenIds, finishReason } of results) {
      assert.lengthOf(tokenIds, 12);
      assert.equal(finishReason, 'length');
    }
    assert.equal(stats.promptTokens, 16);
    assert.equal(cache.usedBlocks, 0);
  });

  it('frees the blocks of an aborted request at once, wherever it is', async () => {
    const { run, cache, scheduler, stats } = rigOf({ blocks: 8 });
    const aborts = {
      decode: new AbortController(),
      prefill: new AbortController(),
      waiting: new AbortController(),
    };
    const decode = run(tokens(0, 8), {
      maxTokens: 1_000,
      signal: aborts.decode.signal,
      onToken: () => {
        // By then the second prompt is being prefilled and the third has no room.
        if (scheduler.running < 2) return;
        for (const abort of Object.values(aborts)) abort.abort();
      },
    });
    const prefill = run(tokens(1_000, 16), { signal: aborts.prefill.signal });
    const waiting = run(tokens(2_000, 16), { signal: aborts.waiting.signal });
    const results = await Promise.all([decode.done, prefill.done, waiting.done]);
    assert.deepEqual(
      results.map(result => result.finishReason),
      ['abort', 'abort', 'abort'],
    );
    assert.equal(cache.usedBlocks, 0);
    assert.equal(scheduler.running + scheduler.waiting, 0);
    assert.equal(stats.finishedRequests.abort, 3);
    assert.equal((await run(tokens(5_000, 32)).done).finishReason, 'length');
  });

  it('gives no token to a request that the token of another one has aborted', async () => {
    const { run, cache } = rigOf();
    const abort = new AbortController();
    const options = { maxTokens: 50 };
    let tokensOfFirst = 0;
    const first = run(tokens(0, 4), {
      ...options,
      onToken: () => {
        if (++tokensOfFirst === 5) abort.abort();
      },
    });
    const second = run(tokens(1_000, 4), { ...options, signal: abort.signal });
    await Promise.all([first.done, second.done]);
    const { finishReason, tokenIds } = await second.done;
    assert.equal(finishReason, 'abort');
    assert.lengthOf(tokenIds, second.timesMs.length);
    assert.equal(cache.usedBlocks, 0);
  });

  it('does not start what is aborted already or comes after the stop', async () => {
    const { run, scheduler } = rigOf();
    assert.equal((await run(tokens(0, 8), { signal: AbortSignal.abort() }).done).finishReason, 'abort');
    const running = run(tokens(0, 8), { maxTokens: 1_000 });
    await scheduler.stop();
    assert.equal((await running.done).finishReason, 'abort');
    assert.equal((await run(tokens(0, 8)).done).finishReason, 'abort');
  });
});
