/**
 * The vocabulary. Types and tiny constructors only: everything else may import this file, and it imports nothing.
 */

declare const brand: unique symbol;
type Branded<T, Name extends string> = T & { readonly [brand]: Name };

// ---- who exists ------------------------------------------------------------------------------------------------

/**
 * Where an engine publishes KV-cache events. `zmq`: rank r on `port + r`, and it answers replays on `replayPort + r`. `auto`: where
 * the engine itself says (`GET /kv_event_sources`).
 */
export type KvEventSource =
  | { readonly kind: 'none' | 'auto' }
  | {
      readonly kind: 'zmq';
      readonly port: number;
      readonly replayPort: number | undefined;
      readonly ranks: number;
    };

/** Of one engine: each rank takes sockets. */
export const MAX_RANKS = 256;

/** One data-parallel rank's event stream. */
export interface KvPublisher {
  readonly rank: number;
  /** undefined: it connects to its consumers. */
  readonly port: number | undefined;
  /** undefined: it does not replay. */
  readonly replayPort: number | undefined;
}

/**
 * Where the tokenizer files of a pod's model are, by what is said of the pod. `directory`: an absolute path, which only whoever runs the
 * router may say; `name`: of a directory below the router's own one for tokenizer files, which nobody gets out of.
 */
export type TokenizerPlace =
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 'name'; readonly name: string };

/** Whether `name` is that of a directory below another one, whatever it is of: relative, and without steps out of it. */
export function isTokenizerName(name: string): boolean {
  return !name.includes('\0') && name.split('/').every(part => part !== '' && part !== '.' && part !== '..');
}

/** What an engine means by having cleared its cache: what is on its GPU, or in all its tiers. */
export type ClearScope = 'gpu' | 'everything';

/**
 * How much of a prefix that it holds an engine uses again. vLLM that speculates from the model's hidden states (EAGLE, MTP) computes the
 * last block again, unless its blocks' hashes cover the tokens after them (`SpeculativeConfig.use_eagle_block_drop`).
 */
export type PrefixReuse = 'whole_prefix' | 'all_but_last_block';

/** One engine replica as the router sees it: an OpenAI API at `ip:port`. Immutable; a change makes a new Pod. */
export interface Pod {
  /** Unique among the known pods. */
  readonly name: string;
  /** IPv4 or IPv6 address, without brackets. */
  readonly ip: string;
  readonly port: number;
  /** The base model. */
  readonly model: string;
  /** Further names it answers to, LoRA adapters among them. */
  readonly aliases: readonly string[];
  readonly kvEvents: KvEventSource;
  readonly labels: Readonly<Record<string, string>>;
  /** Which process this is, where its source tells one from the next: another one holds nothing of what this one held. */
  readonly incarnation?: string;
  /** Where its `/metrics` are, if not behind its port. */
  readonly metricsPort?: number;
  /** The zone that it runs in, as its source says: nodes of a zone fail together, and are near each other. */
  readonly zone?: string;
  /** Where its model's tokenizer files are, if its source says so. */
  readonly tokenizer?: TokenizerPlace;
}

/** Where Kubernetes says which zone a node, or a pod on it, is in. */
export const ZONE_LABEL = 'topology.kubernetes.io/zone';

/** What can be a zone: the value of a label of Kubernetes, and not an empty one. */
export const ZONE_PATTERN = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;

export function isZone(text: string): boolean {
  return ZONE_PATTERN.test(text);
}

/** What no pod can be called: as the model of a request it means that any pod will do. */
export const ANY_MODEL = '';

/** An address as URLs and `host:port` want it: IPv6 in brackets. */
export function hostOf(ip: string): string {
  return ip.includes(':') ? `[${ip}]` : ip;
}

/** `ip:port`, IPv6 in brackets: the form that Envoy's ORIGINAL_DST and override_host clusters parse. */
export type Endpoint = Branded<string, 'Endpoint'>;

