import { assert } from 'chai';
import fc from 'fast-check';
import { decodeBatch } from '../../../src/events/decoding/decoder.ts';
import type { KvEvent, Medium } from '../../../src/events/decoding/kv-event.ts';
import type { RankIngest } from '../../../src/events/ingest/rank-ingest.ts';
import { blockForm, chainOf } from '../../support/blocks.ts';
import { FeedBench } from '../../support/feed-bench.ts';
import { batchOf, FULL_ATTENTION, group, removed, stored, tokensOf } from '../../support/kv-events.ts';

const CLEARED: KvEvent = { kind: 'cleared' };
const TIERS = ['cpu', 'storage'] as const;

/** Blocks on another medium, with their tokens, and said to have no context but their model. */
function inTier(hashes: readonly number[], medium: Medium, parent?: number): KvEvent {
  return stored(hashes, parent, { medium, extraKeys: hashes.map(() => undefined) });
}

/** Blocks on another medium, told by their hashes alone. */
function placeholder(hashes: readonly number[], medium: Medium, of = group(0)): KvEvent {
  return stored(hashes, undefined, { medium, blockSizeTokens: 0, tokenIds: new Uint32Array(), group: of });
}

describe('blocks in other tiers than the GPU', () => {
  let bench: FeedBench;
  let feed: RankIngest;

  beforeEach(() => {
    bench = new FeedBench();
    feed = bench.feed();
  });
  afterEach(() => bench.cache.index.check());

  const match = (hashes: readonly number[]) => bench.match(hashes);

  it('are kept apart from the GPU’s, and continue them', () => {
    feed.apply(stored([1, 2]));
    assert.deepEqual(feed.apply(stored([3], 2, { medium: 'cpu' })), {
      ...{ kind: 'stored', blocks: 1, attached: 0 },
    });
    assert.deepEqual(feed.apply(stored([4, 5], 3, { medium: 'storage' })), {
      ...{ kind: 'stored', blocks: 2, attached: 0 },
    });
    assert.deepEqual(match([1, 2, 3, 4, 5, 6]), { gpu: 2, cpu: 1, storage: 2 });
    assert.deepEqual(match([1, 2, 3, 4]), { gpu: 2, cpu: 1, storage: 1 });
    assert.deepEqual(match([3]), { gpu: 0, cpu: 0, storage: 0 });
    assert.equal(feed.size, 2, 'on the GPU');
  });

  it('begin prompts of their own, which continue on the GPU', () => {
    feed.apply(inTier([1, 2], 'cpu'));
    assert.deepEqual(match([1, 2, 3]), { gpu: 0, cpu: 2, storage: 0 });
    assert.deepEqual(bench.cache.catalog.blockForms('demo'), [blockForm(2)]);
    feed.apply(stored([1, 2, 3]));
    assert.deepEqual(match([1, 2, 3]), { gpu: 3, cpu: 0, storage: 0 });
  });

  for (const tier of TIERS) {
    it(`survive what the GPU gives up (${tier})`, () => {
      feed.apply(stored([1, 2, 3]));
      feed.apply(inTier([1, 2, 3], tier));
      assert.deepEqual(match([1, 2, 3]), { gpu: 3, cpu: 0, storage: 0 }, 'the fastest counts');
      feed.apply(removed([2]));
      assert.deepEqual(match([1, 2, 3]), { ...{ gpu: 2, cpu: 0, storage: 0 }, [tier]: 1 });
      assert.equal(feed.size, 2);
      assert.deepEqual(feed.apply(removed([2], { medium: tier })), { kind: 'removed', blocks: 1 });
      assert.deepEqual(match([1, 2, 3]), { gpu: 1, cpu: 0, storage: 0 });
    });

    it(`do not take the GPU’s with them when they go (${tier})`, () => {
      feed.apply(stored([1, 2]));
      feed.apply(inTier([1, 2], tier));
      assert.deepEqual(feed.apply(removed([1, 2], { medium: tier })), { kind: 'removed', blocks: 2 });
      assert.deepEqual(match([1, 2]), { gpu: 2, cpu: 0, storage: 0 });
      assert.deepEqual(feed.apply(removed([1, 2], { medium: tier })), { kind: 'removed', blocks: 0 });
      assert.deepEqual(match([1, 2]), { gpu: 2, cpu: 0, storage: 0 });
    });

    it(`are known by their hashes alone, if another tier has them (${tier})`, () => {
      feed.apply(stored([1, 2, 3]));
      assert.deepEqual(feed.apply(placeholder([2, 3], tier)), { kind: 'stored', blocks: 2, attached: 0 });
      feed.apply(removed([2, 3]));
      assert.deepEqual(match([1, 2, 3]), { ...{ gpu: 1, cpu: 0, storage: 0 }, [tier]: 2 });
    });

    it(`are ignored if their hash is all that is known of them (${tier})`, () => {
      assert.deepEqual(feed.apply(placeholder([9], tier)), { kind: 'off_gpu' });
      feed.apply(stored([1]));
      assert.deepEqual(feed.apply(placeholder([9], tier)), { kind: 'off_gpu' });
      assert.deepEqual(feed.apply(placeholder([9, 1], tier)), { kind: 'stored', blocks: 1, attached: 0 });
      feed.apply(stored([9]));
      assert.deepEqual(match([9]), { gpu: 1, cpu: 0, storage: 0 });
      feed.apply(removed([9]));
      assert.deepEqual(match([9]), { gpu: 0, cpu: 0, storage: 0 });
    });

    it(`are ignored if what they follow is not known, and do not wait for it (${tier})`, () => {
      assert.deepEqual(feed.apply(stored([3], 2, { medium: tier })), { kind: 'off_gpu' });
      assert.deepEqual(bench.cache.index.size(), { blocks: 0, entries: 0 });
      feed.apply(stored([1, 2]));
      assert.deepEqual(match([1, 2, 3]), { gpu: 2, cpu: 0, storage: 0 });
    });

    it(`are not indexed if their tokens do not fit (${tier})`, () => {
      const event = stored([1], undefined, { medium: tier, tokenIds: tokensOf([1, 2]) });
      assert.deepEqual(feed.apply(event), { kind: 'inconsistent' });
      assert.equal(bench.cache.index.size().entries, 0);
    });
  }

  it('move from one to the next', () => {
    feed.apply(stored([1, 2]));
    feed.apply(placeholder([1, 2], 'cpu'));
    feed.apply(removed([1, 2]));
    feed.apply(placeholder([1, 2], 'storage'));
    feed.apply(removed([1, 2], { medium: 'cpu' }));
    assert.deepEqual(match([1, 2]), { gpu: 0, cpu: 0, storage: 2 });
    feed.apply(stored([1, 2]));
    assert.deepEqual(match([1, 2]), { gpu: 2, cpu: 0, storage: 0 });
    feed.apply(removed([1, 2]));
    feed.apply(removed([1, 2], { medium: 'storage' }));
    assert.deepEqual(bench.cache.index.size(), { blocks: 0, entries: 0 });
  });

  it('are held until their last copy is gone', () => {
    for (let copy = 0; copy < 2; copy++) feed.apply(inTier([1], 'cpu'));
    assert.deepEqual(feed.apply(removed([1], { medium: 'cpu' })), { kind: 'removed', blocks: 0 });
    assert.deepEqual(match([1]), { gpu: 0, cpu: 1, storage: 0 });
    assert.deepEqual(feed.apply(removed([1], { medium: 'cpu' })), { kind: 'removed', blocks: 1 });
    assert.deepEqual(match([1]), { gpu: 0, cpu: 0, storage: 0 });
  });

  it('end with a clear, as the wire does not say whether they survive', () => {
    feed.apply(stored([1, 2, 3]));
    feed.apply(placeholder([1, 2], 'cpu'));
    feed.apply(inTier([1, 2, 3, 4], 'storage'));
    assert.deepEqual(feed.apply(CLEARED), { kind: 'cleared' });
    assert.deepEqual(match([1, 2, 3, 4]), { gpu: 0, cpu: 0, storage: 0 });
    assert.deepEqual(bench.cache.index.size(), { blocks: 0, entries: 0 });
  });

  for (const clearScope of ['everything', 'gpu'] as const) {
    it(`are gone when they were stored and removed again after a clear (of ${clearScope})`, () => {
      feed = bench.feed('a', { clearScope: () => clearScope });
      for (const step of [1, 2]) {
        feed.apply(stored([1, 2, 3]));
        feed.apply(placeholder([1, 2, 3], 'cpu'));
        feed.apply(removed([3, 2, 1]));
        assert.deepEqual(match([1, 2, 3]), { gpu: 0, cpu: 3, storage: 0 });
        if (step === 1 && clearScope === 'gpu') feed.apply(removed([3, 2, 1], { medium: 'cpu' }));
        if (step === 1) feed.apply(CLEARED);
      }
      feed.apply(removed([1, 2, 3], { medium: 'cpu' }));
      assert.deepEqual(match([1, 2, 3]), { gpu: 0, cpu: 0, storage: 0 });
    });
  }

  it('stay when the GPU is cleared, of an engine whose clears are known to leave them alone', () => {
    feed = bench.feed('a', { clearScope: () => 'gpu' });
    feed.apply(stored([1, 2, 3]));
    feed.apply(placeholder([1, 2], 'cpu'));
    feed.apply(placeholder([2, 3], 'storage'));
    assert.deepEqual(feed.apply(CLEARED), { kind: 'cleared' });
    assert.deepEqual(match([1, 2, 3]), { gpu: 0, cpu: 2, storage: 1 });
    assert.equal(feed.size, 0);
    assert.deepEqual(bench.cache.catalog.blockForms('demo'), [{ sizeTokens: 2, lookaheadTokens: 0 }]);
    feed.apply(removed([3], { medium: 'storage' }));
    assert.deepEqual(match([1, 2, 3]), { gpu: 0, cpu: 2, storage: 0 });
  });

  it('are forgotten when nothing is known of the engine any more', () => {
    feed.apply(stored([1]));
    feed.apply(inTier([1, 2], 'cpu'));
    feed.apply(inTier([1, 2], 'storage'));
    feed.forget();
    assert.deepEqual(bench.cache.index.size(), { blocks: 0, entries: 0 });
    feed.apply(inTier([1, 2], 'cpu'));
    assert.deepEqual(match([1, 2]), { gpu: 0, cpu: 2, storage: 0 });
  });

  it('are those of their own engine', () => {
    const other = bench.feed('b');
    feed.apply(stored([1, 2]));
    assert.deepEqual(other.apply(placeholder([1], 'cpu')), { kind: 'off_gpu' });
    other.apply(inTier([1], 'cpu'));
    assert.deepEqual(
      [match([1, 2]), bench.match([1, 2], { pod: 'b' })],
      [
        { gpu: 2, cpu: 0, storage: 0 },
        { gpu: 0, cpu: 1, storage: 0 },
      ],
    );
    bench.cache.purge('b');
    assert.deepEqual(bench.match([1, 2], { pod: 'b' }), { gpu: 0, cpu: 0, storage: 0 });
    assert.equal(bench.cache.index.size().entries, 2);
  });

  it('on a medium that is not known are neither kept nor taken for any other', () => {
    feed.apply(stored([1, 2]));
    assert.deepEqual(feed.apply(stored([1, 2, 3], undefined, { medium: 'unknown' })), { kind: 'off_gpu' });
    assert.deepEqual(feed.apply(removed([1, 2], { medium: 'unknown' })), { kind: 'off_gpu' });
    assert.deepEqual(match([1, 2, 3]), { gpu: 2, cpu: 0, storage: 0 });
  });

  it('do not decide which group of the GPU carries its prefixes', () => {
    feed.apply(stored([1], undefined, { medium: 'cpu', group: group(1, 'full_attention') }));
    feed.apply(removed([9], { medium: 'cpu' }));
    assert.equal(feed.apply(stored([1])).kind, 'stored');
    assert.deepEqual(feed.apply(removed([1])), { kind: 'removed', blocks: 1 });
  });

  it('are no part of a prefix if they are of another KV-cache group', () => {
    const [full, window] = [group(1, 'full_attention'), group(0, 'sliding_window', 3)];
    for (const each of [full, window]) feed.apply(stored([1, 2], undefined, { group: each }));
    feed.apply(placeholder([1, 2], 'cpu', group(0)));
    feed.apply(removed([1, 2], { group: group(1) }));
    assert.deepEqual(match([1, 2]), { gpu: 0, cpu: 0, storage: 0 });
  });

  it('go with their group, while another group’s stay', () => {
    const [full, window] = [group(1, 'full_attention'), group(0, 'sliding_window', 3)];
    for (const each of [full, window]) feed.apply(stored([1, 2], undefined, { group: each }));
    for (const index of [0, 1]) feed.apply(placeholder([1, 2], 'cpu', group(index)));
    feed.apply(removed([1, 2], { group: group(1) }));
    assert.deepEqual(match([1, 2]), { gpu: 0, cpu: 2, storage: 0 });
    feed.apply(removed([1, 2], { medium: 'cpu', group: group(1) }));
    assert.deepEqual(match([1, 2]), { gpu: 0, cpu: 0, storage: 0 });
  });

  describe('of SGLang', () => {
    const NO_GROUP = { group: group() };

    /** As its L3 prefetch announces them: one page each, on the host before they are on the GPU. */
    function hostFirst(
      hashes: readonly number[],
      parent: number | null,
      given: Record<string, unknown> = {},
    ) {
      const pages = hashes.map((hash, i) => ({
        type: 'BlockStored',
        block_hashes: [hash],
        parent_block_hash: i === 0 ? parent : hashes[i - 1],
        ...{ token_ids: [...tokensOf([hash])], block_size: 2, lora_id: null, medium: 'CPU_PINNED' },
        ...given,
      }));
      const batch = decodeBatch(batchOf(...pages));
      if (batch.kind === 'malformed') assert.fail(batch.why);
      assert.isEmpty(batch.skipped);
      return batch.events.map(event => feed.apply(event).kind);
    }

    it('count though they were never on the GPU', () => {
      assert.deepEqual(hostFirst([1, 2, 3], null), ['stored', 'stored', 'stored']);
      assert.deepEqual(match([1, 2, 3]), { gpu: 0, cpu: 3, storage: 0 });
      feed.apply(stored([1], undefined, NO_GROUP));
      assert.deepEqual(match([1, 2, 3]), { gpu: 1, cpu: 2, storage: 0 });
      feed.apply(removed([1], NO_GROUP));
      feed.apply(removed([3], { ...NO_GROUP, medium: 'cpu' }));
      assert.deepEqual(match([1, 2, 3]), { gpu: 0, cpu: 2, storage: 0 });
      feed.apply(CLEARED);
      assert.deepEqual(match([1, 2, 3]), { gpu: 0, cpu: 0, storage: 0 }, 'a flush takes the host along');
    });

    it('are of the salt that they name', () => {
      hostFirst([1, 2], null, { cache_salt: 'tenant' });
      assert.deepEqual(match([1, 2]), { gpu: 0, cpu: 0, storage: 0 });
      assert.deepEqual(bench.match([1, 2], { salt: 'tenant' }), { gpu: 0, cpu: 2, storage: 0 });
    });

    it('count on its other media, too', () => {
      hostFirst([1], null, { medium: 'DISK' });
      hostFirst([2], 1, { medium: 'CPU_TIER1' });
      hostFirst([3], 2, { medium: 'EXTERNAL' });
      assert.deepEqual(match([1, 2, 3]), { gpu: 0, cpu: 1, storage: 2 });
    });

    it('do not count where another machine has them', () => {
      assert.deepEqual(hostFirst([1], null, { locality: 'REMOTE' }), ['off_gpu']);
      assert.deepEqual(match([1]), { gpu: 0, cpu: 0, storage: 0 });
    });
  });

  // LMCache's own hashes of chunks of 256 tokens, which it never says to have removed.
  for (const medium of ['cpu', 'CPU']) {
    it(`are not those of a cache beside the engine’s, as nothing would end them (${medium})`, () => {
      feed.apply(stored([1, 2]));
      const chunk = {
        ...{ type: 'BlockStored', block_hashes: [901], parent_block_hash: null, block_size: 4 },
        ...{ token_ids: [...tokensOf([1, 2])], lora_id: null, medium, lora_name: null },
      };
      const next = {
        ...chunk,
        block_hashes: [902],
        parent_block_hash: 901,
        token_ids: [...tokensOf([3, 4])],
      };
      const batch = decodeBatch(batchOf(chunk, next));
      if (batch.kind === 'malformed') assert.fail(batch.why);
      assert.deepEqual(
        batch.events.map(event => feed.apply(event)),
        [{ kind: 'foreign_cache' }, { kind: 'foreign_cache' }],
      );
      feed.apply(removed([1, 2]));
      assert.deepEqual(match([1, 2, 3, 4]), { gpu: 0, cpu: 0, storage: 0 });
    });
  }

  // vLLM's self-describing events of offloaded blocks have no extra keys, and so neither salt nor images.
  it('are the blocks that their engine calls so, though their salt is left out', () => {
    feed.apply(stored([1, 2], undefined, { salt: 'tenant' }));
    feed.apply(stored([1, 2, 3], undefined, { medium: 'cpu' }));
    assert.deepEqual(match([1, 2]), { gpu: 0, cpu: 0, storage: 0 });
    feed.apply(removed([1, 2]));
    assert.deepEqual(bench.match([1, 2, 3], { salt: 'tenant' }), { gpu: 0, cpu: 3, storage: 0 });
  });

  it('are not indexed if nothing says what they are made of beside tokens', () => {
    const bare = stored([1, 2], undefined, { medium: 'cpu' });
    assert.deepEqual(feed.apply(bare), { kind: 'off_gpu' });
    assert.deepEqual(bench.cache.index.size(), { blocks: 0, entries: 0 });
  });

  it('are not indexed beyond what an engine can have', () => {
    const outcomes = [1, 2, 3, 4, 5, 6].map(size => {
      const ofSize = { blockSizeTokens: size, tokenIds: new Uint32Array(size).fill(size) };
      return feed.apply(stored([size], undefined, { medium: 'cpu', extraKeys: [undefined], ...ofSize })).kind;
    });
    assert.deepEqual(outcomes, [...Array.from({ length: 4 }, () => 'stored'), 'off_gpu', 'off_gpu']);
    assert.equal(bench.cache.index.size().blocks, 4);
  });

  it('are not indexed if it cannot be known whether their KV-cache group carries prefixes', () => {
    const event = (of: ReturnType<typeof group>) =>
      stored([1], undefined, { medium: 'cpu', extraKeys: [undefined], group: of });
    for (const other of [group(0), group(0, 'sliding_window', 3), group(undefined, 'mamba')]) {
      assert.deepEqual(feed.apply(event(other)), { kind: 'off_gpu' });
    }
    assert.equal(feed.apply(event(group(3, 'full_attention'))).kind, 'stored');
  });

  it('are not what a pod is expected to hold: that counts as on the GPU', () => {
    feed.apply(inTier([1, 2, 3], 'cpu'));
    bench.cache.history.store('a', chainOf(tokensOf([1, 2]), 2));
    assert.deepEqual(match([1, 2, 3]), { gpu: 0, cpu: 3, storage: 0 });
    bench.cache.history.store('a', chainOf(tokensOf([1, 2, 3, 4]), 2));
    assert.deepEqual(match([1, 2, 3, 4]), { gpu: 4, cpu: 0, storage: 0 });
  });

  it('are not counted where the pod has more on a GPU, in blocks of another size', () => {
    feed.apply(inTier([1], 'cpu'));
    feed.apply(stored([2], 1, { medium: 'storage' }));
    const ofFour = { blockSizeTokens: 4, tokenIds: tokensOf([1, 2, 3, 4]) };
    bench.feed('a', { rank: 1 }).apply(stored([5, 6], undefined, ofFour));
    assert.deepEqual(match([1, 2]), { gpu: 0, cpu: 1, storage: 1 }, 'as much, in either size');
    assert.deepEqual(match([1, 2, 3, 4]), { gpu: 2, cpu: 0, storage: 0 });
  });

  it('match as far as some tier has each block, after any history', function () {
    this.timeout(20_000);
    const BLOCKS = [1, 2, 3, 4];
    const medium = fc.constantFrom('gpu', ...TIERS);
    const block = fc.constantFrom(...BLOCKS);
    const step = fc.oneof(
      { weight: 5, arbitrary: fc.tuple(fc.constant('store' as const), medium, block) },
      {
        weight: 2,
        arbitrary: fc.tuple(fc.constant('placeholder' as const), fc.constantFrom(...TIERS), block),
      },
      { weight: 4, arbitrary: fc.tuple(fc.constant('remove' as const), medium, block) },
      { weight: 1, arbitrary: fc.tuple(fc.constantFrom('clear', 'forget'), medium, block) },
    );
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 40 }),
        fc.constantFrom('gpu' as const, 'everything' as const),
        (steps, clearScope) => {
          bench = new FeedBench();
          feed = bench.feed('a', { clearScope: () => clearScope });
          const copies = { gpu: new Map<number, number>(), cpu: new Map(), storage: new Map() };
          const has = (tier: keyof typeof copies, of: number) => (copies[tier].get(of) ?? 0) > 0;
          const isKnown = (of: number) => (['gpu', ...TIERS] as const).some(tier => has(tier, of));
          for (const [what, tier, of] of steps) {
            const add = (count: number) => copies[tier].set(of, (copies[tier].get(of) ?? 0) + count);
            if (what === 'store') {
              const parent = of === 1 ? undefined : of - 1;
              if (parent !== undefined && !(tier === 'gpu' ? has('gpu', parent) : isKnown(parent))) continue;
              feed.apply(tier === 'gpu' ? stored([of], parent) : inTier([of], tier, parent));
              add(1);
            } else if (what === 'placeholder') {
              feed.apply(placeholder([of], tier, FULL_ATTENTION));
              if (isKnown(of)) add(1);
            } else if (what === 'remove') {
              feed.apply(removed([of], { medium: tier }));
              if (has(tier, of)) add(-1);
            } else if (what === 'clear') {
              feed.apply(CLEARED);
              for (const each of Object.values(clearScope === 'gpu' ? [copies.gpu] : copies)) each.clear();
            } else {
              feed.forget();
              for (const each of Object.values(copies)) each.clear();
            }
            const expected = { gpu: 0, cpu: 0, storage: 0 };
            for (const each of BLOCKS) {
              const fastest = (['gpu', ...TIERS] as const).find(one => has(one, each));
              if (fastest === undefined) break;
              expected[fastest]++;
            }
            assert.deepEqual(match(BLOCKS), expected);
            assert.equal(feed.size, BLOCKS.filter(each => has('gpu', each)).length);
          }
          bench.cache.index.check();
        },
      ),
      { numRuns: 60 },
    );
  });
});
