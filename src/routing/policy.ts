/**
 * Policies: pure functions from a snapshot to a pick. All randomness comes from the snapshot, so a test is a table.
 */
import type { Pod, Reason, Strategy } from '../domain.ts';

/** The ready pods at the moment of the decision. In each list one number per pod, in their order. */
export interface Snapshot {
  /** Not empty. */
  readonly pods: readonly Pod[];
  /** Requests in flight. */
  readonly running: ArrayLike<number>;
  /** Full blocks of the prompt that it holds, from the first one on without a hole. */
  readonly matchedBlocks: ArrayLike<number>;
  /** Full blocks of the prompt in this pod's block size. */
  readonly totalBlocks: ArrayLike<number>;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Counts the decisions of one model: what round robin turns on. */
  readonly turn: number;
}

export interface PrefixCacheOptions {
  /** Above this difference between the most and the least loaded pod, only the least loaded are considered. */
  readonly imbalanceRequests: number;
  /** A holder may be this many standard deviations above the mean load. */
  readonly standardDeviationFactor: number;
}

export interface Pick {
  /** Of the pod in the snapshot's list. */
  readonly index: number;
  readonly reason: Extract<Reason, 'prefix_match' | 'prefix_match_skipped' | 'no_match' | Strategy>;
  /** The load of the pods was too far apart for the prefix to decide alone. */
  readonly imbalanced: boolean;
}

export type Policy = (snapshot: Snapshot) => Pick;

/** All policies by name. */
export function policies(options: PrefixCacheOptions): Readonly<Record<Strategy, Policy>> {
  return {
    'prefix-cache': snapshot => prefixCache(snapshot, options),
    'least-request': snapshot => balanced(leastRequest(snapshot), 'least-request'),
    random: ({ pods, random }) => balanced(Math.floor(random() * pods.length), 'random'),
    'round-robin': ({ pods, turn }) => balanced(turn % pods.length, 'round-robin'),
    'power-of-two': snapshot => balanced(powerOfTwo(snapshot), 'power-of-two'),
  };
}

/**
 * AIBrix's decision (`pkg/plugins/gateway/algorithms/prefix_cache.go`): where the load is uneven only the least loaded
 * pods are looked at; among them the longest match wins, fewer running requests first, unless its load is above mean +
 * factor × sample standard deviation over all pods; otherwise the least loaded pod of all. Matches are compared as whole
 * percents, as there.
 */
export function prefixCache(snapshot: Snapshot, options: PrefixCacheOptions): Pick {
  const { running, matchedBlocks, totalBlocks, random } = snapshot;
  const { least, most, mean, deviation } = spreadOf(running);
  const imbalanced = most - least > options.imbalanceRequests;
  const bound = mean + options.standardDeviationFactor * deviation;
  let holders = 0;
  let bestPercent = -1;
  let bestRunning = 0;
  let best: number[] = [];
  for (let i = 0; i < running.length; i++) {
    const load = running[i]!;
    if (matchedBlocks[i] === 0 || (imbalanced && load !== least)) continue;
    holders++;
    if (load > bound) continue;
    const percent = Math.floor((100 * matchedBlocks[i]!) / totalBlocks[i]!);
    if (percent < bestPercent || (percent === bestPercent && load > bestRunning)) continue;
    if (percent > bestPercent || load < bestRunning) best = [];
    bestPercent = percent;
    bestRunning = load;
    best.push(i);
  }
  if (best.length > 0) return { index: anyOf(best, random), reason: 'prefix_match', imbalanced };
  const reason = holders > 0 ? 'prefix_match_skipped' : 'no_match';
  return { index: leastRequest(snapshot), reason, imbalanced };
}

/** Fewest requests in flight; among equals any, with equal chance. */
export function leastRequest({ running, random }: Snapshot): number {
  let least = Number.POSITIVE_INFINITY;
  let all: number[] = [];
  for (let i = 0; i < running.length; i++) {
    if (running[i]! > least) continue;
    if (running[i]! < least) all = [];
    least = running[i]!;
    all.push(i);
  }
  return anyOf(all, random);
}

/** The less loaded of two pods drawn at random (Mitzenmacher, "The power of two choices", 2001). */
function powerOfTwo({ running, random }: Snapshot): number {
  const one = Math.floor(random() * running.length);
  if (running.length === 1) return one;
  const other = (one + 1 + Math.floor(random() * (running.length - 1))) % running.length;
  return running[other]! < running[one]! ? other : one;
}

function balanced(index: number, reason: Exclude<Strategy, 'prefix-cache'>): Pick {
  return { index, reason, imbalanced: false };
}

function anyOf(indexes: readonly number[], random: () => number): number {
  return indexes[Math.floor(random() * indexes.length)]!;
}

/** The deviation is the sample's, with n − 1 in the denominator; 0 for a single value. */
function spreadOf(values: ArrayLike<number>) {
  let least = Number.POSITIVE_INFINITY;
  let most = 0;
  let sum = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (value < least) least = value;
    if (value > most) most = value;
    sum += value;
  }
  const mean = sum / values.length;
  let squares = 0;
  for (let i = 0; i < values.length; i++) squares += (values[i]! - mean) ** 2;
  const deviation = values.length < 2 ? 0 : Math.sqrt(squares / (values.length - 1));
  return { least, most, mean, deviation };
}
