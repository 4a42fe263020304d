/** What `warmroute history --json` prints. Tokens are of prompts, times in milliseconds. */
import type { Span } from './time-spans.ts';

export interface History {
  readonly files: readonly string[];
  readonly models: readonly ModelHistory[];
}

export interface ModelHistory {
  readonly model: string;
  readonly requests: number;
  /** By what became of them. */
  readonly outcomes: readonly Count[];
  /** Requests whose prompts are there, and what all below is of. */
  readonly prompts: number;
  readonly promptTokens: number;
  /** What one cache without bounds that all pods share would have had, in recorded blocks. */
  readonly reachableTokens: number;
  readonly predicted: HitRate;
  /** As engines report, of the answers that were looked at. */
  readonly reported: HitRate;
  /** Predicted, by the side of the experiment. */
  readonly arms: readonly (HitRate & { readonly arm: string })[];
  readonly spanMs: number;
  readonly overTime: readonly Span[];
  readonly reuse: ReuseTimes;
  /** Those that saved the most, first. */
  readonly hotPrefixes: readonly HotPrefix[];
  readonly pods: readonly PodShare[];
  /** Tokens that the busiest pod had to compute, by what was predicted, over the mean of all. */
  readonly imbalance: number;
  readonly reasons: readonly ReasonHistory[];
  /** Blocks that were too many to be kept: what of them was used again later is not known. */
  readonly forgottenBlocks: number;
}

export interface Count {
  readonly name: string;
  readonly requests: number;
}

export interface HitRate {
  readonly requests: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  /** 0 where there are no tokens. */
  readonly hitRate: number;
}

/** Of the tokens that could be used again, how many within what; cumulative. */
export interface ReuseTimes {
  readonly tokens: number;
  /** Since the block was last used. */
  readonly bySinceMs: readonly (readonly [withinMs: number, tokens: number])[];
  /** New tokens that came in between: a cache of so many, shared by all, would have had it. */
  readonly byNewTokens: readonly (readonly [withinTokens: number, tokens: number])[];
}

export interface HotPrefix {
  /** Of its last block. */
  readonly id: number;
  readonly tokens: number;
  /** That began with it, and with nothing longer that was known. */
  readonly requests: number;
  readonly savedTokens: number;
  /** Where these went. */
  readonly pods: readonly string[];
}

export interface PodShare {
  readonly pod: string;
  readonly requests: number;
  readonly promptTokens: number;
  /** By what was predicted. */
  readonly computedTokens: number;
}

export interface ReasonHistory {
  readonly reason: string;
  readonly requests: number;
  /** Answers of which the first byte was seen, and when it came after the pick. */
  readonly firstBytes: number;
  readonly firstByteP50Ms: number;
  readonly firstByteP99Ms: number;
}
