/**
 * Decisions in this process, from a prompt's tokens to the pod, what is then expected of that included: conversations of 4,000
 * tokens, of which pods hold the first 3,000, and all the first 512. Prints one line of JSON.
 *
 *   node bench/read-path/decide.ts [--pods 1000] [--strategy prefix-cost] [--index map-of-sets --rounds 200 --warm-ups 50]
 */

import { parseArgs } from 'node:util';
import { createCacheState } from '../../src/cache/cache-state.ts';
import type { EngineLanes, Pod } from '../../src/domain.ts';
import { PodsHealth } from '../../src/health/pods-health.ts';
import { START } from '../../src/prefix-index/prefix-index.ts';
import type { RunIndex } from '../../src/prefix-index/run-index.ts';
import { BlockHasher } from '../../src/prompt/blocks.ts';
import { createCandidates } from '../../src/routing/candidates.ts';
import { Turns } from '../../src/routing/choice/turns.ts';
import { Load } from '../../src/routing/load.ts';
import { createPicker, DEFAULT_COSTS } from '../../src/routing/policy.ts';
import { createPrefixLookup } from '../../src/routing/prefix-lookup.ts';
import { PromptHistory } from '../../src/routing/prompt-history.ts';
import { ResponseOwners } from '../../src/routing/response-owners.ts';
import { createRoute } from '../../src/routing/route.ts';
import { TokenWork } from '../../src/routing/work/token-work.ts';
import { parseStrategy } from '../../src/strategies.ts';
import { createIndex } from '../index/create-index.ts';
import { splitmix64, U64 } from '../support/splitmix.ts';
import { microseconds } from '../support/stats.ts';
import { BLOCK_SIZE_TOKENS } from '../support/trace.ts';

const { values } = parseArgs({
  options: {
    pods: { type: 'string', default: '1000' },
    index: { type: 'string', default: 'runs' },
    strategy: { type: 'string', default: 'prefix-cost' },
    'warm-ups': { type: 'string', default: '4000' },
    rounds: { type: 'string', default: '10000' },
  },
});
const parsed = parseStrategy(values.strategy);
if (parsed.kind === 'invalid') throw new Error(parsed.why);
const MODEL = 'demo';
const SEED = 12_345;
const HASHER = new BlockHasher(SEED);
const CONVERSATIONS = 2_000;
const HELD_BY_EACH_POD = 6;
const TOKENS = { prompt: 4_000, held: 3_000, shared: 512 };
const IN_FLIGHT = 500;

const pods = Array.from(
  { length: Number(values.pods) },
  (_, i): Pod => ({
    name: `pod-${i}`,
    ip: `10.0.${i >> 8}.${i & 255}`,
    port: 8_000,
    model: MODEL,
    aliases: [],
    kvEvents: { kind: 'none' },
    labels: {},
  }),
);
const random = new U64();
const shared = tokenIds(TOKENS.shared);
const conversations = Array.from({ length: CONVERSATIONS }, () => {
  const ids = tokenIds(TOKENS.prompt);
  ids.set(shared);
  return ids;
});

const own = createCacheState({
  capacityBytes: 1 << 29,
  historyEntries: 200_000,
  historyTtlMs: 5_000,
  seed: SEED,
});
const cache = values.index === 'runs' ? own : { ...own, index: createIndex(values.index) as RunIndex };
const root = HASHER.root(
  { space: 'engine', model: MODEL, salt: '' },
  { sizeTokens: BLOCK_SIZE_TOKENS, lookaheadTokens: 0 },
);
for (const [i, pod] of pods.entries()) {
  const holder = cache.holders.ensure(pod.name, { kind: 'gpu', rank: 0 });
  cache.catalog.note(holder, MODEL, { sizeTokens: BLOCK_SIZE_TOKENS, lookaheadTokens: 0 }, 'base');
  for (let k = 0; k < HELD_BY_EACH_POD; k++) {
    const ids = conversations[(2 * i + 7 * k) % CONVERSATIONS]!.subarray(0, TOKENS.held);
    const chain = HASHER.chain(root, ids, BLOCK_SIZE_TOKENS);
    cache.index.store(holder, chain, {
      after: START,
      engineHashes: chain.lanes as Uint32Array as EngineLanes,
      again: 'copy',
    });
  }
}

