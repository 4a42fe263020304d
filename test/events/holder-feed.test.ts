import { assert } from 'chai';
import { HolderFeed } from '../../src/events/holder-feed.ts';
import type { CacheGroup, ExtraKey, KvEvent, RemovedEvent } from '../../src/events/kv-event.ts';
import { BlockSets } from '../../src/prefix-index/block-sets.ts';
import { ContextCatalog } from '../../src/prefix-index/context-catalog.ts';
import { chainOf, depthsOf, holder, SEED } from '../support/blocks.ts';
import { engineHashes, stored, tokensOf } from '../support/kv-events.ts';

const A = holder(0);
const B = holder(1);
const CLEARED: KvEvent = { kind: 'cleared' };

let index: BlockSets;
let catalog: ContextCatalog;
let feed: HolderFeed;

beforeEach(() => {
  index = new BlockSets({ capacityEntries: 10_000, timeToLiveMs: Number.POSITIVE_INFINITY });
  catalog = new ContextCatalog();
  feed = feedOf(A);
});

function feedOf(id: typeof A): HolderFeed {
  return new HolderFeed({ holder: id, model: 'demo', index, catalog, seed: SEED });
}

function removed(hashes: readonly number[], given: Partial<RemovedEvent> = {}): KvEvent {
  const group = { index: 0, kind: undefined };
  return { kind: 'removed', hashes: engineHashes(...hashes), medium: 'gpu', group, ...given };
}

function group(index: number | undefined, kind?: string): { group: CacheGroup } {
  return { group: { index, kind } };
}

/** How many blocks of a prompt made of these blocks the holder has. */
function depth(hashes: readonly number[], context: { model?: string; salt?: string } = {}, id = A): number {
  return depthsOf(index.match(chainOf(tokensOf(hashes), 2, context))).get(id) ?? 0;
}

const text = (value: string): ExtraKey => ({ kind: 'text', text: value });
const image = (json: string): ExtraKey => ({ kind: 'other', json });