/** Made once per pod: each decision asks for it several times, and as the key of a map a new string is hashed each time. */
const endpoints = new WeakMap<Pick<Pod, 'ip' | 'port'>, Endpoint>();

export function endpointOf(pod: Pick<Pod, 'ip' | 'port'>): Endpoint {
  let endpoint = endpoints.get(pod);
  if (endpoint === undefined) {
    endpoint = `${hostOf(pod.ip)}:${pod.port}` as Endpoint;
    endpoints.set(pod, endpoint);
  }
  return endpoint;
}

/**
 * What holds blocks: one data-parallel rank of one pod, a part of what that holds, or what a pod is expected to hold. A small
 * integer, given out by the index and used again.
 */
export type HolderId = Branded<number, 'HolderId'>;

// ---- how busy it is -------------------------------------------------------------------------------------------

/** What an engine last said of its own work (its metrics). */
export type EngineLoad = UnknownEngineLoad | KnownEngineLoad;

export interface UnknownEngineLoad {
  readonly kind: 'unknown';
  /** `not_asked`: not yet, or never; `no_answer`: not lately; `not_told`: its answer has no metrics that we know. */
  readonly why: 'not_asked' | 'no_answer' | 'not_told';
}

export interface KnownEngineLoad {
  readonly kind: 'known';
  /** When it was said: milliseconds of the monotonic clock. */
  readonly atMs: number;
  /** Requests in prefill or decode, of all ranks behind its address. */
  readonly running: number;
  /** Requests in its queue, of all ranks. */
  readonly waiting: number;
  /** Share of the KV cache on the GPU that requests hold, from 0 to 1: the mean of its ranks. Like all below, undefined: it does not say. */
  readonly kvUsage: number | undefined;
  /** The same of what is swapped out to the CPU's memory. */
  readonly cpuKvUsage: number | undefined;
  /** How much of what it can do it does, from 0 to 1, by its own reckoning. */
  readonly utilization: number | undefined;
  /** Share of the last half minute in which it had something to do, from 0 to 1. */
  readonly busyShare: number | undefined;
  /** Means over the requests that ended in the last minutes. */
  readonly recent: RecentRequests;
  readonly adapters: EngineAdapters | undefined;
}

export interface RecentRequests {
  readonly promptTokens: number | undefined;
  readonly generatedTokens: number | undefined;
  readonly queueSeconds: number | undefined;
  readonly prefillSeconds: number | undefined;
  /** What each prompt token that is not cached adds to the prefill. */
  readonly prefillSecondsPerToken: number | undefined;
  readonly decodeSeconds: number | undefined;
}

/** LoRA adapters by what their requests do. */
export interface EngineAdapters {
  readonly running: readonly string[];
  readonly waiting: readonly string[];
  /** How many it can hold at a time. */
  readonly max: number;
}

// ---- what is asked ---------------------------------------------------------------------------------------------

/**
 * Where token ids come from. Ids of different spaces are never compared: the space is part of every chain's root, so a
 * prompt tokenized locally cannot match blocks that were made from the engine's own tokens.
 */
export type TokenSpace = 'engine' | 'character' | 'tiktoken';

/** An image, a sound or a video in a prompt: what the engine knows it by, and which of the prompt's tokens stand for it. */
export interface MediaItem {
  readonly identifier: string;
  readonly offset: number;
  readonly length: number;
}

/** The token ids of one prompt. */
export interface Tokens {
  readonly space: TokenSpace;
  readonly ids: Uint32Array;
  /** By their offsets; undefined in a prompt of text alone. */
  readonly media?: readonly MediaItem[];
  /** Undefined where nothing is kept of the prompt. */
  readonly chains?: KeptChains;
}

/** Block hashes of a prompt's tokens that are kept from earlier prompts which begin alike. */
export interface KeptChains {
  /** Of the first blocks of the chain with this root, as many as are kept. */
  firstBlocks(root: BlockHash, blockSizeTokens: number): BlockLanes;
  /** The chain from this root over the prompt's tokens, or its beginning. */
  keep(root: BlockHash, chain: BlockChain): void;
}

