import type { PublisherRules } from './stream/stream.ts';

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
  /** Before another replay from the start, when one has failed; grows from the first to the second, with jitter. */
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
  retryAfterMs: 1_000,
  maxRetryAfterMs: 60_000,
  breakerFailures: 5,
  breakerOpenMs: 60_000,
  maxLostMs: 30_000,
  maxBehindMs: 10_000,
};

/** What the machine has to know of them. */
export function rulesOf(limits: PublisherLimits, replay: 'available' | 'none'): PublisherRules<Uint8Array> {
  return {
    replay,
    maxPendingMessages: limits.maxHeldMessages,
    maxPendingBytes: limits.maxHeldBytes,
    maxAttempts: limits.maxReplayAttempts,
    same: (a, b) => Buffer.compare(a, b) === 0,
  };
}
