/**
 * Several strategies with weights: each scores all pods, the scores become shares between worst (0) and best (1), and the highest
 * weighted sum wins. AIBrix's arithmetic (`scoreAndRank` and `normalizeScoresArray` in `algorithms/router.go`).
 */
import type { WeightedStrategy } from '../../domain.ts';
import { isHeard, type ScoredName, type Scorer, type Scorers } from './scores.ts';
import { anyOf, BY_LOAD, leastRequest, type Pick, picked, type Snapshot } from './snapshot.ts';

/** Sums that differ by less are equal: what they are made of has been divided. */
const PRECISION = 1e-9;

export function weighted(members: readonly WeightedStrategy[], snapshot: Snapshot, scorers: Scorers): Pick {
  const { sums, shares } = weightedSums(members, snapshot, scorers);
  const unscored = members.flatMap(({ name }, i) => (shares[i] === undefined ? [name] : []));
  if (unscored.length === members.length)
    return picked(leastRequest(snapshot), 'no_engine_metrics', BY_LOAD, unscored);
  const comparison = { kind: 'weighted', sums, shares } as const;
  return picked(anyOf(highest(sums), snapshot.random), 'weighted', comparison, unscored);
}

export interface WeightedSums {
  /** One per pod, from 0 to 1. */
  readonly sums: readonly number[];
  /** Of each member one per pod, from 0 to 1; undefined: it knows too few pods, and adds nothing. */
  readonly shares: readonly (readonly number[] | undefined)[];
}

export function weightedSums(
  members: readonly WeightedStrategy[],
  snapshot: Snapshot,
  scorers: Scorers,
): WeightedSums {
  const total = members.reduce((sum, { weight }) => sum + weight, 0);
  const sums = snapshot.pods.map(() => 0);
  const shares = members.map(({ name, weight }) => {
    const { best, score } = scorers[name as ScoredName];
    const scores = score(snapshot);
    if (!isHeard(scores)) return undefined;
    const ofMember = normalized(scores, best);
    for (let i = 0; i < sums.length; i++) sums[i]! += ofMember[i]! * (weight / total);
    return ofMember;
  });
  return { sums, shares };
}

/** 1 for the best, 0 for the worst and for who was not scored; where all are equal, 1 for each. */
export function normalized(scores: readonly number[], best: Scorer['best']): number[] {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (const score of scores) {
    if (!Number.isFinite(score)) continue;
    min = Math.min(min, score);
    max = Math.max(max, score);
  }
  return scores.map(score => {
    if (!Number.isFinite(score)) return 0;
    if (max === min) return 1;
    return (best === 'least' ? max - score : score - min) / (max - min);
  });
}

/** In order; AIBrix takes the first, of a list that it has shuffled. */
function highest(sums: readonly number[]): number[] {
  let max = Number.NEGATIVE_INFINITY;
  let all: number[] = [];
  for (const [i, sum] of sums.entries()) {
    if (Math.abs(sum - max) < PRECISION) all.push(i);
    else if (sum > max) {
      max = sum;
      all = [i];
    }
  }
  return all;
}