/** The cache's namespace: two contexts never share a block. */
export interface CacheContext {
  readonly space: TokenSpace;
  /** The LoRA adapter's name, else the base model's. */
  readonly model: string;
  /** vLLM's `cache_salt`; '' when the request has none. */
  readonly salt: string;
}

/** How an engine cuts prompts into blocks. */
export interface BlockForm {
  readonly sizeTokens: number;
  /**
   * How many tokens after a block its hash covers: a prompt shares the block only if they follow there as well. 0 but for engines that
   * speculate (EAGLE, MTP).
   */
  readonly lookaheadTokens: number;
}

/**
 * The full blocks of one prompt as chained 64-bit hashes: block i is `(lanes[2i], lanes[2i + 1])` and covers the whole
 * prefix up to its end (`hi`, `lo`). A last, partly filled block is not part of the chain: engines do not cache it.
 */
export interface BlockChain {
  readonly blockSizeTokens: number;
  readonly length: number;
  /** Two unsigned 32-bit lanes per block; `2 * length` elements. */
  readonly lanes: BlockLanes;
}

/** 64 bits as two unsigned 32-bit lanes. Its brand says what it is a hash of: hashes of different kinds never compare. */
export interface Hash64 {
  readonly hi: number;
  readonly lo: number;
}

/** Our hash of one block and all that precedes it. Also names a chain's root. */
export type BlockHash = Branded<Hash64, 'BlockHash'>;

/** An engine's own hash of a block. Opaque: only ever compared with hashes of the same holder. */
export type EngineHash = Branded<Hash64, 'EngineHash'>;

/** A hash of an engine's, by its lanes. */
export function engineHash(hi: number, lo: number): EngineHash {
  return { hi, lo } as EngineHash;
}

/** Several of ours: hash i is `(lanes[2i], lanes[2i + 1])` = (`hi`, `lo`). */
export type BlockLanes = Branded<Uint32Array, 'BlockLanes'>;

/** Several of an engine's, laid out alike. */
export type EngineLanes = Branded<Uint32Array, 'EngineLanes'>;

/** Where a block is in the index; valid until the index changes. */
export type Place = Branded<number, 'Place'>;

/** A name that clients may ask for, and the base model behind it (itself, unless it is an alias). */
export interface ModelEntry {
  readonly id: string;
  readonly root: string;
}

/** What Envoy's door has to know of a path. */
export type PathRule = {
  /** Whose shape errors have there. */
  readonly errors: ErrorShape;
} & (
  | { readonly treatment: Exclude<PathTreatment, 'models'> }
  /** undefined: all of them are asked for. */
  | { readonly treatment: 'models'; readonly model: string | undefined }
);

/**
 * - `routed`: a POST is, by its body;
 * - `makes_response`: the same, and later requests may name the response that is made: its id is looked for in the answer;
 * - `names_response`: every request is routed, by the response that the path names;
 * - `models`: a GET is answered by the router;
 * - `passed_on`: Envoy balances the request itself;
 * - `refused`: it is not for clients.
 */
export type PathTreatment =
  | 'routed'
  | 'makes_response'
  | 'names_response'
  | 'models'
  | 'passed_on'
  | 'refused';

/** How an API writes its errors. */
export type ErrorShape = 'openai' | 'anthropic';

// ---- who holds it ----------------------------------------------------------------------------------------------

/** Holders whose longest held prefix of a chain is exactly `depth` blocks. */
export interface MatchLayer {
  readonly depth: number;
  readonly holders: readonly HolderId[];
}

/** Deepest layer first; a holder stands in one layer at most, and in none if it does not hold the first block. */
export type Matches = readonly MatchLayer[];

// ---- what we answer --------------------------------------------------------------------------------------------

