import { assert } from 'chai';
import type { CacheState } from '../../src/cache/cache-state.ts';
import type { Pod, TokenSpace, Tokens } from '../../src/domain.ts';
import { RankIngest } from '../../src/events/ingest/rank-ingest.ts';
import { START } from '../../src/prefix-index/prefix-index.ts';
import {
  createPrefixLookup,
  type PrefixFound,
  type PrefixLookup,
  type PromptContext,
} from '../../src/routing/prefix-lookup.ts';
import { aContext, blockForm, chainOf, engineHashesOf, HASHER, slice, tokenIds } from '../support/blocks.ts';
import { aCacheState, aPod } from '../support/builders.ts';
import { removed, stored, tokensOf } from '../support/kv-events.ts';

const a = aPod({ name: 'a', port: 1, aliases: ['alias', 'sql'] });
const b = aPod({ name: 'b', port: 2, aliases: ['alias', 'sql'] });
const PODS = [a, b];
const RANKS = { kind: 'zmq', port: 5557, replayPort: undefined, ranks: 3 } as const;
const BASE: PromptContext = { model: 'demo', adapter: undefined, salt: '' };
const defaultBlockSizeTokens = { engine: 16, character: 32, tiktoken: 8 };

function engineTokens(ids: Uint32Array): Tokens {
  return { space: 'engine', ids };
}

let cache: CacheState;
let withEvents: PrefixLookup;
let withoutEvents: PrefixLookup;

/** For the tests of one `describe`. */
function eachHasItsOwnCache(): void {
  beforeEach(() => {
    cache = aCacheState();
    const parts = {
      cache,
      hasher: HASHER,
      defaultBlockSizeTokens,
      maxBlocksPerPrompt: Number.POSITIVE_INFINITY,
    };
    withEvents = createPrefixLookup({ ...parts, source: 'engines' });
    withoutEvents = createPrefixLookup({ ...parts, source: 'history' });
  });
}

/** As an engine's events would: these tokens are held by this rank of the pod. */
function announce(pod: Pod, ids: Uint32Array, { rank = 0, model = 'demo', salt = '', size = 16 } = {}): void {
  const holder = cache.holders.ensure(pod.name, { kind: 'gpu', rank });
  const chain = chainOf(ids, size, { model, salt });
  cache.index.store(holder, chain, {
    ...{ after: START, engineHashes: engineHashesOf(chain), again: 'same' },
  });
  cache.catalog.note(holder, model, blockForm(size), model === 'demo' ? 'base' : 'adapter');
}

function look(ids: Uint32Array, context = BASE, lookup = withEvents) {
  return inWords(lookup(engineTokens(ids), context, PODS));
}

function inWords({ matchedBlocks, totalBlocks }: PrefixFound): string[] {
  return Array.from(matchedBlocks, (matched, i) => `${matched}/${totalBlocks[i]}`);
}

