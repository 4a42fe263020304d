/** What policies see and say. */
import type { EngineLoad, Pod, Reason, StrategyLabel, StrategyName } from '../../domain.ts';
import type { PodsWork } from '../work/token-work.ts';

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
  /** Tokens of those matched blocks. */
  readonly matchedTokens: ArrayLike<number>;
  /** Of the matched blocks those that are not on the GPU; undefined: all are. */
  readonly offGpu: { readonly cpu: ArrayLike<number>; readonly storage: ArrayLike<number> } | undefined;
  /** Of the prompt; a guess where it has none. */
  readonly promptTokens: number;
  /** The LoRA adapter that it is for. */
  readonly adapter: string | undefined;
  /** What each pod has to do before anything new. Asked for by the strategies that compare it alone. */
  readonly work: () => PodsWork;
  /** What its engine last said of its work. Asked for by the strategies that compare it alone. */
  readonly engineLoad: (pod: Pod) => EngineLoad;
  /** What each pod costs for the zone that it is in, milliseconds; undefined: nothing. */
  readonly zonePenaltiesMs: ArrayLike<number> | undefined;
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
  readonly comparison: Comparison;
  /** Strategies that were asked and knew too few of the pods to be heard. */
  readonly unscored: readonly StrategyName[];
}

/** What the pods were compared by. For whoever asks why: nothing is decided by it. */
export type Comparison =
  /** By requests in flight alone; `other`: not with each other. */
  | { readonly kind: 'load' | 'other' }
  | PrefixComparison
  | CostComparison
  /** One number per pod, the least is the best; NaN: its engine has not said. */
  | { readonly kind: 'engines'; readonly scores: readonly number[] }
  /** One sum per pod, the highest is the best; of each member one share per pod, undefined where it was not heard. */
  | {
      readonly kind: 'weighted';
      readonly sums: readonly number[];
      readonly shares: readonly (readonly number[] | undefined)[];
    }
  | { readonly kind: 'turn'; readonly turn: number }
  /** Of the pods in the snapshot's list. */
  | { readonly kind: 'two_drawn'; readonly one: number; readonly other: number };

/** What `prefix-cache` went by. */
export interface PrefixComparison {
  readonly kind: 'prefix';
  /** Only the least loaded pods were looked at. */
  readonly imbalanced: boolean;
  /** Of the load of all pods. */
  readonly least: number;
  readonly most: number;
  readonly mean: number;
  readonly deviation: number;
  /** Above this load a holder is too busy. */
  readonly bound: number;
  /** Of the pods that were looked at: those that hold a part, those of them that are too busy, and the best ones. */
  readonly holders: number;
  readonly tooBusy: number;
  readonly equals: number;
}

/** What `prefix-cost` went by. */
export interface CostComparison {
  readonly kind: 'cost';
  /** Milliseconds, one number per pod, the least is the best. Valid until the next choice among the same list of pods. */
  readonly costs: Float64Array;
  readonly queuedTokens: ArrayLike<number>;
  /** What computing one token was reckoned to cost the others, in tokens. */
  readonly price: number;
  /** The most that any of the pods costs for its zone, in milliseconds; 0: none costs anything. */
  readonly zonePenaltyMs: number;
}

export type Policy = (snapshot: Snapshot) => Pick;

const ALL_SCORED: readonly StrategyName[] = [];
export const NOT_COMPARED: Comparison = { kind: 'other' };
export const BY_LOAD: Comparison = { kind: 'load' };

export function picked(
  index: number,
  reason: Pick['reason'],
  comparison: Comparison,
  unscored: readonly StrategyName[] = ALL_SCORED,
): Pick {
  return { index, reason, comparison, unscored };
}

/** How much of the prompt the pod holds, in whole percents, as AIBrix compares it. */
export function matchedPercent({ matchedBlocks, totalBlocks }: Snapshot, index: number): number {
  const matched = matchedBlocks[index]!;
  return matched === 0 ? 0 : Math.floor((100 * matched) / totalBlocks[index]!);
}

export function spreadOf(values: ArrayLike<number>) {
  let least = Number.POSITIVE_INFINITY;
  let most = 0;
  let sum = 0;
  const { length } = values;
  for (let i = 0; i < length; i++) {
    const value = values[i]!;
    if (value < least) least = value;
    if (value > most) most = value;
    sum += value;
  }
  return { least, most, mean: sum / length };
}

/** The sample's standard deviation, with n − 1 in the denominator; 0 for a single value. */
export function deviationOf(values: ArrayLike<number>, mean: number): number {
  let squares = 0;
  for (let i = 0; i < values.length; i++) squares += (values[i]! - mean) ** 2;
  return values.length < 2 ? 0 : Math.sqrt(squares / (values.length - 1));
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
