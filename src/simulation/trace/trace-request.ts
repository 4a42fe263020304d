/** Tokens that one id of a trace stands for. */
export const TOKENS_PER_ID = 512;

/** One request of a trace. */
export interface TraceRequest {
  /** When it comes: milliseconds since the trace began. */
  readonly atMs: number;
  /** Tokens of its prompt, at least 1. */
  readonly inputTokens: number;
  /** Tokens that it generates, at least 1. */
  readonly outputTokens: number;
  /** What its prompt is made of: each id stands for 512 tokens, always the same ones; of the last one so many as are left. */
  readonly hashIds: readonly number[];
}

/** Requests in the order in which they come. Each iteration begins anew. */
export type Trace = AsyncIterable<TraceRequest>;