describe('the prefix lookup, with events', () => {
  eachHasItsOwnCache();

  const prompt = tokenIds(70);

  it('finds how much of a prompt each pod holds', () => {
    assert.deepEqual(look(prompt), ['0/4', '0/4']);
    announce(a, prompt);
    announce(b, prompt.subarray(0, 32));
    assert.deepEqual(look(prompt), ['4/4', '2/4']);
    assert.deepEqual(look(tokenIds(70, 1)), ['0/4', '0/4']);
  });

  it('does not count the last block of an engine that computes it again', () => {
    announce(a, prompt);
    announce(b, prompt.subarray(0, 16));
    cache.catalog.setReuse('a', 'all_but_last_block');
    cache.catalog.setReuse('b', 'all_but_last_block');
    assert.deepEqual(look(prompt), ['3/4', '0/4']);
    cache.catalog.setReuse('a', 'whole_prefix');
    assert.deepEqual(look(prompt), ['4/4', '0/4']);
    cache.purge('b');
    announce(b, prompt.subarray(0, 16));
    assert.deepEqual(look(prompt), ['4/4', '1/4'], 'what its engine said went with the pod');
  });

  it('takes the best rank of a pod, and does not add ranks up', () => {
    announce(a, prompt.subarray(0, 16), { rank: 0 });
    announce(a, prompt.subarray(0, 48), { rank: 1 });
    announce(a, prompt.subarray(0, 32), { rank: 2 });
    assert.deepEqual(look(prompt), ['3/4', '0/4']);
  });

  it('says nothing of a pod that was not asked about', () => {
    announce(a, prompt);
    announce(aPod({ name: 'c' }), prompt);
    const found = withEvents(engineTokens(prompt), BASE, [b]);
    assert.deepEqual(inWords(found), ['0/4']);
    found.remember(aPod({ name: 'd', model: 'another' }));
    assert.equal(cache.history.entries, 0);
  });

  it('keeps an adapter apart from its base model', () => {
    announce(a, prompt, { model: 'sql' });
    announce(b, prompt.subarray(0, 32));
    assert.deepEqual(look(prompt, { model: 'sql', adapter: undefined, salt: '' }), ['4/4', '0/4']);
    assert.deepEqual(look(prompt), ['0/4', '2/4']);
  });

  it('takes the adapter that a request names beside the model, whether or not an engine has shown it', () => {
    announce(a, prompt, { model: 'sql' });
    announce(b, prompt.subarray(0, 32));
    assert.deepEqual(look(prompt, { model: 'demo', adapter: 'sql', salt: '' }), ['4/4', '0/4']);
    const unknown = { model: 'demo', adapter: 'chat', salt: '' };
    assert.deepEqual(look(prompt, unknown), ['0/4', '0/4']);
    withEvents(engineTokens(prompt), unknown, PODS).remember(b);
    assert.deepEqual(look(prompt, unknown), ['0/4', '4/4']);
  });

  it('takes a name that is no adapter for the base model', () => {
    announce(a, prompt);
    assert.deepEqual(look(prompt, { model: 'alias', adapter: undefined, salt: '' }), ['4/4', '0/4']);
  });

  it('keeps salts apart', () => {
    announce(a, prompt, { salt: 'tenant-a' });
    announce(b, prompt.subarray(0, 48), { salt: 'tenant-b' });
    assert.deepEqual(look(prompt, { model: 'demo', adapter: undefined, salt: 'tenant-a' }), ['4/4', '0/4']);
    assert.deepEqual(look(prompt, { model: 'demo', adapter: undefined, salt: 'tenant-b' }), ['0/4', '3/4']);
    assert.deepEqual(look(prompt), ['0/4', '0/4']);
  });

  it('cuts prompts as the events show, for two block sizes at once', () => {
    announce(a, prompt, { size: 16 });
    announce(b, prompt.subarray(0, 64), { size: 32 });
    assert.deepEqual(look(prompt), ['4/4', '2/2']);
    assert.deepEqual(look(prompt.subarray(0, 40)), ['2/2', '1/1']);
    assert.deepEqual(look(tokenIds(70, 1)), ['0/4', '0/2']);
  });

  it('has the smallest blocks of a prompt, whichever pod is first', () => {
    announce(b, tokenIds(64, 1), { size: 32 });
    announce(a, tokenIds(64, 1), { size: 16 });
    for (const pods of [PODS, PODS.toReversed()]) {
      const { root, chain } = withEvents(engineTokens(prompt), BASE, pods).finest();
      assert.deepEqual(chain, chainOf(prompt, 16));
      assert.deepEqual(root, HASHER.root(aContext(), blockForm(16)));
    }
  });

  it('remembers a prompt in the block size of its pod', () => {
    announce(a, tokenIds(64, 1), { size: 16 });
    announce(b, tokenIds(64, 1), { size: 32 });
    const found = withEvents(engineTokens(prompt), BASE, PODS);
    found.remember(a);
    assert.equal(cache.history.entries, 4);
    found.remember(b);
    assert.equal(cache.history.entries, 4 + 2);
    assert.deepEqual(look(prompt), ['4/4', '2/2']);
  });

  it('compares blocks of different sizes by the tokens that they cover', () => {
    announce(a, tokenIds(64, 1), { size: 4 });
    announce(a, prompt, { size: 32 });
    cache.history.store('a', slice(chainOf(prompt, 4), 0, 6));
    assert.equal(look(prompt)[0], '2/2');
    cache.history.store('a', slice(chainOf(prompt, 4), 0, 17));
    assert.equal(look(prompt)[0], '17/17');
  });

  it('cuts in the default size until an event has shown another, and remembers in every known size', () => {
    const found = withEvents(engineTokens(prompt), BASE, PODS);
    assert.deepEqual(inWords(found), ['0/4', '0/4']);
    found.remember(a);
    assert.deepEqual(look(prompt), ['4/4', '0/4']);
    announce(b, tokenIds(64, 1), { size: 32 });
    assert.equal(look(prompt)[0], '0/2');
  });

  it('merges what was routed with what was announced: the longer of both', () => {
    announce(a, prompt.subarray(0, 16));
    withEvents(engineTokens(prompt.subarray(0, 48)), BASE, PODS).remember(a);
    assert.deepEqual(look(prompt), ['3/4', '0/4']);
    announce(a, prompt);
    assert.deepEqual(look(prompt), ['4/4', '0/4']);
  });

  it('remembers in the context of the request', () => {
    announce(b, tokenIds(16, 1), { model: 'sql' });
    withEvents(engineTokens(prompt), { model: 'sql', adapter: undefined, salt: 's' }, PODS).remember(a);
    assert.deepEqual(look(prompt, { model: 'sql', adapter: undefined, salt: 's' }), ['4/4', '0/4']);
    for (const context of [
      BASE,
      { model: 'sql', adapter: undefined, salt: '' },
      { model: 'demo', adapter: undefined, salt: 's' },
    ]) {
      assert.deepEqual(look(prompt, context), ['0/4', '0/4']);
    }
  });

  it('no longer expects what the engine has evicted', () => {
    const hashes = [1, 2, 3, 4];
    const ofEngine = tokensOf(hashes);
    const feed = new RankIngest({ pod: 'a', rank: 0, model: 'demo', cache, hasher: HASHER });
    feed.apply(stored(hashes));
    withEvents(engineTokens(ofEngine), BASE, PODS).remember(a);
    feed.apply(removed([3]));
    assert.deepEqual(look(ofEngine), ['2/4', '0/4']);
  });

  it('takes back what it remembered, in every block size', () => {
    announce(a, tokenIds(64, 1), { size: 16 });
    announce(b, tokenIds(64, 1), { size: 32 });
    // Of its own it has shown none yet.
    const c = aPod({ name: 'c', port: 3 });
    const takeBack = withEvents(engineTokens(prompt), BASE, [a, b, c]).remember(c);
    assert.equal(cache.history.entries, 4 + 2);
    takeBack();
    assert.equal(cache.history.entries, 0);
    assert.deepEqual(inWords(withEvents(engineTokens(prompt), BASE, [c])), ['0/4']);
  });

  it('expects nothing of a name that may be an adapter’s, until an engine calls its base model so', () => {
    const alias = { model: 'alias', adapter: undefined, salt: '' };
    withEvents(engineTokens(prompt), alias, PODS).remember(a);
    assert.equal(cache.history.entries, 0);
    cache.catalog.setServed('b', { adapters: [], baseNames: ['demo', 'alias'] });
    withEvents(engineTokens(prompt), alias, PODS).remember(a);
    assert.deepEqual(
      [look(prompt, alias), look(prompt)],
      [
        ['4/4', '0/4'],
        ['4/4', '0/4'],
      ],
    );
  });

  it('does not cut tokens of another space as the engines do', () => {
    announce(a, prompt);
    assert.deepEqual(inWords(withEvents({ space: 'character', ids: prompt }, BASE, PODS)), ['0/2', '0/2']);
  });

  it('has pods of different base models each look for its own', () => {
    const other = aPod({ name: 'c', port: 3, model: 'finetune', aliases: ['alias'] });
    announce(a, prompt);
    const ofOther = chainOf(prompt.subarray(0, 32), 16, { model: 'finetune' });
    cache.index.store(cache.holders.ensure('c', { kind: 'gpu', rank: 0 }), ofOther, {
      ...{ after: START, engineHashes: engineHashesOf(ofOther), again: 'copy' },
    });
    const found = withEvents(engineTokens(prompt), { model: 'alias', adapter: undefined, salt: '' }, [
      a,
      other,
    ]);
    assert.deepEqual(inWords(found), ['4/4', '2/4']);
  });

  it('finds the pods where they stand, in any order and in any list', () => {
    announce(a, prompt);
    announce(b, prompt.subarray(0, 32));
    assert.deepEqual(look(prompt), ['4/4', '2/4']);
    assert.deepEqual(inWords(withEvents(engineTokens(prompt), BASE, [b, a])), ['2/4', '4/4']);
    assert.deepEqual(inWords(withEvents(engineTokens(prompt), BASE, [])), []);
  });

  it('takes nothing of a pod that has left for that of one that came after it', () => {
    announce(a, prompt);
    announce(b, prompt.subarray(0, 32));
    cache.purge('a');
    const next = aPod({ name: 'next', port: 3 });
    announce(next, prompt.subarray(0, 48));
    assert.deepEqual(inWords(withEvents(engineTokens(prompt), BASE, [next, b])), ['3/4', '2/4']);
  });
});

