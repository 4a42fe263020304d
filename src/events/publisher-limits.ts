/** How long a publisher is waited for, and how much is kept for it. */
export interface PublisherLimits {
  /** Live messages that wait while a replay is applied. */
  readonly maxHeldMessages: number;
  readonly maxHeldBytes: number;
  /** Longest wait for a replay's next message. An idle vLLM answers after 100 ms. */
  readonly replayIdleTimeoutMs: number;
  readonly replayTimeoutMs: number;
  readonly maxReplayBytes: number;
  /** Replays in a row that may bring nothing new. */
  readonly maxReplayAttempts: number;
  /** Replays that are asked for before 16 live batches have come in a row, or nothing was asked for so long. */
  readonly maxReplaysInARow: number;
  readonly calmAfterMs: number;
  /** Before another try, when a state is cold; grows from the first to the second, with jitter, until one has lasted. */
  readonly retryAfterMs: number;
  readonly maxRetryAfterMs: number;
  /** Failed replays in a row before the publisher is not asked any more, and for how long. */
  readonly breakerFailures: number;
  readonly breakerOpenMs: number;
  /** How long what is known outlives the connection. */
  readonly maxLostMs: number;
  /** How far we may fall behind a publisher before what it said is no longer believed. */
  readonly maxBehindMs: number;
}

export const DEFAULT_LIMITS: PublisherLimits = {
  maxHeldMessages: 50_000,
  maxHeldBytes: 128 * 1024 * 1024,
  replayIdleTimeoutMs: 3_000,
  replayTimeoutMs: 30_000,
  maxReplayBytes: 1024 * 1024 * 1024,
  maxReplayAttempts: 3,
  maxReplaysInARow: 8,
  calmAfterMs: 60_000,
  retryAfterMs: 1_000,
  maxRetryAfterMs: 60_000,
  breakerFailures: 5,
  breakerOpenMs: 60_000,
  maxLostMs: 30_000,
  maxBehindMs: 10_000,
};
