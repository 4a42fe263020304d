/** How a decision came about: what was looked at, and how long each step took. Facts alone; `explain/` puts them into words. */
import type { Pod, StrategyName } from '../../domain.ts';
import type { HealthState } from '../../health/pods-health.ts';
import type { LeftOut, Picked } from '../candidates.ts';
import type { PrefixComparison } from '../strategies/snapshot.ts';

export interface Course {
  /** As the body names it; undefined: it does not, or could not be read. */
  readonly model: string | undefined;
  /** Of the prompt; undefined: it has none, or was not asked for them. */
  readonly tokens: number | undefined;
  /** The beginning of the prompt's text, where it is to be shown. */
  readonly prompt: string | undefined;
  readonly stages: StageTimes;
  /** undefined: no pod was picked. */
  readonly considered: Considered | undefined;
}

/** Milliseconds; undefined: the request was decided without it. */
export interface StageTimes {
  readonly parse: number;
  readonly tokenize: number | undefined;
  /** The look-up in the index, the hashing of the prompt included. */
  readonly match: number | undefined;
  readonly hash: number | undefined;
  readonly decide: number | undefined;
}

/** What a pod was picked by. Bounded, however many pods there are. */
export interface Considered {
  /** Pods that serve the model, and those of them that the request may go to. */
  readonly serving: number;
  readonly allowed: number;
  /** Which of those were chosen from, and who was left out. */
  readonly kind: Picked['kind'];
  readonly leftOut: LeftOut;
  /** How many were chosen from. */
  readonly pods: number;
  /** Requests in flight on those. */
  readonly least: number;
  readonly most: number;
  readonly mean: number;
  /** In the winner's form; undefined: the prompt was not cut into blocks. */
  readonly blockSizeTokens: number | undefined;
  readonly compared: Compared;
  /** Strategies that knew too few of the pods to be heard. */
  readonly unscored: readonly StrategyName[];
  /** Whether a prompt without tokens was compared by where earlier turns of it were sent: matches are no blocks then. */
  readonly matchesAre: 'blocks' | 'turns';
  /** In no order. The winner is among them, and one of the least loaded. */
  readonly candidates: KeptCandidates;
  /** Of the winner, in `candidates`. */
  readonly winner: number;
}

/** What the pods were compared by. */
export type Compared =
  | { readonly kind: 'load' | 'other' | 'engines' | 'weighted' }
  | PrefixComparison
  | CostCompared
  | { readonly kind: 'turn'; readonly turn: number }
  | {
      readonly kind: 'two_drawn';
      readonly drawn: readonly { readonly pod: string; readonly running: number }[];
    };

/** What `prefix-cost` compared the candidates' scores by: milliseconds to the first token, with the price for others. */
export interface CostCompared {
  readonly kind: 'cost';
  /** Of computing one token, for others, in tokens. */
  readonly price: number;
  /** A guess where the prompt has none. */
  readonly promptTokens: number;
  /** The most that any of the pods cost for its zone, in milliseconds; 0: none cost anything. */
  readonly zonePenaltyMs: number;
  /** Where the winner is; it costs the penalty elsewhere. */
  readonly winnersZone: 'free' | 'elsewhere';
}

/** Candidates side by side: there is one of these lists for each decision that is kept, and an object for each candidate would cost more than all else. */
export interface KeptCandidates {
  readonly pods: readonly Pod[];
  readonly states: readonly HealthState[];
  /** Of each pod requests in flight, matched blocks, total blocks. */
  readonly numbers: readonly number[];
  /** Of the matched blocks those that are not on its GPU; undefined: all are. */
  readonly cpu: readonly number[] | undefined;
  readonly storage: readonly number[] | undefined;
  /** What the policy scored them by, where that is more than match and load; NaN: it could not. */
  readonly scores: readonly number[] | undefined;
  /** Tokens that wait there to be computed; undefined: they were not asked for. */
  readonly queued: readonly number[] | undefined;
  /** Of a weighted list: what each member gives, from 0 to 1; undefined: it is not heard, and gives nothing. */
  readonly shares: readonly (readonly number[] | undefined)[] | undefined;
}

export interface Candidate {
  readonly pod: Pod;
  readonly health: HealthState;
  /** Requests in flight. */
  readonly running: number;
  readonly matchedBlocks: number;
  readonly totalBlocks: number;
  readonly cpu: number;
  readonly storage: number;
  readonly score: number | undefined;
  readonly queued: number | undefined;
  readonly shares: readonly number[] | undefined;
}

export function candidateAt(at: number, { pods, states, numbers, ...lists }: KeptCandidates): Candidate {
  return {
    ...{ pod: pods[at]!, health: states[at]! },
    running: numbers[3 * at]!,
    matchedBlocks: numbers[3 * at + 1]!,
    totalBlocks: numbers[3 * at + 2]!,
    cpu: lists.cpu?.[at] ?? 0,
    storage: lists.storage?.[at] ?? 0,
    score: lists.scores?.[at],
    queued: lists.queued?.[at],
    shares: lists.shares?.map(ofMember => ofMember?.[at] ?? 0),
  };
}
