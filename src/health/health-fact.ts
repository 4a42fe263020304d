/** What became of one poll of a pod, or of one request. Times are milliseconds of a monotonic clock. */

/** `what`: what was tried, and what came of it, in words for an operator. */
export type PollFact =
  /** 2xx from `/health`. */
  | { readonly kind: 'poll_ok' }
  /** The engine answered that it is not well. */
  | { readonly kind: 'poll_failed'; readonly what: string }
  /** Nothing listens on its port. */
  | { readonly kind: 'poll_refused'; readonly what: string }
  /** No answer in time, or the connection broke: once, that may be a busy engine. */
  | { readonly kind: 'poll_unanswered'; readonly what: string }
  /** There is no such path, or it says nothing about health. */
  | { readonly kind: 'poll_void' };

export type SleepFact = { readonly kind: 'asleep' | 'awake' };

export type ResponseFact =
  /** Answered with a status that is not the engine's fault. */
  | { readonly kind: 'answered'; readonly sentAtMs: number }
  /** A server error, or another pod had to answer. `what` happened. */
  | { readonly kind: 'failed'; readonly sentAtMs: number; readonly what: string }
  /**
   * Not answered in a time in which other pods answered and this one answered nobody. `silent`: how many requests wait like it,
   * itself included.
   */
  | {
      readonly kind: 'unanswered';
      readonly sentAtMs: number;
      readonly waitedMs: number;
      readonly silent: number;
    };

export type HealthFact = PollFact | SleepFact | ResponseFact;

/** Who fails again sooner than this after it came back has not really been back. */
export const RELAPSE_WITHIN_MS = 60_000;
