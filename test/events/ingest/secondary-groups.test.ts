/** Hybrid models: what is reused of a prefix depends on what every KV-cache group holds. */

import { assert } from 'chai';
import type { CacheGroup, KvEvent } from '../../../src/events/decoding/kv-event.ts';
import type { RankIngest } from '../../../src/events/ingest/rank-ingest.ts';
import { FeedBench } from '../../support/feed-bench.ts';
import { engineHashes, group, removed, stored, tokensOf } from '../../support/kv-events.ts';

const CLEARED: KvEvent = { kind: 'cleared' };
/** As vLLM 0.32 numbers them. Blocks are of two tokens: a window of five needs the last two. */
const WINDOW = group(0, 'sliding_window', 5);
const FULL = group(1, 'full_attention');
const STATE = group(2, 'mamba');
const PROMPT = [1, 2, 3, 4, 5, 6];

describe('the KV-cache groups of a hybrid model', () => {
  let bench: FeedBench;
  let feed: RankIngest;

  beforeEach(() => {
    bench = new FeedBench();
    feed = bench.feed();
  });
  afterEach(() => bench.cache.index.check());

  /** A group stores blocks; of the tokens of `range` it may leave some out. */
  function store(of: CacheGroup, hashes: readonly number[], parent?: number, range = hashes) {
    return feed.apply(stored(hashes, parent, { group: of, tokenIds: tokensOf(range) }));
  }

  const remove = (of: number, hashes: readonly number[]) => feed.apply(removed(hashes, { group: group(of) }));

  /** How many blocks of the prompt would be reused. */
  function reused(hashes: readonly number[] = PROMPT): number {
    const { gpu, cpu, storage } = bench.match(hashes);
    assert.deepEqual([cpu, storage], [0, 0]);
    return gpu;
  }

  it('all count as soon as they are heard of', () => {
    store(FULL, PROMPT);
    assert.equal(reused(), 6);
    assert.deepEqual(store(WINDOW, [3, 4], undefined, PROMPT), { kind: 'stored', blocks: 2, attached: 0 });
    assert.equal(reused(), 4);
    assert.equal(feed.size, 6, 'of the group that carries prefixes');
  });

  it('may store in any order', () => {
    assert.deepEqual(store(WINDOW, [3, 4], undefined, PROMPT), { kind: 'stored', blocks: 0, attached: 0 });
    assert.equal(reused(), 0);
    store(FULL, [1, 2, 3]);
    assert.equal(reused(), 0);
    store(FULL, [4, 5, 6], 3);
    assert.equal(reused(), 4);
  });

  it('may store blocks that wait for their parent', () => {
    store(WINDOW, [3, 4], 2);
    store(FULL, [3, 4], 2);
    assert.equal(feed.orphans, 2);
    store(FULL, [1, 2]);
    assert.equal(reused([1, 2, 3, 4]), 4);
  });

  it('end a match where a window is not whole', () => {
    store(FULL, PROMPT);
    store(WINDOW, [2, 3, 5, 6], undefined, PROMPT);
    assert.deepEqual([reused(), reused([1, 2, 3, 4, 5]), reused([1, 2, 9])], [6, 3, 0]);
    remove(0, [6]);
    assert.equal(reused(), 3);
    remove(0, [3]);
    assert.equal(reused(), 0);
    assert.equal(bench.depth(PROMPT), 6, 'for the blocks without their window nothing is claimed');
  });

  it('match what is shorter than a window, if that has all of it', () => {
    store(FULL, PROMPT);
    store(WINDOW, [1], undefined, PROMPT);
    assert.equal(reused(), 1);
  });

  it('match nothing while one of them stores nothing', () => {
    store(FULL, PROMPT);
    const event = stored([], undefined, { group: WINDOW, tokenIds: tokensOf(PROMPT) });
    assert.deepEqual(feed.apply({ ...event, hashes: engineHashes() }), {
      ...{ kind: 'stored', blocks: 0, attached: 0 },
    });
    assert.equal(reused(), 0);
  });

  it('match as much of a window as its size takes', () => {
    store(FULL, PROMPT);
    const wide = group(0, 'sliding_window_mla', 8);
    store(wide, [3, 4, 5, 6], undefined, PROMPT);
    assert.equal(reused(), 6);
    remove(0, [3]);
    assert.equal(reused(), 0, 'seven tokens before the last one are in four blocks');
    store(wide, [3], 2);
    assert.equal(reused(), 6);
  });

  it('need the last block of a state', () => {
    store(FULL, PROMPT);
    store(STATE, [2, 5], undefined, PROMPT);
    assert.deepEqual([reused(), reused([1, 2, 3, 4])], [5, 2]);
  });

  for (const kind of ['chunked_local_attention', 'invented_later', 'sliding_window'] as const) {
    it(`need all blocks where it is not known which: ${kind}`, () => {
      store(FULL, PROMPT);
      store(group(0, kind), [1, 2, 4, 5, 6], undefined, PROMPT);
      assert.equal(reused(), 2);
      store(group(0, kind), [3], 2);
      assert.equal(reused(), 6);
    });
  }

  it('may be many: a match suits each', () => {
    store(FULL, PROMPT);
    store(WINDOW, [2, 3, 4], undefined, PROMPT);
    store(STATE, [3, 6], undefined, PROMPT);
    assert.equal(reused(), 3);
  });

  it('are told apart by their numbers when they remove', () => {
    store(FULL, PROMPT);
    store(WINDOW, PROMPT);
    assert.deepEqual(remove(0, [1, 2]), { kind: 'removed', blocks: 2 });
    assert.equal(reused(), 6);
    assert.deepEqual(remove(1, [6]), { kind: 'removed', blocks: 1 });
    assert.equal(reused(), 5);
  });

  it('hold a block until its last copy is gone', () => {
    store(FULL, PROMPT);
    for (let copy = 0; copy < 2; copy++) store(STATE, [6], 5);
    assert.deepEqual(remove(2, [6]), { kind: 'removed', blocks: 0 });
    assert.equal(reused(), 6);
    remove(2, [6]);
    assert.equal(reused(), 0);
  });

  it('may remove blocks that the main group has not stored yet', () => {
    for (let copy = 0; copy < 2; copy++) store(STATE, [2, 3], 1);
    remove(2, [3]);
    remove(2, [3]);
    remove(2, [2]);
    store(FULL, [1, 2, 3]);
    assert.equal(reused(), 2);
    remove(2, [2]);
    assert.equal(reused(), 0);
  });

  it('keep what the main group gives up and stores again', () => {
    store(FULL, PROMPT);
    store(STATE, [6], 5);
    remove(1, [6]);
    assert.equal(reused(), 0);
    store(FULL, [6], 5);
    assert.equal(reused(), 6);
  });

  it('are all cleared with the GPU, and what waits is forgotten', () => {
    store(FULL, PROMPT);
    store(WINDOW, PROMPT);
    store(WINDOW, [7, 8], 6);
    feed.apply(CLEARED);
    assert.deepEqual(bench.cache.index.size(), { blocks: 0, entries: 0 });
    store(FULL, [...PROMPT, 7, 8]);
    assert.equal(reused([...PROMPT, 7, 8]), 0, 'the window has nothing now');
    store(WINDOW, [1], undefined, PROMPT);
    assert.equal(reused(), 1);
    feed.forget();
    assert.deepEqual(bench.cache.index.size(), { blocks: 0, entries: 0 });
  });

  it('keep what is announced before the main group’s, however many others wait in vain', function () {
    this.timeout(20_000);
    const foreign = Array.from({ length: 100_000 }, (_, i) => 1_000_000 + i);
    for (let i = 0; i < foreign.length; i += 10_000) store(STATE, foreign.slice(i, i + 10_000));
    store(STATE, PROMPT);
    store(FULL, PROMPT);
    assert.equal(reused(), 6);
  });

  it('evict those that have waited longest when too many do, and claim less', function () {
    this.timeout(20_000);
    const most = 2 ** 19;
    store(STATE, PROMPT);
    for (let i = 0; i < most; i += 2 ** 16) {
      const hashes = Array.from({ length: 2 ** 16 }, (_, k) => 1_000_000 + i + k);
      store(STATE, hashes);
    }
    const late = [11, 12, 13];
    store(STATE, late);
    store(FULL, PROMPT);
    store(FULL, late);
    assert.deepEqual([reused(), reused(late)], [0, 3]);
  });

  it('are of one engine each', () => {
    store(FULL, PROMPT);
    store(STATE, [3], undefined, PROMPT);
    bench.feed('b').apply(stored(PROMPT, undefined, { group: FULL }));
    assert.deepEqual([reused(), bench.match(PROMPT, { pod: 'b' }).gpu], [3, 6]);
    bench.cache.purge('a');
    assert.equal(bench.cache.index.size().entries, 6);
  });
});

