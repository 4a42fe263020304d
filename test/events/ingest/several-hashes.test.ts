/** Engines whose hashes cover more than our blocks do hold one block under several. Numbers are blocks of two tokens. */
import { assert } from 'chai';
import type { RankIngest } from '../../../src/events/ingest/rank-ingest.ts';
import { FeedBench } from '../../support/feed-bench.ts';
import { removed, stored, tokensOf } from '../../support/kv-events.ts';

const [x, y, z, d1, d2, d3] = [1, 2, 3, 4, 5, 6];

describe('several engine hashes for one block', () => {
  let bench: FeedBench;
  let feed: RankIngest;
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

describe('engines whose hashes cover tokens after a block', () => {
  /** Blocks under hashes of their own, and the first token of what follows the last of them. */
  function storeFollowed(
    feed: RankIngest,
    hashes: readonly number[],
    blocks: readonly number[],
    { followedBy, parent }: { readonly followedBy: number; readonly parent?: number },
  ): void {
    const ids = [...blocks.slice(1), followedBy].map(block => tokensOf([block])[0]!);
    const lookahead = { tokens: 1, ids: Uint32Array.from(ids) };
    feed.apply(stored(hashes, parent, { tokenIds: tokensOf(blocks), lookahead }));
  }

  const followed = (blocks: readonly number[]) => [...blocks, 9];

  it('reuse a block only where the same follows', () => {
    const bench = new FeedBench();
    storeFollowed(bench.feed(), [101, 102, 103, 104], [x, y, z, d1], { followedBy: 9 });
    assert.equal(bench.match([x, y, z, d2]).gpu, 2);
    assert.equal(bench.match([x, y, z, d1]).gpu, 3, 'nothing follows the last one yet');
    assert.equal(bench.match(followed([x, y, z, d1])).gpu, 4);
    assert.equal(bench.match([x, y, z, d1, d2]).gpu, 3);
    assert.equal(bench.match([x]).gpu, 0);
  });

  it('hold a block several times, and evict each by itself', () => {
    const bench = new FeedBench();
    const feed = bench.feed();
    storeFollowed(feed, [101, 102, 103, 104], [x, y, z, d1], { followedBy: 9 });
    storeFollowed(feed, [105, 106], [z, d2], { followedBy: 9, parent: 102 });
    storeFollowed(feed, [107, 108], [z, d3], { followedBy: 9, parent: 102 });
    feed.apply(removed([104]));
    feed.apply(removed([103]));
    assert.deepEqual(
      [d1, d2, d3].map(last => bench.match(followed([x, y, z, last])).gpu),
      [2, 4, 4],
    );
    feed.apply(removed([108]));
    assert.equal(bench.match(followed([x, y, z, d3])).gpu, 3);
  });

  it('share nothing with engines of the same model whose hashes do not', () => {
    const bench = new FeedBench();
    storeFollowed(bench.feed('a'), [101, 102], [x, y], { followedBy: 9 });
    bench.feed('b').apply(stored([1, 2], undefined, { tokenIds: tokensOf([x, y]) }));
    assert.equal(bench.match(followed([x, y]), { pod: 'a' }).gpu, 2);
    assert.equal(bench.match([x, y], { pod: 'a' }).gpu, 1);
    assert.equal(bench.match([x, y], { pod: 'b' }).gpu, 2);
  });

  it('are not believed where what follows is not said of each block', () => {
    const bench = new FeedBench();
    const lookahead = { tokens: 1, ids: Uint32Array.of(7) };
    assert.equal(bench.feed().apply(stored([1, 2], undefined, { lookahead })).kind, 'inconsistent');
  });
});
