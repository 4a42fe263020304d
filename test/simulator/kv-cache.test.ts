import { assert } from 'chai';
import fc from 'fast-check';
import { type CacheEvent, KvCache, type Sequence } from '../../src/simulator/kv-cache.ts';

const BLOCK = 4;

function cacheOf(
  blocks: number,
  freedPartialBlock: 'taken-first' | 'taken-in-turn' = 'taken-first',
): KvCache {
  return new KvCache({ blockSizeTokens: BLOCK, blocks, hashSeed: 'test', freedPartialBlock });
}

/** `count` tokens, the same for the same `from`. */
function tokens(from: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => from + i);
}

/** Computes a prompt and gives its blocks back. */
function serve(cache: KvCache, prompt: readonly number[], context = {}): Sequence {
  const sequence = cache.allocate(prompt, context);
  assert.isDefined(sequence);
  cache.store(sequence!, prompt.length);
  cache.free(sequence!);
  return sequence!;
}

describe('the paged KV cache', () => {
  it('stores full blocks only, all of one step in one event', () => {
    const cache = cacheOf(8);
    serve(cache, tokens(100, 11));
    const [event, ...others] = cache.drainEvents();
    assert.isEmpty(others);
    assert.deepInclude(event, {
      kind: 'stored',
      parent: null,
      tokenIds: tokens(100, 8),
      extraKeys: [null, null],
    });
    assert.equal(cache.residentCount, 2);
    assert.equal(cache.usedBlocks, 0);
  });

  it('reuses the longest cached prefix and tells nothing about it', () => {
    const cache = cacheOf(8);
    serve(cache, tokens(100, 12));
    cache.drainEvents();
    const second = serve(cache, [...tokens(100, 8), ...tokens(500, 5)]);
    assert.equal(second.cachedTokens, 8);
    const [event] = cache.drainEvents();
    assert.deepInclude(event, { kind: 'stored', tokenIds: tokens(500, 4) });
  });

  it('computes the last token always, so a prompt of exactly n blocks stores its last block again', () => {
    const cache = cacheOf(8);
    serve(cache, tokens(100, 8));
    const [first] = cache.drainEvents() as [Extract<CacheEvent, { kind: 'stored' }>];
    assert.equal(serve(cache, tokens(100, 8)).cachedTokens, 4);
    const [second] = cache.drainEvents() as [Extract<CacheEvent, { kind: 'stored' }>];
    assert.deepEqual(second.hashes, first.hashes.slice(1));
    assert.equal(second.parent, first.hashes[0]);
    assert.deepEqual(
      cache.residentBlocks().map(block => block.copies),
      [1, 2],
    );
    assert.equal(cache.heldPrefixBlocks(tokens(100, 8)), 2);
  });

  it('keeps a block of which one of two copies is evicted', () => {
    const cache = cacheOf(4);
    const { chain } = serve(cache, tokens(100, 4));
    serve(cache, tokens(100, 4));
    cache.drainEvents();
    serve(cache, tokens(200, 12));
    assert.deepEqual(cache.drainEvents()[0], { kind: 'removed', hash: chain[0]!.hash });
    assert.equal(cache.heldPrefixBlocks(tokens(100, 4)), 1);
    serve(cache, tokens(300, 4));
    assert.deepEqual(cache.drainEvents()[0], { kind: 'removed', hash: chain[0]!.hash });
    assert.equal(cache.heldPrefixBlocks(tokens(100, 4)), 0);
  });

  it('evicts lazily, the least recently used first and the tail of a sequence before its head', () => {
    const cache = cacheOf(6);
    const old = serve(cache, tokens(100, 8));
    serve(cache, tokens(200, 8));
    cache.drainEvents();
    serve(cache, tokens(300, 12));
    const [removed, ...stored] = cache.drainEvents();
    assert.deepEqual(removed, { kind: 'removed', hash: old.chain[1]!.hash });
    assert.lengthOf(stored, 1);
    assert.equal(cache.heldPrefixBlocks(tokens(100, 8)), 1);
    assert.equal(cache.heldPrefixBlocks(tokens(200, 8)), 2);
  });

  it('keeps a block that is used again from being evicted in its old turn', () => {
    const cache = cacheOf(4);
    serve(cache, tokens(100, 5));
    serve(cache, tokens(200, 5));
    serve(cache, tokens(100, 5));
    serve(cache, tokens(300, 12));
    assert.equal(cache.heldPrefixBlocks(tokens(100, 4)), 1);
    assert.equal(cache.heldPrefixBlocks(tokens(200, 4)), 0);
  });

  it('refuses what does not fit and changes nothing', () => {
    const cache = cacheOf(3);
    serve(cache, tokens(100, 4));
    const running = cache.allocate(tokens(200, 5))!;
    cache.drainEvents();
    assert.isUndefined(cache.allocate(tokens(100, 12)));
    assert.isFalse(cache.reserve(running, 17));
    assert.equal(cache.usedBlocks, 2);
    assert.isEmpty(cache.drainEvents());
  });

  it('stores generated tokens as blocks that continue the prompt', () => {
    const cache = cacheOf(4);
    const sequence = cache.allocate(tokens(100, 6))!;
    cache.store(sequence, 6);
    sequence.tokenIds.push(7, 8, 9);
    assert.isTrue(cache.reserve(sequence, 9));
    cache.store(sequence, 9);
    const [, grown] = cache.drainEvents();
    assert.deepInclude(grown, {
      kind: 'stored',
      parent: sequence.chain[0]!.hash,
      tokenIds: [104, 105, 7, 8],
    });
  });

  it('keeps adapters and salts apart and names them in the extra keys', () => {
    const cache = cacheOf(16);
    const contexts = [{}, { lora: 'ad1' }, { salt: 's' }, { lora: 'ad1', salt: 's' }, { salt: 'ad1' }];
    for (const context of contexts) assert.equal(serve(cache, tokens(100, 9), context).cachedTokens, 0);
    const extraKeys = cache.drainEvents().map(event => event.kind === 'stored' && event.extraKeys);
    assert.deepEqual(extraKeys, [
      [null, null],
      [['ad1'], ['ad1']],
      [['s'], null],
      [['ad1', 's'], ['ad1']],
      [['ad1'], null],
    ]);
    assert.equal(cache.heldPrefixBlocks(tokens(100, 8), { lora: 'ad1', salt: 's' }), 2);
    assert.equal(cache.heldPrefixBlocks(tokens(100, 8), { lora: 'ad2' }), 0);
  });

  it('forgets everything at a reset, unless a request runs', () => {
    const cache = cacheOf(8);
    const sequence = cache.allocate(tokens(100, 9))!;
    cache.store(sequence, 9);
    assert.isFalse(cache.reset());
    cache.free(sequence);
    cache.drainEvents();
    assert.isTrue(cache.reset());
    assert.deepEqual(cache.drainEvents(), [{ kind: 'cleared' }]);
    assert.isEmpty(cache.residentBlocks());
    assert.equal(serve(cache, tokens(100, 9)).cachedTokens, 0);
  });

  it('lists its longest chains with their whole prefix', () => {
    const cache = cacheOf(16);
    serve(cache, tokens(100, 12));
    serve(cache, [...tokens(100, 4), ...tokens(500, 4)], { salt: undefined });
    const chains = cache.residentChains().map(block => block.prefix());
    assert.deepEqual(chains, [tokens(100, 12), [...tokens(100, 4), ...tokens(500, 4)]]);
  });

  it('takes a freed block without content at once, or in its turn, by version', () => {
    for (const [mode, expected] of [
      ['taken-first', 0],
      ['taken-in-turn', 1],
    ] as const) {
      const cache = cacheOf(3, mode);
      serve(cache, tokens(100, 4));
      serve(cache, tokens(200, 3));
      serve(cache, tokens(300, 8));
      assert.lengthOf(
        cache.drainEvents().filter(event => event.kind === 'removed'),
        mode === 'taken-first' ? 0 : expected,
        mode,
      );
    }
  });
});

