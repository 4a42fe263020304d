import { assert } from 'chai';
import { HolderFeed } from '../../src/events/holder-feed.ts';
import type { CachePlace, ExtraKey, KvEvent } from '../../src/events/kv-event.ts';
import { BlockSets } from '../../src/prefix-index/block-sets.ts';
import { ContextCatalog } from '../../src/prefix-index/context-catalog.ts';
import { chainOf, depthsOf, holder, SEED } from '../support/blocks.ts';
import { engineHash, stored, tokensOf } from '../support/kv-events.ts';

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

function removed(hashes: readonly number[], place: Partial<CachePlace> = {}): KvEvent {
  return { kind: 'removed', hashes: hashes.map(engineHash), place: { kind: 'gpu', group: 0, ...place } };
}

/** How many blocks of a prompt made of these blocks the holder has. */
function depth(hashes: readonly number[], context: { model?: string; salt?: string } = {}, id = A): number {
  return depthsOf(index.match(chainOf(tokensOf(hashes), 2, context))).get(id) ?? 0;
}

const text = (value: string): ExtraKey => ({ kind: 'text', text: value });
const image = (json: string): ExtraKey => ({ kind: 'other', json });

describe('the feed of one holder', () => {
  it('indexes stored blocks by their tokens, whatever the engine calls them', () => {
    assert.deepEqual(feed.apply(stored([1, 2, 3])), { kind: 'stored', blocks: 3 });
    assert.equal(depth([1, 2, 3, 4]), 3);
    feedOf(B).apply(stored([77, 88], undefined, { tokenIds: tokensOf([1, 2]) }));
    assert.equal(depth([1, 2, 3], {}, B), 2);
    assert.equal(feed.size, 3);
  });

  it('continues a chain from its parent', () => {
    feed.apply(stored([1, 2]));
    assert.deepEqual(feed.apply(stored([3], 2)), { kind: 'stored', blocks: 1 });
    feed.apply(stored([4], 1));
    assert.equal(depth([1, 2, 3]), 3);
    assert.equal(depth([1, 4]), 2);
    assert.equal(depth([4]), 0);
  });

  it('does not put a block with an unknown parent at the root', () => {
    assert.deepEqual(feed.apply(stored([3, 4], 2)), { kind: 'orphaned' });
    assert.deepEqual(index.size(), { blocks: 0, entries: 0 });
    assert.equal(feed.size, 0);
    assert.deepEqual(feed.apply(stored([5], 4)), { kind: 'orphaned' }, 'nor its children');
  });

  it('knows parents of its own holder only', () => {
    feed.apply(stored([1, 2]));
    assert.deepEqual(feedOf(B).apply(stored([3], 2)), { kind: 'orphaned' });
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
    feed.apply(stored([1, 2]));
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
  const cpu: CachePlace = { kind: 'other_medium', group: 0 };

  it('are neither indexed nor removed from the GPU', () => {
    feed.apply(stored([1, 2]));
    assert.deepEqual(feed.apply(stored([1, 2, 3], undefined, { place: cpu })), { kind: 'elsewhere' });
    assert.deepEqual(feed.apply(removed([1, 2], cpu)), { kind: 'elsewhere' });
    assert.equal(depth([1, 2, 3]), 2);
  });

  it('do not make the GPU forget its group of the same number', () => {
    feed.apply(stored([1], undefined, { place: cpu }));
    feed.apply(removed([9], cpu));
    assert.equal(feed.apply(stored([1])).kind, 'stored');
    assert.equal(depth([1]), 1);
  });

  it('are those of groups that carry no prefix, and so are their removals, which do not say so', () => {
    const window: CachePlace = { kind: 'other_group', group: 1 };
    assert.deepEqual(feed.apply(stored([1, 2], undefined, { place: window })), { kind: 'elsewhere' });
    feed.apply(stored([1, 2]));
    assert.deepEqual(feed.apply(removed([1], { group: 1 })), { kind: 'elsewhere' });
    assert.equal(depth([1, 2]), 2);
    assert.deepEqual(feed.apply(removed([2], { group: 0 })), { kind: 'removed', blocks: 1 });
    assert.equal(depth([1, 2]), 1);
  });

  it('are known by their group, wherever the full attention is', () => {
    feed.apply(stored([1, 2], undefined, { place: { kind: 'other_group', group: 0 } }));
    feed.apply(stored([1, 2], undefined, { place: { kind: 'gpu', group: 1 } }));
    assert.deepEqual(feed.apply(removed([1, 2], { group: 0 })), { kind: 'elsewhere' });
    assert.equal(depth([1, 2]), 2);
    assert.deepEqual(feed.apply(removed([2], { group: 1 })), { kind: 'removed', blocks: 1 });
  });

  it('do not take a cache without groups along', () => {
    feed.apply(stored([1], undefined, { place: { kind: 'other_group', group: undefined } }));
    feed.apply(stored([1, 2], undefined, { place: { kind: 'gpu', group: undefined } }));
    feed.apply(removed([2], { group: undefined }));
    assert.equal(depth([1, 2]), 1);
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
