/**
 * The pod where the request's first token is expected soonest, at the price that this has for the requests of others. docs/policies.md
 * explains each term, and the numbers that are its defaults.
 */
import type { EngineLoad, Pod } from '../../domain.ts';
import type { PodsWork } from '../work/token-work.ts';
import { anyOf, type CostComparison, leastOf, type Pick, picked, type Snapshot } from './snapshot.ts';

export interface PrefixCostOptions {
  /** What computing a token costs those who come later, in tokens, where all pods have long queues and one of them could have spared it. */
  readonly recomputePrice: number;
  /** The same for each prompt of average length that even the pod with the shortest queue would have to compute first. */
  readonly saturationPrice: number;
  /** What each request that decodes on a pod costs there, in prompt tokens. */
  readonly decodeTokens: number;
  /** What loading a token from the engine's CPU memory, or from its storage, costs, as a share of computing it. */
  readonly cpuLoadShare: number;
  readonly storageLoadShare: number;
  /** What loading a LoRA adapter takes that the engine has no request for, in milliseconds. */
  readonly adapterLoadMs: number;
}

/** What the settings say by default. */
export const DEFAULT_COSTS: PrefixCostOptions = {
  recomputePrice: 3,
  saturationPrice: 1,
  decodeTokens: 200,
  cpuLoadShare: 0.1,
  storageLoadShare: 0.5,
  adapterLoadMs: 100,
};

/** That are counted at the pod with the shortest queue: at a price of any height all would wait at the pods that hold most. */
const MOST_PROMPTS_WAITING = 10;

/** By list of pods, used again for each choice among it: new memory is in no cache of the processor. */
const rooms = new WeakMap<readonly Pod[], Float64Array>();

function roomFor(pods: readonly Pod[]): Float64Array {
  let room = rooms.get(pods);
  if (room === undefined) {
    room = new Float64Array(pods.length);
    rooms.set(pods, room);
  }
  return room;
}

/** Milliseconds per pod until the first token, with the price for the others; the least is the best. */
export function prefixCosts(snapshot: Snapshot, options: PrefixCostOptions): CostComparison {
  const { pods } = snapshot;
  const work = snapshot.work();
  const { queuedTokens, decoding, prefillRate, meanRate } = work;
  const price = priceOf(snapshot, work, options);
  // A slow pod takes longer over each token, but as few go there as it is slow: the others pay the same for a token on any pod.
  const msForOthers = price / meanRate;
  const { decodeTokens } = options;
  const { promptTokens, matchedTokens, offGpu } = snapshot;
  // Read once: it costs as much as a pod's numbers to read a typed array's length each time.
  const { length } = pods;
  const costs = roomFor(pods);
  for (let i = 0; i < length; i++) {
    let uncached = promptTokens - matchedTokens[i]!;
    // Engines compute the last token in any case. (`Math.max` takes longer than all else here.)
    if (uncached < 1) uncached = 1;
    const before = queuedTokens[i]! + decodeTokens * decoding[i]!;
    costs[i] = (before + uncached) / prefillRate[i]! + uncached * msForOthers;
  }
  if (offGpu !== undefined) {
    for (let i = 0; i < length; i++)
      costs[i]! += tokensToLoad(snapshot, offGpu, i, options) * (1 / prefillRate[i]! + msForOthers);
  }
  addAdapterLoads(costs, snapshot, options);
  const zonePenaltyMs = addZonePenalties(costs, snapshot);
  return { kind: 'cost', costs, queuedTokens, price, zonePenaltyMs };
}

/**
 * What each token that is computed costs the requests that come later, in tokens. While pods are idle, nothing: nobody waits. The longer all
 * wait, the more of what comes next waits behind it: where queues are short, hardly anything does, so that the first term grows by the square.
 */
function priceOf(
  { pods, promptTokens }: Snapshot,
  { queuedTokens, prefillRate, meanRate, meanPromptTokens }: PodsWork,
  { recomputePrice, saturationPrice }: PrefixCostOptions,
): number {
  let waits = 0;
  let leastWait = Number.POSITIVE_INFINITY;
  const { length } = pods;
  for (let i = 0; i < length; i++) {
    const wait = queuedTokens[i]! / prefillRate[i]!;
    waits += wait;
    if (wait < leastWait) leastWait = wait;
  }
  if (waits === 0) return 0;
  const meanQueue = (waits / length) * meanRate;
  const busy = meanQueue / (meanQueue + promptTokens);
  const saturated = meanPromptTokens === 0 ? 0 : (leastWait * meanRate) / meanPromptTokens;
  return recomputePrice * busy ** 2 + saturationPrice * Math.min(saturated, MOST_PROMPTS_WAITING);
}

/** Where several are expected to be as soon, any of them. */
export function prefixCost(snapshot: Snapshot, options: PrefixCostOptions): Pick {
  const comparison = prefixCosts(snapshot, options);
  const index = anyOf(leastOf(comparison.costs), snapshot.random);
  return picked(index, reasonFor(snapshot, index), comparison);
}

/** What loading costs pod `i` of what it holds of the prompt and has not on its GPU, in tokens. */
function tokensToLoad(
  { matchedTokens, matchedBlocks }: Snapshot,
  offGpu: NonNullable<Snapshot['offGpu']>,
  i: number,
  { cpuLoadShare, storageLoadShare }: PrefixCostOptions,
): number {
  const matched = matchedTokens[i]!;
  if (matched === 0) return 0;
  const blocks = offGpu.cpu[i]! * cpuLoadShare + offGpu.storage[i]! * storageLoadShare;
  return (blocks * matched) / matchedBlocks[i]!;
}

function addAdapterLoads(
  costs: Float64Array,
  snapshot: Snapshot,
  { adapterLoadMs }: PrefixCostOptions,
): void {
  const { adapter, pods, engineLoad } = snapshot;
  if (adapter === undefined || adapterLoadMs === 0) return;
  for (let i = 0; i < pods.length; i++)
    costs[i]! += adapterLoadMs * loadsNeeded(adapter, engineLoad(pods[i]!));
}

/** Returns the most that any pod costs for its zone. */
function addZonePenalties(costs: Float64Array, { zonePenaltiesMs }: Snapshot): number {
  if (zonePenaltiesMs === undefined) return 0;
  let most = 0;
  for (let i = 0; i < costs.length; i++) {
    const penaltyMs = zonePenaltiesMs[i]!;
    costs[i]! += penaltyMs;
    if (penaltyMs > most) most = penaltyMs;
  }
  return most;
}

/** 1: it would be loaded; 2: it waits until a place is free as well. An engine that does not say counts as one that has it. */
function loadsNeeded(adapter: string, load: EngineLoad): number {
  const adapters = load.kind === 'known' ? load.adapters : undefined;
  if (adapters === undefined) return 0;
  const { running, waiting, max } = adapters;
  if (running.includes(adapter) || waiting.includes(adapter)) return 0;
  return running.length < max ? 1 : 2;
}

function reasonFor({ matchedBlocks, pods }: Snapshot, index: number): Pick['reason'] {
  if (matchedBlocks[index]! > 0) return 'prefix_match';
  for (let i = 0; i < pods.length; i++) if (matchedBlocks[i]! > 0) return 'prefix_match_skipped';
  return 'no_match';
}