describe('the prefix lookup, of pods with several ranks', () => {
  eachHasItsOwnCache();

  const prompt = tokensOf([1, 2, 3, 4]);
  const pods = [a, b].map(pod => ({ ...pod, kvEvents: { ...RANKS } }));
  const rankFor = (ids: Uint32Array) => {
    const found = withEvents(engineTokens(ids), BASE, pods);
    return pods.map((_, i) => found.rankOf(i));
  };

  it('names the one that holds the most, of each pod', () => {
    announce(a, prompt, { rank: 1, size: 2 });
    announce(a, prompt.subarray(0, 2), { rank: 0, size: 2 });
    announce(a, prompt.subarray(0, 6), { rank: 2, size: 2 });
    announce(b, prompt.subarray(0, 2), { rank: 2, size: 2 });
    assert.deepEqual(rankFor(prompt), [1, 2]);
  });

  it('names none for a prompt that none of them holds, whatever was asked before', () => {
    announce(a, prompt, { rank: 1, size: 2 });
    announce(a, tokensOf([8]), { rank: 0, size: 2 });
    assert.deepEqual(rankFor(prompt), [1, undefined]);
    assert.deepEqual(rankFor(tokensOf([8])), [0, undefined]);
    assert.deepEqual(rankFor(tokensOf([9])), [undefined, undefined]);
  });

  it('counts what a rank has off its GPU, too', () => {
    announce(a, prompt.subarray(0, 4), { rank: 0, size: 2 });
    const feed = new RankIngest({ pod: 'a', rank: 1, model: 'demo', cache, hasher: HASHER });
    feed.apply(stored([1]));
    feed.apply(stored([2, 3], 1, { medium: 'cpu' }));
    const found = withEvents(engineTokens(prompt), BASE, pods);
    assert.deepEqual([found.rankOf(0), inWords(found)[0]], [1, '3/4']);
    announce(a, prompt, { rank: 2, size: 2 });
    assert.equal(withEvents(engineTokens(prompt), BASE, pods).rankOf(0), 2);
  });

  it('knows of which ranks a pod is known to have one', () => {
    const said = aPod({ name: 'said', port: 3, kvEvents: RANKS });
    const asked = aPod({ name: 'asked', port: 4, kvEvents: { kind: 'auto' } });
    announce(asked, prompt, { rank: 1 });
    const { hasRank } = withEvents(engineTokens(prompt), BASE, [said, asked]);
    const ranks = (pod: Pod) => [0, 1, 2, 3].filter(rank => hasRank(pod, rank));
    assert.deepEqual([ranks(said), ranks(asked), ranks(a)], [[0, 1, 2], [0, 1], []]);
  });
});

