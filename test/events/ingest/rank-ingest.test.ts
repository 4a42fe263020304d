import { assert } from 'chai';
import type { KvEvent } from '../../../src/events/decoding/kv-event.ts';
import type { RankIngest } from '../../../src/events/ingest/rank-ingest.ts';
import { chainOf } from '../../support/blocks.ts';
import { type Context, FeedBench } from '../../support/feed-bench.ts';
import { group, removed, stored, tokensOf } from '../../support/kv-events.ts';

const CLEARED: KvEvent = { kind: 'cleared' };

let bench: FeedBench;
let feed: RankIngest;

/** For the tests of one `describe`. */
function eachHasItsOwnFeed(): void {
  beforeEach(() => {
    bench = new FeedBench();
    feed = bench.feed();
  });
  afterEach(() => bench.cache.index.check());
}

/** How many blocks of a prompt made of these blocks the holder has. */
function depth(hashes: readonly number[], context: Context = {}, pod = 'a'): number {
  return bench.depth(hashes, context, pod);
}

describe('the feed of one holder', () => {
  eachHasItsOwnFeed();

  it('indexes stored blocks by their tokens, whatever the engine calls them', () => {
    assert.deepEqual(feed.apply(stored([1, 2, 3])), { kind: 'stored', blocks: 3, attached: 0 });
    assert.equal(depth([1, 2, 3, 4]), 3);
    bench.feed('b').apply(stored([77, 88], undefined, { tokenIds: tokensOf([1, 2]) }));
    assert.equal(depth([1, 2, 3], {}, 'b'), 2);
    assert.equal(feed.size, 3);
  });

  it('continues a chain from its parent', () => {
    feed.apply(stored([1, 2]));
    assert.deepEqual(feed.apply(stored([3], 2)), { kind: 'stored', blocks: 1, attached: 0 });
    feed.apply(stored([4], 1));
    assert.equal(depth([1, 2, 3]), 3);
    assert.equal(depth([1, 4]), 2);
    assert.equal(depth([4]), 0);
  });

  it('does not put a block with an unknown parent at the root', () => {
    assert.deepEqual(feed.apply(stored([3, 4], 2)), { kind: 'orphaned', blocks: 2, dropped: 0 });
    assert.deepEqual(bench.cache.index.size(), { blocks: 0, entries: 0 });
    assert.equal(feed.size, 0);
    assert.equal(feed.apply(stored([5], 4)).kind, 'orphaned', 'nor its children');
  });

  it('knows parents of its own holder only', () => {
    feed.apply(stored([1, 2]));
    assert.equal(bench.feed('b').apply(stored([3], 2)).kind, 'orphaned');
  });

  it('removes blocks by the names that the engine gave them', () => {
    feed.apply(stored([1, 2, 3]));
    assert.deepEqual(feed.apply(removed([3])), { kind: 'removed', blocks: 1 });
    assert.equal(depth([1, 2, 3]), 2);
    assert.deepEqual(feed.apply(removed([1, 2])), { kind: 'removed', blocks: 2 });
    assert.deepEqual(bench.cache.index.size(), { blocks: 0, entries: 0 });
    assert.equal(feed.size, 0);
  });

  it('removes nothing of what it does not know, or of other holders', () => {
    feed.apply(stored([1]));
    bench.feed('b').apply(stored([1]));
    assert.deepEqual(feed.apply(removed([9])), { kind: 'removed', blocks: 0 });
    feed.apply(removed([1]));
    assert.equal(depth([1]), 0);
    assert.equal(depth([1], {}, 'b'), 1);
  });

  it('holds a block until its last copy is removed', () => {
    feed.apply(stored([1, 2]));
    feed.apply(stored([2], 1));
    assert.deepEqual(feed.apply(removed([2])), { kind: 'removed', blocks: 0 });
    assert.equal(depth([1, 2]), 2);
    assert.deepEqual(feed.apply(removed([2])), { kind: 'removed', blocks: 1 });
    assert.equal(depth([1, 2]), 1);
    assert.deepEqual(feed.apply(removed([2])), { kind: 'removed', blocks: 0 });
    assert.equal(feed.apply(stored([2], 1)).kind, 'stored');
    assert.equal(depth([1, 2]), 2);
  });

  it('is one for each rank of a pod', () => {
    feed.apply(stored([1, 2]));
    bench.feed('a', { rank: 1 }).apply(stored([1]));
    assert.equal(bench.cache.index.size().entries, 3);
    feed.apply(CLEARED);
    assert.deepEqual(bench.cache.index.size(), { blocks: 1, entries: 1 });
  });

  it('forgets everything, copies included, when the cache is cleared', () => {
    feed.apply(stored([1, 2]));
    feed.apply(stored([2], 1));
    bench.feed('b').apply(stored([1]));
    assert.deepEqual(feed.apply(CLEARED), { kind: 'cleared' });
    assert.equal(feed.size, 0);
    assert.equal(depth([1, 2]), 0);
    assert.equal(depth([1], {}, 'b'), 1);
    assert.equal(feed.apply(stored([3], 2)).kind, 'orphaned');
    feed.apply(stored([1]));
    feed.apply(removed([1]));
    assert.equal(depth([1]), 0);
  });

  it('ends what was expected of its pod when the engine says that it is gone, and of no other', () => {
    const chain = chainOf(tokensOf([1, 2, 3]), 2);
    for (const pod of ['a', 'b']) bench.cache.history.store(pod, chain);
    const expected = (pod: string) =>
      bench.cache.history.of(pod).map(({ holder }) => bench.cache.index.find(chain).depthOf(holder));
    feed.apply(stored([1, 2, 3]));
    feed.apply(stored([3], 2));
    feed.apply(removed([3]));
    assert.deepEqual([expected('a'), expected('b')], [[3], [3]], 'while there is another copy');
    feed.apply(removed([2]));
    assert.deepEqual([expected('a'), expected('b')], [[1], [3]]);
    feed.apply(CLEARED);
    assert.deepEqual([expected('a'), expected('b')], [[], [3]]);
  });

  it('expects nothing of an engine whose cache is not known any more', () => {
    bench.cache.history.store('a', chainOf(tokensOf([1, 2]), 2));
    feed.apply(stored([1, 2]));
    feed.forget();
    assert.deepEqual(bench.cache.index.size(), { blocks: 0, entries: 0 });
    assert.equal(bench.cache.history.entries, 0);
  });

  const inconsistent: [string, ReturnType<typeof stored>][] = [
    ['fewer hashes than blocks of tokens', stored([1], undefined, { tokenIds: tokensOf([1, 2]) })],
    ['more hashes than blocks of tokens', stored([1, 2, 3], undefined, { tokenIds: tokensOf([1, 2]) })],
    ['a partial block', stored([1], undefined, { tokenIds: Uint32Array.of(1) })],
    ['a block size of 0', stored([1], undefined, { blockSizeTokens: 0, tokenIds: new Uint32Array() })],
    [
      'a group without number or kind that names fewer blocks than it has tokens for',
      stored([1], undefined, { group: group(), tokenIds: tokensOf([1, 2]) }),
    ],
  ];
  for (const [title, event] of inconsistent) {
    it(`does not index a store of ${title}`, () => {
      assert.deepEqual(feed.apply(event), { kind: 'inconsistent' });
      assert.equal(bench.cache.index.size().entries, 0);
      assert.equal(feed.orphans, 0);
      assert.deepEqual(bench.cache.catalog.blockForms('demo'), []);
    });
  }
});

