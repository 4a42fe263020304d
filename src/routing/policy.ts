/**
 * Policies: pure functions from a snapshot to a pick. All randomness comes from the snapshot, so a test is a table.
 */
import type { Pod, Reason, Strategy } from '../domain.ts';

/** One ready pod at the moment of the decision. */
export interface Candidate {
  readonly pod: Pod;
  /** Requests in flight. */
  readonly running: number;
  /** Full blocks of the prompt that it holds, from the first one on without a hole. */
  readonly matchedBlocks: number;
  /** Full blocks of the prompt in this pod's block size; 0 when nothing was looked up. */
  readonly totalBlocks: number;
}

export interface Snapshot {
  /** Not empty. */
  readonly candidates: readonly Candidate[];
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
  readonly candidate: Candidate;
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
    random: ({ candidates, random }) => balanced(anyOf(candidates, random), 'random'),
    'round-robin': ({ candidates, turn }) => balanced(candidates[turn % candidates.length]!, 'round-robin'),
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
  const { candidates, random } = snapshot;
  const loads = candidates.map(candidate => candidate.running);
  const least = Math.min(...loads);
  const imbalanced = Math.max(...loads) - least > options.imbalanceRequests;
  const holders = shuffled(candidates, random)
    .filter(candidate => candidate.matchedBlocks > 0 && (!imbalanced || candidate.running === least))
    .sort((a, b) => percent(b) - percent(a) || a.running - b.running);
  const bound = mean(loads) + options.standardDeviationFactor * sampleStandardDeviation(loads);
  const holder = holders.find(candidate => candidate.running <= bound);
  if (holder) return { candidate: holder, reason: 'prefix_match', imbalanced };
  const reason = holders.length > 0 ? 'prefix_match_skipped' : 'no_match';
  return { candidate: leastRequest(snapshot), reason, imbalanced };
}

function percent({ matchedBlocks, totalBlocks }: Candidate): number {
  return Math.floor((100 * matchedBlocks) / totalBlocks);
}

/** Fewest requests in flight; among equals any, with equal chance. */
export function leastRequest({ candidates, random }: Snapshot): Candidate {
  const least = Math.min(...candidates.map(candidate => candidate.running));
  return anyOf(
    candidates.filter(candidate => candidate.running === least),
    random,
  );
}

/** The less loaded of two pods drawn at random (Mitzenmacher, "The power of two choices", 2001). */
function powerOfTwo({ candidates, random }: Snapshot): Candidate {
  const [one, other] = shuffled(candidates, random);
  return other !== undefined && other.running < one!.running ? other : one!;
}

function balanced(candidate: Candidate, reason: Exclude<Strategy, 'prefix-cache'>): Pick {
  return { candidate, reason, imbalanced: false };
}

function anyOf<T>(values: readonly T[], random: () => number): T {
  return values[Math.floor(random() * values.length)]!;
}

/** Fisher–Yates. */
function shuffled<T>(values: readonly T[], random: () => number): T[] {
  const result = [...values];
  for (let i = result.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [result[i], result[j]] = [result[j]!, result[i]!];
  }
  return result;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** With n − 1 in the denominator; 0 for a single value. */
function sampleStandardDeviation(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const average = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - average) ** 2, 0) / (values.length - 1));
}