/** What a pod can be picked by. All but the first are AIBrix's, with its names; docs/strategies.md says what each computes. */
export const STRATEGIES = [
  'prefix-cost',
  'prefix-cache',
  'least-request',
  'random',
  'round-robin',
  'power-of-two',
  'session-affinity',
  'least-kv-cache',
  'least-gpu-cache',
  'least-latency',
  'throughput',
  'least-busy-time',
  'least-utilization',
] as const;
export type StrategyName = (typeof STRATEGIES)[number];

/** What a request or the configuration asks for. `text`: as it was written, which responses echo. */
export type Strategy = { readonly text: string } & (
  | { readonly kind: 'single'; readonly name: StrategyName }
  /** Each scores all candidates; the highest weighted sum wins. */
  | { readonly kind: 'weighted'; readonly members: readonly WeightedStrategy[] }
);

export interface WeightedStrategy {
  readonly name: StrategyName;
  /** From 1 to 1,000,000; only the ratio to the others matters. */
  readonly weight: number;
}

/** A strategy as a metric label: lists are endless, and a client chooses them. */
export type StrategyLabel = StrategyName | 'weighted';

export function labelOf(strategy: Strategy): StrategyLabel {
  return strategy.kind === 'single' ? strategy.name : 'weighted';
}

/** Whether it looks at what pods hold of the prompt. */
export function usesPrefixes(strategy: Strategy): boolean {
  return uses(strategy, 'prefix-cost') || uses(strategy, 'prefix-cache');
}

/** Whether it is this strategy, or has it in its list. */
export function uses(strategy: Strategy, name: StrategyName): boolean {
  return strategy.kind === 'single'
    ? strategy.name === name
    : strategy.members.some(member => member.name === name);
}

/**
 * Why a pod was picked. A metric label: keep the set small.
 * - `prefix_match`, `prefix_match_skipped` (held, but every holder is too busy), `no_match`: what the index said;
 * - `control`: what the index said was left aside, to compare with: picked by load;
 * - `history_match`: the prompt has no tokens, and an earlier turn of it was sent to this pod;
 * - `response_owner`: the request names a response that this pod made, and which no other has;
 * - `only_pod`: there was no choice; `no_prompt`: this endpoint or body has no prompt to look up;
 * - `trial`: the pod failed, and the request finds out whether it still does; `all_failing`: all do, picked by load;
 * - `private_key`: the prompt's cache key has a part that events do not tell (SGLang's `extra_key`), and it was not seen before: by load;
 * - `no_token_form`: the engine serves nothing that could tokenize this prompt; `prompt_refused`: it will not, and will tell the
 *   client why; picked by load;
 * - `tokenizer_failed`, `deadline`, `index_failed`: a dependency failed, so the pick was by load;
 * - `late_body`, `buffers_full`: only the beginning of the body was there: it came too slowly, or too many bytes were held already;
 * - `unknown_encoding`, `too_intricate`: the body cannot be read, or not without keeping others waiting; picked by load;
 * - `any_pod`: it names no model that is served, and its gateway sends it nowhere unless a pod is named: least loaded of all;
 * - `cancelled`: the client has gone, or Envoy waits no longer, while it was looked for;
 * - `session_id`, `session_key`: the pod of the session that the request names; `no_session`: it names none that could be kept, so any;
 * - `no_engine_metrics`: too few engines have said of themselves lately what the strategy compares; picked by load;
 * - `weighted`: the highest sum of several strategies;
 * - the name of the strategy, for the others.
 */
export type Reason =
  | 'prefix_match'
  | 'prefix_match_skipped'
  | 'no_match'
  | 'control'
  | 'history_match'
  | 'response_owner'
  | 'only_pod'
  | 'no_prompt'
  | 'trial'
  | 'all_failing'
  | WithoutTokens
  | 'index_failed'
  | 'late_body'
  | 'buffers_full'
  | 'unknown_encoding'
  | 'too_intricate'
  | 'any_pod'
  | 'cancelled'
  | 'session_id'
  | 'session_key'
  | 'no_session'
  | 'no_engine_metrics'
  | Exclude<StrategyLabel, 'prefix-cost' | 'prefix-cache' | 'session-affinity'>;

