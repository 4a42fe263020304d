/** Engines whose hashes cover more than our blocks do hold one block under several. Numbers are blocks of two tokens. */
import { assert } from 'chai';
import type { HolderFeed } from '../../src/events/holder-feed.ts';
import { FeedBench } from '../support/feed-bench.ts';
import { removed, stored, tokensOf } from '../support/kv-events.ts';

const [x, y, z, d1, d2, d3] = [1, 2, 3, 4, 5, 6];

describe('several engine hashes for one block', () => {
  let bench: FeedBench;
  let feed: HolderFeed;
  beforeEach(() => {
    bench = new FeedBench();
    feed = bench.feed();
  });

  /** Blocks under hashes that are not those of their tokens. */
  const store = (hashes: readonly number[], blocks: readonly number[], parent?: number) =>
    feed.apply(stored(hashes, parent, { tokenIds: tokensOf(blocks) }));

  it('keep it until the last of them is removed', () => {
    store([101, 102, 103, 104], [x, y, z, d1]);
    store([105, 106], [z, d2], 102);
    store([107, 108], [z, d3], 102);
    feed.apply(removed([104]));
    feed.apply(removed([103]));
    assert.equal(bench.depth([x, y, z, d2]), 4);
    assert.equal(bench.depth([x, y, z, d3]), 4);
    assert.equal(bench.depth([x, y, z, d1]), 3);
    feed.apply(removed([106, 105]));
    assert.equal(bench.depth([x, y, z, d2]), 3);
    feed.apply(removed([108, 107]));
    assert.equal(bench.depth([x, y, z, d3]), 2);
  });

  it('are parents of what follows, each of them', () => {
    store([101, 102, 103], [x, y, z]);
    store([203], [z], 102);
    assert.deepEqual(store([104], [d1], 203), { kind: 'stored', blocks: 1, attached: 0 });
    assert.equal(feed.orphans, 0);
    assert.equal(bench.depth([x, y, z, d1]), 4);
  });

  it('count also when the whole prompt is announced again', () => {
    store([101, 102, 103], [x, y, z]);
    store([201, 202, 203], [x, y, z]);
    for (const hash of [103, 102, 101]) feed.apply(removed([hash]));
    assert.equal(bench.depth([x, y, z]), 3);
    store([204], [d1], 203);
    assert.equal(bench.depth([x, y, z, d1]), 4);
    for (const hash of [204, 203]) feed.apply(removed([hash]));
    assert.equal(bench.depth([x, y, z, d1]), 2);
  });

  it('attach what has waited for one of them', () => {
    store([104], [d1], 203);
    assert.equal(feed.orphans, 1);
    store([101, 102, 103], [x, y, z]);
    store([203], [z], 102);
    assert.equal(feed.orphans, 0);
    assert.equal(bench.depth([x, y, z, d1]), 4);
  });

  it('go with a clear, and what is forgotten', () => {
    for (const forget of [() => feed.apply({ kind: 'cleared' }), () => feed.forget()]) {
      store([101, 102, 103], [x, y, z]);
      store([203], [z], 102);
      forget();
      assert.equal(feed.size, 0);
      assert.equal(store([104], [d1], 203).kind, 'orphaned');
    }
  });
});
