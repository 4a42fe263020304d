import type { AllowedPods, Picked } from '../candidates.ts';
import type { PrefixFound } from '../prefix-lookup.ts';
import {
  type Comparison,
  matchedPercent,
  type Pick,
  type Snapshot,
  spreadOf,
} from '../strategies/snapshot.ts';
import type { Compared, Considered, KeptCandidates } from './course.ts';

export interface ConsideredParts {
  readonly allowed: AllowedPods;
  /** Whose pods the snapshot has. */
  readonly picked: Picked;
  readonly snapshot: Snapshot;
  readonly pick: Omit<Pick, 'reason'>;
  /** undefined: matches are not blocks. */
  readonly found: PrefixFound | undefined;
}

/** Of many pods so many of the best are kept, and in any case the winner and one of the least loaded. */
const KEPT = 16;
const LARGEST_KEPT = KEPT + 2;

/** Of the last choice, used again for each: which pods are the best, and by what. */
const best = new Int32Array(KEPT);
const bestCosts = new Float64Array(KEPT);

/** What is kept of a choice that was just made. */
export function consideredIn({ allowed, picked, snapshot, pick, found }: ConsideredParts): Considered {
  const { running, pods } = snapshot;
  const { index: winner, comparison } = pick;
  const { least, most, mean } = comparison.kind === 'prefix' ? comparison : spreadOf(running);
  const indexes = pods.length <= LARGEST_KEPT ? undefined : bestOf(snapshot, pick, least);
  return {
    serving: allowed.serving,
    allowed: allowed.pods.length,
    kind: picked.kind,
    leftOut: picked.leftOut,
    pods: pods.length,
    least,
    most,
    mean,
    blockSizeTokens: found?.blockSizeOf(winner),
    compared: comparedBy(pick, snapshot),
    unscored: pick.unscored,
    matchesAre: found === undefined ? 'turns' : 'blocks',
    candidates: candidatesAt(indexes, { picked, snapshot, comparison, found }),
    winner: indexes === undefined ? winner : indexes.indexOf(winner),
  };
}

interface Lists {
  readonly picked: Picked;
  readonly snapshot: Snapshot;
  readonly comparison: Comparison;
  readonly found: PrefixFound | undefined;
}

/** The pods with these indexes; undefined: all of them, in lists that are shared where they do not change. */
function candidatesAt(indexes: readonly number[] | undefined, lists: Lists): KeptCandidates {
  const { picked, snapshot, comparison, found } = lists;
  const { pods, running, matchedBlocks, totalBlocks } = snapshot;
  const count = indexes === undefined ? pods.length : indexes.length;
  const numbers = new Array<number>(3 * count);
  for (let at = 0; at < count; at++) {
    const i = indexes === undefined ? at : indexes[at]!;
    numbers[3 * at] = running[i]!;
    numbers[3 * at + 1] = matchedBlocks[i]!;
    numbers[3 * at + 2] = totalBlocks[i]!;
  }
  return {
    pods: at(pods, indexes),
    states: at(picked.states, indexes),
    numbers,
    cpu: numbersAt(found?.offGpu?.cpu, indexes),
    storage: numbersAt(found?.offGpu?.storage, indexes),
    scores: numbersAt(scoresOf(comparison), indexes),
    queued: comparison.kind === 'cost' ? numbersAt(comparison.queuedTokens, indexes) : undefined,
    shares:
      comparison.kind === 'weighted' ? comparison.shares.map(each => numbersAt(each, indexes)) : undefined,
  };
}

function at<T>(all: readonly T[], indexes: readonly number[] | undefined): readonly T[] {
  return indexes === undefined ? all : indexes.map(i => all[i]!);
}

/** A copy: the lists of numbers are used again. */
function numbersAt(
  all: ArrayLike<number> | undefined,
  indexes: readonly number[] | undefined,
): readonly number[] | undefined {
  if (all === undefined) return undefined;
  return indexes === undefined ? Array.from(all) : indexes.map(i => all[i]!);
}

/** In no order. */
function bestOf(
  snapshot: Snapshot,
  { index: winner, comparison }: ConsideredParts['pick'],
  leastRunning: number,
): number[] {
  keepBest(snapshot, comparison);
  const indexes = Array.from(best);
  for (const i of [winner, firstWith(leastRunning, snapshot.running)])
    if (!indexes.includes(i)) indexes.push(i);
  return indexes;
}

function firstWith(value: number, values: ArrayLike<number>): number {
  let i = 0;
  while (i < values.length - 1 && values[i] !== value) i++;
  return i;
}

/** Fills `best` with those that the policy thinks most of, among equals those with the fewest requests in flight. */
function keepBest(snapshot: Snapshot, comparison: Comparison): void {
  const { running } = snapshot;
  const costs = costsOf(snapshot, comparison);
  const { length } = costs;
  let count = 0;
  /** Of the last that is kept, once there are enough. */
  let [worst, mostRunning] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let i = 0; i < length; i++) {
    const cost = costs[i]!;
    if (cost > worst) continue;
    const load = running[i]!;
    if (cost === worst && load >= mostRunning) continue;
    let place = count < KEPT ? count++ : KEPT - 1;
    for (; place > 0; place--) {
      const before = bestCosts[place - 1]!;
      if (before < cost || (before === cost && running[best[place - 1]!]! <= load)) break;
      best[place] = best[place - 1]!;
      bestCosts[place] = before;
    }
    best[place] = i;
    bestCosts[place] = cost;
    if (count < KEPT) continue;
    worst = bestCosts[KEPT - 1]!;
    mostRunning = running[best[KEPT - 1]!]!;
  }
}

/** By what the policy compares pods; the least is the best. */
function costsOf(snapshot: Snapshot, comparison: Comparison): ArrayLike<number> {
  switch (comparison.kind) {
    case 'cost':
      return comparison.costs;
    case 'engines':
      return comparison.scores.map(score => (Number.isNaN(score) ? Number.POSITIVE_INFINITY : score));
    case 'weighted':
      return comparison.sums.map(sum => -sum);
    case 'prefix':
      return snapshot.pods.map((_, i) => -matchedPercent(snapshot, i));
    default:
      return snapshot.pods.map(() => 0);
  }
}

function scoresOf(comparison: Comparison): ArrayLike<number> | undefined {
  if (comparison.kind === 'engines') return comparison.scores;
  if (comparison.kind === 'cost') return comparison.costs;
  return comparison.kind === 'weighted' ? comparison.sums : undefined;
}

/** Without what there is one of for each pod. */
function comparedBy(
  { index: winner, comparison }: ConsideredParts['pick'],
  { pods, running, promptTokens, zonePenaltiesMs }: Snapshot,
): Compared {
  switch (comparison.kind) {
    case 'cost':
      return {
        kind: 'cost',
        ...{ price: comparison.price, promptTokens, zonePenaltyMs: comparison.zonePenaltyMs },
        winnersZone: (zonePenaltiesMs?.[winner] ?? 0) > 0 ? 'elsewhere' : 'free',
      };
    case 'engines':
      return BY_ENGINES;
    case 'weighted':
      return BY_WEIGHTS;
    case 'two_drawn': {
      const { one, other } = comparison;
      const drawn = [one, other].map(i => ({ pod: pods[i]!.name, running: running[i]! }));
      return { kind: 'two_drawn', drawn };
    }
    default:
      return comparison;
  }
}

const BY_ENGINES: Compared = { kind: 'engines' };
const BY_WEIGHTS: Compared = { kind: 'weighted' };