/**
 * Which side of the experiment a request is on that could be routed by its prefix: `routed` by it, or, as a random share of them,
 * balanced as if nothing was known of prefixes (`control`), or `left` to Envoy.
 */
export type Arm = 'routed' | 'control' | 'left';

/** Why Envoy balances a request that was decided: the router only looks on, or routes a share of the requests alone. */
export type WhyLeft = 'shadow' | 'rollout';

/** A prompt in tokens, and those of them that a pod is expected not to compute since it holds their blocks, by where it has them. */
export interface PredictedTokens {
  readonly space: TokenSpace;
  readonly prompt: number;
  /** Of the pod's blocks; 0: not known, and nothing is predicted. */
  readonly blockSizeTokens: number;
  readonly gpu: number;
  readonly cpu: number;
  readonly storage: number;
}

/** Why a prompt has no tokens, or none that would tell who holds it. */
export type WithoutTokens =
  | 'private_key'
  | 'no_token_form'
  | 'prompt_refused'
  | 'tokenizer_failed'
  | 'deadline';

/**
 * A pod for one request. `matchedBlocks` of `totalBlocks` full prompt blocks are held by it, `offGpu` of them not on its
 * GPU.
 */
export interface RoutedDecision {
  readonly kind: 'routed';
  readonly pod: Pod;
  /** Which data-parallel rank behind the pod's address holds the prompt; undefined: the engine may choose. */
  readonly rank: number | undefined;
  /**
   * Where the request may go next if the pod does not answer it, in this order: two at least, those there are again where there are
   * fewer.
   */
  readonly retries: readonly Pod[];
  readonly strategy: Strategy;
  readonly reason: Reason;
  /** undefined: it could not be routed by its prefix, and is on neither side of the experiment. */
  readonly arm: Arm | undefined;
  /** undefined: it has tokens, or was not asked for them. */
  readonly withoutTokens: WithoutTokens | undefined;
  readonly model: string;
  readonly matchedBlocks: number;
  readonly totalBlocks: number;
  readonly offGpu: { readonly cpu: number; readonly storage: number };
  /** undefined: the prompt was not looked up. */
  readonly tokens: PredictedTokens | undefined;
}

/** The request cannot be served: the client's own mistake, or no pod is there. */
export interface RejectedDecision {
  readonly kind: 'rejected';
  readonly error: ClientError;
}

/** Nothing is known of the request's model, and not every pod serves every model: Envoy balances the request itself. */
export interface NoDecision {
  readonly kind: 'undecided';
}

/** Nobody asked for a strategy, and none is configured: Envoy's own routes decide, by the model. */
export interface PassedDecision {
  readonly kind: 'passed';
  readonly model: string;
}

export type Decision = RoutedDecision | RejectedDecision | NoDecision | PassedDecision;

/**
 * Every failure that a client may learn of; the only errors that leave the program towards a client. Whatever
 * else fails is counted and the request is routed by load.
 */
export type ClientError =
  | { readonly kind: 'malformed_body'; readonly message: string; readonly param: string | null }
  | { readonly kind: 'unknown_model'; readonly model: string }
  /** `why`: what is wrong with it, or what to use in its place. */
  | { readonly kind: 'bad_strategy'; readonly strategy: string; readonly why: string }
  | { readonly kind: 'no_ready_pod'; readonly model: string }
  /** There are pods, and the request's filter, or the gateway's, allows none of them. */
  | { readonly kind: 'no_allowed_pod'; readonly model: string }
  /** The `external-filter` header is no label selector. */
  | { readonly kind: 'bad_filter'; readonly reason: string }
  /** An endpoint of the engines that clients may not use. */
  | { readonly kind: 'path_refused'; readonly path: string }
  | { readonly kind: 'body_too_large'; readonly limitBytes: number }
  /** The request may be dropped, and every pod that it could go to has enough to do. */
  | { readonly kind: 'shed'; readonly model: string };
