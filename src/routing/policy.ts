/**
 * Policies: pure functions from a snapshot to a pick. All randomness comes from the snapshot, so a test is a table.
 */
import type { Strategy, StrategyName } from '../domain.ts';
import { leastEngineLoad } from './strategies/least-engine-load.ts';
import { type PrefixCostOptions, prefixCost } from './strategies/prefix-cost.ts';
import { scorersWith } from './strategies/scores.ts';
import { sessionAffinity } from './strategies/session-affinity.ts';
import {
  anyOf,
  BY_LOAD,
  deviationOf,
  leastRequest,
  matchedPercent,
  NOT_COMPARED,
  type Pick,
  type Policy,
  picked,
  type Snapshot,
  spreadOf,
} from './strategies/snapshot.ts';
import { weighted } from './strategies/weighted.ts';

export { DEFAULT_COSTS } from './strategies/prefix-cost.ts';
export { sessionIdOf } from './strategies/session-affinity.ts';
export { leastRequest, type Pick, type Policy, type Session, type Snapshot } from './strategies/snapshot.ts';

export interface PrefixCacheOptions {
  /** Above this difference between the most and the least loaded pod, only the least loaded are considered. */
  readonly imbalanceRequests: number;
  /** A holder may be this many standard deviations above the mean load. */
  readonly standardDeviationFactor: number;
}

export type PolicyOptions = PrefixCacheOptions & PrefixCostOptions;

/** Picks as a strategy says. */
export type Picker = (strategy: Strategy, snapshot: Snapshot) => Pick;

export function createPicker(options: PolicyOptions): Picker {
  const all = policies(options);
  const scorers = scorersWith(options);
  return (strategy, snapshot) =>
    strategy.kind === 'single' ? all[strategy.name](snapshot) : weighted(strategy.members, snapshot, scorers);
}

/** All policies that stand alone, by name. */
export function policies(options: PolicyOptions): Readonly<Record<StrategyName, Policy>> {
  return {
    'prefix-cost': snapshot => prefixCost(snapshot, options),
    'prefix-cache': snapshot => prefixCache(snapshot, options),
    'least-request': snapshot => picked(leastRequest(snapshot), 'least-request', BY_LOAD),
    random: ({ pods, random }) => picked(Math.floor(random() * pods.length), 'random', NOT_COMPARED),
    'round-robin': ({ pods, turn }) => picked(turn % pods.length, 'round-robin', { kind: 'turn', turn }),
    'power-of-two': powerOfTwo,
    'session-affinity': sessionAffinity,
    'least-kv-cache': leastEngineLoad('least-kv-cache'),
    'least-gpu-cache': leastEngineLoad('least-gpu-cache'),
    'least-latency': leastEngineLoad('least-latency'),
    throughput: leastEngineLoad('throughput'),
    'least-busy-time': leastEngineLoad('least-busy-time'),
    'least-utilization': leastEngineLoad('least-utilization'),
  };
}

/**
 * AIBrix's decision (`pkg/plugins/gateway/algorithms/prefix_cache.go`): where the load is uneven only the least loaded
 * pods are looked at; among them the longest match wins, fewer running requests first, unless its load is above mean +
 * factor × sample standard deviation over all pods; otherwise the least loaded pod of all. Matches are compared as whole
 * percents, as there.
 */
export function prefixCache(snapshot: Snapshot, options: PrefixCacheOptions): Pick {
  const { running, matchedBlocks, random } = snapshot;
  const { least, most, mean } = spreadOf(running);
  const deviation = deviationOf(running, mean);
  const imbalanced = most - least > options.imbalanceRequests;
  const bound = mean + options.standardDeviationFactor * deviation;
  let holders = 0;
  let tooBusy = 0;
  let bestPercent = -1;
  let bestRunning = 0;
  let best: number[] = [];
  for (let i = 0; i < running.length; i++) {
    const load = running[i]!;
    if (matchedBlocks[i] === 0 || (imbalanced && load !== least)) continue;
    holders++;
    if (load > bound) {
      tooBusy++;
      continue;
    }
    const percent = matchedPercent(snapshot, i);
    if (percent < bestPercent || (percent === bestPercent && load > bestRunning)) continue;
    if (percent > bestPercent || load < bestRunning) best = [];
    bestPercent = percent;
    bestRunning = load;
    best.push(i);
  }
  const comparison = {
    kind: 'prefix',
    ...{ least, most, mean, deviation, bound, imbalanced, holders, tooBusy, equals: best.length },
  } as const;
  return best.length > 0
    ? picked(anyOf(best, random), 'prefix_match', comparison)
    : picked(leastRequest(snapshot), holders > 0 ? 'prefix_match_skipped' : 'no_match', comparison);
}

/** The less loaded of two pods drawn at random (Mitzenmacher, "The power of two choices", 2001). */
function powerOfTwo({ running, random }: Snapshot): Pick {
  const one = Math.floor(random() * running.length);
  if (running.length === 1) return picked(one, 'power-of-two', NOT_COMPARED);
  const other = (one + 1 + Math.floor(random() * (running.length - 1))) % running.length;
  const index = running[other]! < running[one]! ? other : one;
  return picked(index, 'power-of-two', { kind: 'two_drawn', one, other });
}
