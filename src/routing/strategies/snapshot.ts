/** What policies see and say. */
import type { EngineLoad, Pod, Reason, StrategyLabel, StrategyName } from '../../domain.ts';

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
  /** What its engine last said of its work. Asked for by the strategies that compare it alone. */
  readonly engineLoad: (pod: Pod) => EngineLoad;
  readonly session: Session;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Counts the decisions of one model: what round robin turns on. */
  readonly turn: number;
}

/** Which session a request belongs to, in its client's words. */
export interface Session {
  /** The `x-session-id` header: where an earlier request of the session went, base64 of `ip:port`. */
  readonly id: string | undefined;
  /** The `x-aibrix-session-key` header: a name of the client's own. */
  readonly key: string | undefined;
}

export interface Pick {
  /** Of the pod in the snapshot's list. */
  readonly index: number;
  readonly reason: Extract<
    Reason,
    | 'prefix_match'
    | 'prefix_match_skipped'
    | 'no_match'
    | 'session_id'
    | 'session_key'
    | 'no_session'
    | 'no_engine_metrics'
    | StrategyLabel
  >;
  /** The load of the pods was too far apart for the prefix to decide alone. */
  readonly imbalanced: boolean;
  /** Strategies that were asked and knew too few of the pods to be heard. */
  readonly unscored: readonly StrategyName[];
}

export type Policy = (snapshot: Snapshot) => Pick;

const ALL_SCORED: readonly StrategyName[] = [];

export function picked(
  index: number,
  reason: Pick['reason'],
  unscored: readonly StrategyName[] = ALL_SCORED,
): Pick {
  return { index, reason, imbalanced: false, unscored };
}

/** How much of the prompt the pod holds, in whole percents, as AIBrix compares it. */
export function matchedPercent({ matchedBlocks, totalBlocks }: Snapshot, index: number): number {
  const matched = matchedBlocks[index]!;
  return matched === 0 ? 0 : Math.floor((100 * matched) / totalBlocks[index]!);
}

/** One of them, with equal chance. */
export function anyOf(indexes: readonly number[], random: () => number): number {
  return indexes[Math.floor(random() * indexes.length)]!;
}

/** Those with the least value, in order. `among`: of these indexes; undefined: of all. Nothing that is compared is NaN. */
export function leastOf(values: ArrayLike<number>, among?: readonly number[]): number[] {
  const count = among?.length ?? values.length;
  let least = Number.POSITIVE_INFINITY;
  let all: number[] = [];
  for (let i = 0; i < count; i++) {
    const index = among === undefined ? i : among[i]!;
    const value = values[index]!;
    if (value > least) continue;
    if (value < least) all = [];
    least = value;
    all.push(index);
  }
  return all;
}

/** Fewest requests in flight; among equals any, with equal chance. */
export function leastRequest({ running, random }: Snapshot): number {
  return anyOf(leastOf(running), random);
}