describe('the feed of one holder', () => {
  it('indexes stored blocks by their tokens, whatever the engine calls them', () => {
    assert.deepEqual(feed.apply(stored([1, 2, 3])), { kind: 'stored', blocks: 3, attached: 0 });
    assert.equal(depth([1, 2, 3, 4]), 3);
    feedOf(B).apply(stored([77, 88], undefined, { tokenIds: tokensOf([1, 2]) }));
    assert.equal(depth([1, 2, 3], {}, B), 2);
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
    assert.deepEqual(index.size(), { blocks: 0, entries: 0 });
    assert.equal(feed.size, 0);
    assert.equal(feed.apply(stored([5], 4)).kind, 'orphaned', 'nor its children');
  });

  it('knows parents of its own holder only', () => {
    feed.apply(stored([1, 2]));
    assert.equal(feedOf(B).apply(stored([3], 2)).kind, 'orphaned');
  });

  it('removes blocks by the names that the engine gave them', () => {
    feed.apply(stored([1, 2, 3]));
    assert.deepEqual(feed.apply(removed([3])), { kind: 'removed', blocks: 1 });
    assert.equal(depth([1, 2, 3]), 2);
    assert.deepEqual(feed.apply(removed([1, 2])), { kind: 'removed', blocks: 2 });
    assert.deepEqual(index.size(), { blocks: 0, entries: 0 });
    assert.equal(feed.size, 0);
  });

  it('removes nothing of what it does not know, or of other holders', () => {
    feed.apply(stored([1]));
    feedOf(B).apply(stored([1]));
    assert.deepEqual(feed.apply(removed([9])), { kind: 'removed', blocks: 0 });
    feed.apply(removed([1]));
    assert.equal(depth([1]), 0);
    assert.equal(depth([1], {}, B), 1);
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

  it('forgets everything, copies included, when the cache is cleared', () => {
    feed.apply(stored([1, 2]));
    feed.apply(stored([2], 1));
    feedOf(B).apply(stored([1]));
    assert.deepEqual(feed.apply(CLEARED), { kind: 'cleared' });
    assert.equal(feed.size, 0);
    assert.equal(depth([1, 2]), 0);
    assert.equal(depth([1], {}, B), 1);
    assert.equal(feed.apply(stored([3], 2)).kind, 'orphaned');
    feed.apply(stored([1]));
    feed.apply(removed([1]));
    assert.equal(depth([1]), 0);
  });

  const inconsistent: [string, ReturnType<typeof stored>][] = [
    ['fewer hashes than blocks of tokens', stored([1], undefined, { tokenIds: tokensOf([1, 2]) })],
    ['more hashes than blocks of tokens', stored([1, 2, 3], undefined, { tokenIds: tokensOf([1, 2]) })],
    ['a partial block', stored([1], undefined, { tokenIds: Uint32Array.of(1) })],
    ['a block size of 0', stored([1], undefined, { blockSizeTokens: 0, tokenIds: new Uint32Array() })],
  ];
  for (const [title, event] of inconsistent) {
    it(`does not index a store of ${title}`, () => {
      assert.deepEqual(feed.apply(event), { kind: 'inconsistent' });
      assert.equal(index.size().entries, 0);
      assert.deepEqual(catalog.blockSizes('demo'), []);
    });
  }
});

describe('blocks that are elsewhere', () => {
  for (const medium of ['cpu', 'storage', 'unknown'] as const) {
    it(`are neither indexed nor removed from the GPU (${medium})`, () => {
      feed.apply(stored([1, 2]));
      assert.deepEqual(feed.apply(stored([1, 2, 3], undefined, { medium })), { kind: 'elsewhere' });
      assert.deepEqual(feed.apply(removed([1, 2], { medium })), { kind: 'elsewhere' });
      assert.equal(depth([1, 2, 3]), 2);
    });
  }

  it('do not make the GPU forget its group of the same number', () => {
    feed.apply(stored([1], undefined, { medium: 'cpu', ...group(0, 'sliding_window') }));
    feed.apply(removed([9], { medium: 'cpu' }));
    assert.equal(feed.apply(stored([1])).kind, 'stored');
    assert.deepEqual(feed.apply(removed([1])), { kind: 'removed', blocks: 1 });
  });

  const window = group(1, 'sliding_window');

  it('are those of groups that carry no prefix, and so are their removals, which do not say so', () => {
    assert.deepEqual(feed.apply(stored([1, 2], undefined, window)), { kind: 'elsewhere' });
    feed.apply(stored([1, 2]));
    assert.deepEqual(feed.apply(removed([1], group(1))), { kind: 'elsewhere' });
    assert.equal(depth([1, 2]), 2);
    assert.deepEqual(feed.apply(removed([2], group(0))), { kind: 'removed', blocks: 1 });
    assert.equal(depth([1, 2]), 1);
  });

  it('are known by their group, wherever the full attention is', () => {
    feed.apply(stored([1, 2], undefined, group(0, 'sliding_window')));
    feed.apply(stored([1, 2], undefined, group(1, 'full_attention')));
    assert.deepEqual(feed.apply(removed([1, 2], group(0))), { kind: 'elsewhere' });
    assert.equal(depth([1, 2]), 2);
    assert.deepEqual(feed.apply(removed([2], group(1))), { kind: 'removed', blocks: 1 });
  });

  it('are all groups but the first while an engine does not say their kind', () => {
    assert.deepEqual(feed.apply(stored([1], undefined, group(1))), { kind: 'elsewhere' });
    assert.equal(feed.apply(stored([1], undefined, group(0))).kind, 'stored');
    assert.equal(feed.apply(stored([2], 1, group(undefined))).kind, 'stored');
    assert.equal(depth([1, 2]), 2);
  });
});

describe('blocks whose parent is unknown', () => {
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
    const bounded = new HolderFeed({
      holder: A,
      model: 'demo',
      index,
      catalog,
      seed: SEED,
      maxOrphanBlocks: 3,
    });
    assert.deepEqual(bounded.apply(stored([2, 3], 1)), { kind: 'orphaned', blocks: 2, dropped: 0 });
    assert.deepEqual(bounded.apply(stored([5, 6], 4)), { kind: 'orphaned', blocks: 2, dropped: 2 });
    assert.equal(bounded.orphans, 2);
    assert.deepEqual(bounded.apply(stored([1])), { kind: 'stored', blocks: 1, attached: 0 });
    assert.deepEqual(bounded.apply(stored([4])), { kind: 'stored', blocks: 1, attached: 2 });
  });
});