describe('the group that carries prefixes', () => {
  let bench: FeedBench;
  let feed: RankIngest;

  beforeEach(() => {
    bench = new FeedBench();
    feed = bench.feed();
  });

  const store = (of: CacheGroup, hashes = [1, 2], parent?: number) =>
    feed.apply(stored(hashes, parent, { group: of }));
  const remove = (of: CacheGroup, hashes: readonly number[]) => feed.apply(removed(hashes, { group: of }));

  for (const kind of ['full_attention', 'mla_attention', 'sink_full_attention']) {
    it(`is the one with full attention, whatever its number (${kind})`, () => {
      store(group(0, 'sliding_window', 3));
      store(group(3, kind));
      assert.equal(bench.depth([1, 2]), 2);
      assert.deepEqual(remove(group(0), [1]), { kind: 'removed', blocks: 1 });
      assert.equal(bench.depth([1, 2]), 2);
      assert.deepEqual(remove(group(3), [2]), { kind: 'removed', blocks: 1 });
      assert.equal(bench.depth([1, 2]), 1);
    });
  }

  it('is the first that stores all its blocks, while an engine does not say the kinds', () => {
    assert.equal(feed.apply(stored([2], 1, { group: group(0), tokenIds: tokensOf([1, 2]) })).kind, 'stored');
    store(group(1));
    store(group(0));
    assert.equal(bench.depth([1, 2]), 2);
    remove(group(0), [1]);
    assert.equal(bench.depth([1, 2]), 2);
    assert.deepEqual(bench.match([1, 2]), { gpu: 0, cpu: 0, storage: 0 }, 'a prefix needs all of the others');
    remove(group(1), [2]);
    assert.equal(bench.depth([1, 2]), 1);
  });

  it('may have stored less than all its blocks before it was known', () => {
    feed.apply(stored([2], 1, { group: group(0), tokenIds: tokensOf([1, 2]) }));
    store(group(0), [5, 6]);
    assert.equal(bench.depth([5, 6]), 2);
    assert.deepEqual(bench.match([5, 6]), { gpu: 2, cpu: 0, storage: 0 });
  });

  it('is the only one of an engine that does not number them', () => {
    store(group());
    store(group(0), [3], 2);
    assert.equal(bench.depth([1, 2, 3]), 3);
    assert.deepEqual(remove(group(0), [3]), { kind: 'removed', blocks: 1 });
    assert.deepEqual(remove(group(), [2]), { kind: 'removed', blocks: 1 });
    assert.equal(bench.depth([1, 2, 3]), 1);
  });

  it('is meant by an event that leaves out the number', () => {
    store(group(1, 'full_attention'));
    store(group(), [3], 2);
    remove(group(), [3]);
    assert.equal(bench.depth([1, 2, 3]), 2);
  });

  it('is none of those without full attention', () => {
    assert.deepEqual(store(group(0, 'sliding_window', 3)), { kind: 'stored', blocks: 0, attached: 0 });
    assert.deepEqual(store(group(undefined, 'sliding_window', 3)), { kind: 'inconsistent' });
    assert.deepEqual(bench.cache.index.size(), { blocks: 0, entries: 0 });
    assert.deepEqual(bench.cache.catalog.blockForms('demo'), []);
  });
});