let prompt = conversations[0]!;
const health = new PodsHealth({ onChange: () => {} });
for (const pod of pods) health.joined(pod);
const route = createRoute({
  parse: path => ({
    kind: 'prompt',
    prompt: {
      path,
      model: MODEL,
      adapter: undefined,
      salt: '',
      extraKey: '',
      content: { kind: 'text', text: '' },
      body: {},
      raw: NO_BYTES,
    },
  }),
  modelAtStart: () => undefined,
  registry: { onlyModel: MODEL, knows: () => true },
  candidates: createCandidates({ registry: { knows: () => true, serving: () => pods }, health }),
  health,
  tokenize: async () => ({ space: 'engine', ids: prompt }),
  lookup: createPrefixLookup({
    cache,
    source: 'engines',
    hasher: HASHER,
    defaultBlockSizeTokens: { engine: BLOCK_SIZE_TOKENS, character: 16, tiktoken: 4 },
    maxBlocksPerPrompt: Number.POSITIVE_INFINITY,
  }),
  history: new PromptHistory({ maxEntries: 1, timeToLiveMs: 1, seed: SEED, now: () => performance.now() }),
  confirmations: undefined,
  turns: new Turns(),
  responses: new ResponseOwners({ maxResponses: 1, now: () => 0 }),
  pick: createPicker({ imbalanceRequests: 8, standardDeviationFactor: 1, ...DEFAULT_COSTS }),
  engineLoad: () => ({ kind: 'unknown', why: 'not_asked' }),
  load: new Load(),
  work: new TokenWork(() => performance.now()),
  drawsControl: () => false,
  zonePenalties: () => undefined,
  samples: { follow: () => undefined },
  defaultStrategy: parsed.strategy,
  areFull: undefined,
  retries: 2,
  deadlineMs: 2_000,
});
const NO_BYTES = new Uint8Array();
const inFlight: (() => void)[] = [];
const reasons: Record<string, number> = {};

await decideAll(Number(values['warm-ups']));
const times = await decideAll(Number(values.rounds));
console.log(JSON.stringify({ pods: pods.length, tokens: TOKENS.prompt, ...microseconds(times), reasons }));

async function decideAll(rounds: number): Promise<Float64Array> {
  const { signal } = new AbortController();
  const times = new Float64Array(rounds);
  for (let i = 0; i < rounds; i++) {
    prompt = conversations[i % CONVERSATIONS]!;
    const request = {
      ...{
        path: '/v1/completions',
        contentType: undefined,
        contentEncoding: undefined,
        strategy: undefined,
        session: { id: undefined, key: undefined },
        priority: 0,
        body: NO_BYTES,
      },
      ...{ labels: undefined, subset: undefined, response: 'unwatched' as const },
      sample: 'not_sampled' as const,
    };
    const started = performance.now();
    const { decision, release } = await route(
      { ...request, extent: 'whole', unroutable: 'reject', requestId: '', trace: {} },
      signal,
    );
    times[i] = performance.now() - started;
    const reason = decision.kind === 'routed' ? decision.reason : decision.kind;
    reasons[reason] = (reasons[reason] ?? 0) + 1;
    inFlight.push(release);
    if (inFlight.length > IN_FLIGHT) inFlight.shift()!();
  }
  return times;
}

/** Of a vocabulary of 262,144 tokens. */
function tokenIds(count: number): Uint32Array {
  return Uint32Array.from({ length: count }, () => {
    splitmix64(random);
    return random.lo >>> 14;
  });
}