type Step =
  | { readonly kind: 'start'; readonly prompt: number[]; readonly salt: string | undefined }
  | { readonly kind: 'generate'; readonly which: number; readonly tokens: number[] }
  | { readonly kind: 'finish'; readonly which: number }
  | { readonly kind: 'reset' };

/** Few different tokens and lengths around the block size, so that prompts share prefixes. */
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('start' as const),
      prompt: fc.array(fc.integer({ min: 0, max: 1 }), { minLength: 1, maxLength: 18 }),
      salt: fc.constantFrom(undefined, undefined, 's'),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('generate' as const),
      which: fc.nat(),
      tokens: fc.array(fc.integer({ min: 0, max: 1 }), { maxLength: 6 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('finish' as const), which: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reset' as const) }) },
);

/** What a consumer makes of the events: copies per hash. */
function follow(copies: Map<bigint, number>, events: readonly CacheEvent[]): void {
  for (const event of events) {
    if (event.kind === 'cleared') copies.clear();
    else if (event.kind === 'stored')
      for (const hash of event.hashes) copies.set(hash, (copies.get(hash) ?? 0) + 1);
    else {
      const left = (copies.get(event.hash) ?? 0) - 1;
      assert.isAtLeast(left, 0, 'removed what was not stored');
      if (left === 0) copies.delete(event.hash);
      else copies.set(event.hash, left);
    }
  }
}

/** The same question answered from the list of resident blocks. */
function heldByList(cache: KvCache, prompt: readonly number[], salt: string | undefined): number {
  const resident = new Set(cache.residentBlocks().map(block => JSON.stringify([block.salt, block.prefix()])));
  const prefix = (blocks: number) => JSON.stringify([salt, prompt.slice(0, blocks * BLOCK)]);
  let held = 0;
  while ((held + 1) * BLOCK <= prompt.length && resident.has(prefix(held + 1))) held++;
  return held;
}

describe('the paged KV cache, whatever happens to it', () => {
  it('holds what its events say, within its size, and finds every prefix that it holds', () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 60 }),
        fc.integer({ min: 5, max: 12 }),
        fc.constantFrom('taken-first' as const, 'taken-in-turn' as const),
        (steps, blocks, mode) => {
          const cache = cacheOf(blocks, mode);
          const copies = new Map<bigint, number>();
          const running: Sequence[] = [];
          for (const each of steps) {
            apply(cache, running, each);
            follow(copies, cache.drainEvents());
            assert.isAtMost(cache.residentCount, blocks);
            assert.isAtMost(cache.usedBlocks, blocks);
            assert.equal(
              [...copies.values()].reduce((total, count) => total + count, 0),
              cache.residentCount,
            );
            assert.deepEqual(
              new Map(cache.residentBlocks().map(block => [block.hash, block.copies])),
              copies,
            );
          }
          for (const sequence of running.splice(0)) cache.free(sequence);
          assert.equal(cache.usedBlocks, 0);
        },
      ),
      { numRuns: 150 },
    );
  });
});

function apply(cache: KvCache, running: Sequence[], step: Step): void {
  if (step.kind === 'start') {
    const held = heldByList(cache, step.prompt, step.salt);
    assert.equal(cache.heldPrefixBlocks(step.prompt, { salt: step.salt }), held);
    const sequence = cache.allocate(step.prompt, { salt: step.salt });
    if (sequence === undefined) return;
    const reusable = Math.floor((step.prompt.length - 1) / BLOCK);
    assert.equal(sequence.cachedTokens, Math.min(held, reusable) * BLOCK);
    cache.store(sequence, step.prompt.length);
    running.push(sequence);
  } else if (step.kind === 'reset') {
    assert.equal(cache.reset(), running.length === 0);
  } else if (running.length > 0) {
    const which = step.which % running.length;
    const sequence = running[which]!;
    if (step.kind === 'finish') cache.free(running.splice(which, 1)[0]!);
    else if (cache.reserve(sequence, sequence.tokenIds.length + step.tokens.length)) {
      sequence.tokenIds.push(...step.tokens);
      cache.store(sequence, sequence.tokenIds.length);
    }
  }
}