describe('blocks that are announced again', () => {
  it('are copies when they follow a block: each removal ends one', () => {
    feed.apply(stored([1, 2]));
    feed.apply(stored([2], 1));
    feed.apply(removed([2]));
    assert.equal(depth([1, 2]), 2);
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

describe('the context of stored blocks', () => {
  it('is the base model, or the adapter that is named', () => {
    feed.apply(stored([1, 2], undefined, { loraName: 'sql', extraKeys: [[text('sql')], [text('sql')]] }));
    assert.equal(depth([1, 2], { model: 'sql' }), 2);
    assert.equal(depth([1, 2]), 0);
    assert.isTrue(catalog.isAdapter('sql'));
    assert.deepEqual(catalog.blockSizes('sql'), [2]);
    assert.deepEqual(catalog.blockSizes('demo'), []);
    feed.apply(stored([3]));
    assert.deepEqual(catalog.blockSizes('demo'), [2]);
    assert.isTrue(catalog.uses(A, 'demo', 2));
    assert.isFalse(catalog.isAdapter('demo'));
  });

  it('has the salt, which stands last in the first block, and goes for the whole chain', () => {
    feed.apply(stored([1, 2], undefined, { extraKeys: [[text('tenant')], undefined] }));
    feed.apply(stored([3], 2, { extraKeys: [undefined] }));
    assert.equal(depth([1, 2, 3], { salt: 'tenant' }), 3);
    assert.equal(depth([1, 2, 3]), 0);
  });

  it('has the salt that is said outright, as SGLang does', () => {
    feed.apply(stored([1, 2], undefined, { salt: 'tenant' }));
    assert.deepEqual([depth([1, 2], { salt: 'tenant' }), depth([1, 2])], [2, 0]);
  });

  it('has adapter and salt together', () => {
    const extraKeys = [[text('sql'), text('tenant')], [text('sql')]];
    feed.apply(stored([1, 2], undefined, { loraName: 'sql', extraKeys }));
    assert.equal(depth([1, 2], { model: 'sql', salt: 'tenant' }), 2);
    assert.equal(depth([1, 2], { model: 'sql' }), 0);
  });

  it('has a salt that is named like the adapter', () => {
    const extraKeys = [[text('sql'), text('sql')], [text('sql')]];
    feed.apply(stored([1, 2], undefined, { loraName: 'sql', extraKeys }));
    assert.equal(depth([1, 2], { model: 'sql', salt: 'sql' }), 2);
    assert.equal(depth([1, 2], { model: 'sql' }), 0);
  });

  it('has no salt in a later block: a text there belongs to its block', () => {
    feed.apply(stored([1]));
    feed.apply(stored([2], 1, { extraKeys: [[text('image-hash')]] }));
    assert.equal(depth([1, 2]), 1);
    assert.equal(feed.size, 2);
    feed.apply(stored([2], 1));
    assert.equal(index.size().blocks, 3);
  });

  it('keeps prompts apart that differ in an image only, from its block on', () => {
    const withImage = (name: string) =>
      stored([1, 2, 3], undefined, { extraKeys: [undefined, [image(`["${name}",0]`)], undefined] });
    feed.apply(withImage('cat'));
    feedOf(B).apply(withImage('dog'));
    assert.deepEqual(index.size(), { blocks: 5, entries: 6 });
    assert.deepEqual([depth([1, 2, 3]), depth([1, 2, 3], {}, B)], [1, 1]);
  });

  it('has an image and a salt in the first block', () => {
    const keys = (salt: string) => ({ extraKeys: [[image('["cat",0]'), text(salt)]] });
    feed.apply(stored([1], undefined, keys('one')));
    feedOf(B).apply(stored([1], undefined, keys('other')));
    assert.deepEqual(index.size(), { blocks: 2, entries: 2 });
    assert.equal(depth([1], { salt: 'one' }), 0, 'without the image it is another block');
  });
});