describe('blocks whose parent is unknown', () => {
  eachHasItsOwnFeed();

  it('take their place when the parent appears, and so do those that follow them', () => {
    feed.apply(stored([5], 4));
    feed.apply(stored([3, 4], 2));
    assert.equal(feed.orphans, 3);
    assert.deepEqual(feed.apply(stored([1, 2])), { kind: 'stored', blocks: 2, attached: 3 });
    assert.equal(depth([1, 2, 3, 4, 5]), 5);
    assert.equal(feed.orphans, 0);
    assert.deepEqual(feed.apply(removed([5])), { kind: 'removed', blocks: 1 });
    assert.equal(depth([1, 2, 3, 4, 5]), 4);
  });

  it('take their place without those that were removed while they waited', () => {
    feed.apply(stored([3, 4, 5], 2));
    assert.deepEqual(feed.apply(removed([4])), { kind: 'removed', blocks: 0 });
    feed.apply(stored([1, 2]));
    assert.equal(depth([1, 2, 3, 4, 5]), 3);
    assert.equal(feed.size, 4);
    feed.apply(stored([4], 3));
    assert.equal(depth([1, 2, 3, 4, 5]), 5);
  });

  it('may be several copies', () => {
    feed.apply(stored([2], 1));
    feed.apply(stored([2], 1));
    feed.apply(stored([1]));
    feed.apply(removed([2]));
    assert.equal(depth([1, 2]), 2);
    feed.apply(removed([2]));
    assert.equal(depth([1, 2]), 1);
  });

  it('may be evicted, stored and evicted again before the parent appears', () => {
    feed.apply(stored([2, 3], 1));
    feed.apply(removed([3]));
    feed.apply(stored([3], 2));
    assert.equal(feed.orphans, 3);
    feed.apply(removed([3]));
    assert.equal(feed.orphans, 2, 'nothing waits for what is gone altogether');
    feed.apply(removed([3]));
    feed.apply(stored([1]));
    assert.equal(depth([1, 2, 3]), 2);
    assert.equal(feed.size, 2);
  });

  it('are forgotten with the rest', () => {
    feed.apply(stored([2], 1));
    feed.apply(CLEARED);
    assert.equal(feed.orphans, 0);
    assert.deepEqual(feed.apply(stored([1])), { kind: 'stored', blocks: 1, attached: 0 });
    assert.equal(depth([1, 2]), 1);
  });

  it('are dropped, the oldest first, beyond the bound', () => {
    const bounded = bench.feed('a', { maxOrphanBlocks: 3 });
    assert.deepEqual(bounded.apply(stored([2, 3], 1)), { kind: 'orphaned', blocks: 2, dropped: 0 });
    assert.deepEqual(bounded.apply(stored([5, 6], 4)), { kind: 'orphaned', blocks: 2, dropped: 2 });
    assert.equal(bounded.orphans, 2);
    assert.deepEqual(bounded.apply(stored([1])), { kind: 'stored', blocks: 1, attached: 0 });
    assert.deepEqual(bounded.apply(stored([4])), { kind: 'stored', blocks: 1, attached: 2 });
  });

  it('holds no more bytes aside than it may, however long the texts of an engine are', () => {
    const salt = 'x'.repeat(4 * 1024 * 1024);
    const dropped = [2, 4, 6].map(hash => {
      const applied = feed.apply(stored([hash], hash - 1, { salt }));
      return applied.kind === 'orphaned' && applied.dropped;
    });
    assert.deepEqual(dropped, [0, 1, 1]);
    assert.equal(feed.orphans, 1);
  });
});

