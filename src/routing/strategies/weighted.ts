/**
 * Several strategies with weights: each scores all pods, the scores become shares between worst (0) and best (1), and the highest
 * weighted sum wins. AIBrix's arithmetic (`scoreAndRank` and `normalizeScoresArray` in `algorithms/router.go`).
 */
import type { StrategyName, WeightedStrategy } from '../../domain.ts';
import { isHeard, SCORERS, type ScoredName, type Scorer } from './scores.ts';
import { anyOf, leastRequest, type Pick, picked, type Snapshot } from './snapshot.ts';

/** Sums that differ by less are equal: what they are made of has been divided. */
const PRECISION = 1e-9;

export function weighted(members: readonly WeightedStrategy[], snapshot: Snapshot): Pick {
  const unscored: StrategyName[] = [];
  const sums = weightedSums(members, snapshot, name => unscored.push(name));
  if (unscored.length === members.length)
    return picked(leastRequest(snapshot), 'no_engine_metrics', unscored);
  return picked(anyOf(highest(sums), snapshot.random), 'weighted', unscored);
}

/** One sum per pod, from 0 to 1. @param onUnscored called with members that know too few pods, and so add nothing */
export function weightedSums(
  members: readonly WeightedStrategy[],
  snapshot: Snapshot,
  onUnscored: (name: StrategyName) => void = () => {},
): number[] {
  const total = members.reduce((sum, { weight }) => sum + weight, 0);
  const sums = snapshot.pods.map(() => 0);
  for (const { name, weight } of members) {
    const { best, score } = SCORERS[name as ScoredName];
    const scores = score(snapshot);
    if (!isHeard(scores)) {
      onUnscored(name);
      continue;
    }
    const shares = normalized(scores, best);
    for (let i = 0; i < sums.length; i++) sums[i]! += shares[i]! * (weight / total);
  }
  return sums;
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
