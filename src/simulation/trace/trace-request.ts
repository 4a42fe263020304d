/** Tokens that one id stands for in Mooncake's own traces, and in what is made up. */
export const TOKENS_PER_ID = 512;

/** One request of a trace. */
export interface TraceRequest {
  /** When it comes: milliseconds since the trace began. */
  readonly atMs: number;
  /** Tokens of its prompt, at least 1. */
  readonly inputTokens: number;
  /** Tokens that it generates, at least 1. */
  readonly outputTokens: number;
  /** Tokens that each id stands for. */
  readonly tokensPerId: number;
  /** What its prompt is made of: each id stands for always the same tokens; the last one for so many of them as are left. */
  readonly hashIds: readonly number[];
}

/** Requests in the order in which they come. Each iteration begins anew. */
export type Trace = AsyncIterable<TraceRequest>;