describe('blocks that are announced again', () => {
  eachHasItsOwnFeed();

  it('are copies when they follow a block: each removal ends one', () => {
    feed.apply(stored([1, 2]));
    feed.apply(stored([2], 1));
    feed.apply(removed([2]));
    assert.equal(depth([1, 2]), 2);
  });

  it('are copies, too, when they are several that follow a block', () => {
    feed.apply(stored([1, 2, 3]));
    bench.feed('b').apply(stored([1]));
    feed.apply(stored([2, 3], 1));
    feed.apply(removed([3, 2]));
    assert.equal(depth([1, 2, 3]), 3);
    feed.apply(removed([3, 2]));
    assert.equal(depth([1, 2, 3]), 1);
  });

  it('are copies when it is one alone from the root, as a prompt of one block makes with every repeat', () => {
    feed.apply(stored([1]));
    feed.apply(stored([1]));
    feed.apply(removed([1]));
    assert.equal(depth([1]), 1);
    feed.apply(removed([1]));
    assert.equal(depth([1]), 0);
  });

  it('are a report and no copies when several held ones come again from the root', () => {
    feed.apply(stored([1, 2, 3]));
    feed.apply(stored([1, 2]));
    feed.apply(removed([2]));
    assert.equal(depth([1, 2, 3]), 1);
  });

  it('are copies when the engine has something new among them', () => {
    feed.apply(stored([1, 2]));
    feed.apply(stored([1, 2, 3]));
    feed.apply(removed([2]));
    assert.equal(depth([1, 2, 3]), 3);
  });
});