describe('the prefix lookup, without events', () => {
  eachHasItsOwnCache();

  const prompt = tokenIds(70);

  it('knows what was routed where', () => {
    withoutEvents(engineTokens(prompt.subarray(0, 40)), BASE, PODS).remember(a);
    withoutEvents(engineTokens(prompt), BASE, PODS).remember(b);
    assert.deepEqual(look(prompt, BASE, withoutEvents), ['2/4', '4/4']);
  });

  it('cuts and names prompts as it is told, whatever engines say', () => {
    announce(a, tokenIds(64, 1), { size: 32 });
    announce(a, tokenIds(64, 1), { model: 'sql', size: 64 });
    withoutEvents(engineTokens(prompt), BASE, PODS).remember(a);
    assert.deepEqual(look(prompt, BASE, withoutEvents), ['4/4', '0/4']);
    assert.deepEqual(look(prompt, { model: 'sql', adapter: undefined, salt: '' }, withoutEvents), [
      '0/4',
      '0/4',
    ]);
    assert.deepEqual(look(prompt, { model: 'alias', adapter: undefined, salt: '' }, withoutEvents), [
      '0/4',
      '0/4',
    ]);
  });

  it('knows it until its time is over', () => {
    cache = aCacheState({ historyTtlMs: 0 });
    const lookup = createPrefixLookup({
      ...{ cache, source: 'history', hasher: HASHER, defaultBlockSizeTokens, maxBlocksPerPrompt: 100 },
    });
    lookup(engineTokens(prompt), BASE, PODS).remember(a);
    assert.equal(cache.history.entries, 4);
    assert.deepEqual(look(prompt, BASE, lookup), ['0/4', '0/4']);
    assert.equal(cache.history.entries, 0);
  });

  it('has every requested name for a context of its own', () => {
    withoutEvents(engineTokens(prompt), { model: 'sql', adapter: undefined, salt: '' }, PODS).remember(a);
    assert.deepEqual(look(prompt, { model: 'sql', adapter: undefined, salt: '' }, withoutEvents), [
      '4/4',
      '0/4',
    ]);
    assert.deepEqual(look(prompt, BASE, withoutEvents), ['0/4', '0/4']);
  });

  it('never mixes token spaces, and cuts each in its own block size', () => {
    const spaces: TokenSpace[] = ['engine', 'character', 'tiktoken'];
    for (const [i, space] of spaces.entries()) {
      const before = withoutEvents({ space, ids: prompt }, BASE, PODS);
      const total = Math.floor(70 / defaultBlockSizeTokens[space]);
      assert.equal(inWords(before)[0], `0/${total}`, `${i}`);
      before.remember(a);
      const after = withoutEvents({ space, ids: prompt }, BASE, PODS);
      assert.equal(inWords(after)[0], `${total}/${total}`);
    }
  });

  it('has spaces apart even in one block size', () => {
    const lookup = createPrefixLookup({
      cache,
      source: 'history',
      hasher: HASHER,
      defaultBlockSizeTokens: { engine: 16, character: 16, tiktoken: 16 },
      maxBlocksPerPrompt: 1_000,
    });
    lookup({ space: 'character', ids: prompt }, BASE, PODS).remember(a);
    assert.equal(inWords(lookup({ space: 'engine', ids: prompt }, BASE, PODS))[0], '0/4');
    assert.equal(inWords(lookup({ space: 'tiktoken', ids: prompt }, BASE, PODS))[0], '0/4');
    assert.equal(inWords(lookup({ space: 'character', ids: prompt }, BASE, PODS))[0], '4/4');
  });

  it('looks at the start of a long prompt only, where told so', () => {
    const lookup = createPrefixLookup({
      ...{ cache, source: 'history', hasher: HASHER, defaultBlockSizeTokens, maxBlocksPerPrompt: 3 },
    });
    lookup(engineTokens(prompt), BASE, PODS).remember(a);
    assert.deepEqual(look(prompt, BASE, lookup), ['3/3', '0/3']);
    assert.equal(cache.history.entries, 3);
  });

  it('finds nothing for a prompt without a full block', () => {
    const found = withoutEvents(engineTokens(tokenIds(15)), BASE, PODS);
    found.remember(a);
    assert.deepEqual(inWords(found), ['0/0', '0/0']);
    assert.equal(cache.history.entries, 0);
  });
});
