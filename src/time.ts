/**
 * Clock, sleep, deadline, back-off and circuit breaker: one of each. All of them run on the monotonic clock, so that nobody who
 * sets the system's clock makes a time-out last for ever. Wall time is for what is compared with other machines' clocks, or
 * shown.
 */
import { setTimeout as delay } from 'node:timers/promises';

/** Milliseconds. Of a monotonic clock only differences mean something. */
export type Clock = () => number;

export const monotonicClock: Clock = () => performance.now();

/** Milliseconds since the epoch, for event lag and for times that are shown. May jump, also backwards. */
export const wallClock: Clock = () => Date.now();

/** Waits `ms`; rejects at once when `signal` is aborted. */
export type Sleep = (ms: number, signal: AbortSignal) => Promise<void>;

export const realSleep: Sleep = (ms, signal) => delay(ms, undefined, { signal });

/** Runs `task`, `everyMs` after its last run ended, until `signal` is aborted. */
export async function repeat(options: {
  readonly everyMs: number;
  readonly sleep: Sleep;
  readonly signal: AbortSignal;
  readonly task: () => Promise<void> | void;
}): Promise<void> {
  const { everyMs, sleep, signal, task } = options;
  try {
    while (!signal.aborted) {
      await sleep(everyMs, signal);
      await task();
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** Settles as `work`; rejects with the reason of `signal` as soon as that is aborted: for work that does not listen to signals. */
export function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

export interface Deadline {
  /** Aborted with the deadline's `reason` when the time is over, or with that of the outer signal. */
  readonly signal: AbortSignal;
  /** `untilAborted` with this signal. */
  race<T>(work: Promise<T>): Promise<T>;
  /** Ends the timer. */
  clear(): void;
}

/** `reason` is best made once: one that is made for each deadline costs a stack trace each time. */
export function deadlineAfter(ms: number, outer: AbortSignal, reason: Error): Deadline {
  const controller = new AbortController();
  const { signal } = controller;
  const timer = setTimeout(() => controller.abort(reason), ms);
  const end = () => controller.abort(outer.reason);
  outer.addEventListener('abort', end, { once: true });
  if (outer.aborted) end();
  return {
    signal,
    race: work => untilAborted(work, signal),
    clear(): void {
      clearTimeout(timer);
      outer.removeEventListener('abort', end);
    },
  };
}

export interface BackoffOptions {
  readonly firstMs: number;
  readonly maxMs: number;
  /** The part of each wait that is up to chance, at most 1; a half if it is not given. */
  readonly jitter?: number;
  /** At least 0, less than 1. */
  readonly random?: () => number;
}

/**
 * Waits that double from `firstMs` to `maxMs`, each less by up to `jitter` of it at random, so that those who failed together do
 * not come back together.
 */
export class Backoff {
  readonly #options: BackoffOptions;
  #nextMs: number;

  constructor(options: BackoffOptions) {
    this.#options = options;
    this.#nextMs = options.firstMs;
  }

  /** Milliseconds to wait now. */
  next(): number {
    const { maxMs, jitter = 0.5, random = Math.random } = this.#options;
    const ms = Math.min(this.#nextMs, maxMs);
    this.#nextMs = 2 * ms;
    return ms * (1 - jitter * random());
  }

  /** The next wait is a first one. */
  reset(): void {
    this.#nextMs = this.#options.firstMs;
  }
}

export type BreakerState = 'closed' | 'open' | 'half_open';

/** `unknown`: the call was ended early, which tells nothing of who was called. */
export type CallOutcome = 'succeeded' | 'failed' | 'unknown';

export interface BreakerOptions {
  /** Failures in a row that open the circuit. */
  readonly failures: number;
  /** After this time one call is let through: its success closes the circuit. */
  readonly halfOpenAfterMs: number;
  readonly now: Clock;
  readonly onState: (state: BreakerState) => void;
}

/** Keeps calls from somebody who fails. Becomes half open when the first call after the wait asks, not before. */
export class Breaker {
  readonly #options: BreakerOptions;
  #state: BreakerState = 'closed';
  #failuresInARow = 0;
  #openedAtMs = 0;
  /** Calls that were admitted in another period tell nothing about this one. */
  #period = 0;

  constructor(options: BreakerOptions) {
    this.#options = options;
  }

  get state(): BreakerState {
    return this.#state;
  }

  /** undefined: the call may not be made. Otherwise to be called, once, with how the call ended. */
  admit(): ((outcome: CallOutcome) => void) | undefined {
    const { halfOpenAfterMs, now } = this.#options;
    if (this.#state === 'half_open') return undefined;
    if (this.#state === 'open') {
      if (now() - this.#openedAtMs < halfOpenAfterMs) return undefined;
      this.#become('half_open');
    }
    const period = this.#period;
    let isOver = false;
    return outcome => {
      if (isOver || period !== this.#period) return;
      isOver = true;
      this.#ended(outcome);
    };
  }

  #ended(outcome: CallOutcome): void {
    const isProbe = this.#state === 'half_open';
    if (outcome === 'succeeded') {
      this.#failuresInARow = 0;
      if (isProbe) this.#become('closed');
    } else if (isProbe || (outcome === 'failed' && ++this.#failuresInARow >= this.#options.failures)) {
      this.#failuresInARow = 0;
      // Also after a probe that tells nothing: most often its caller lost patience with somebody who hangs.
      this.#openedAtMs = this.#options.now();
      this.#become('open');
    }
  }

  #become(state: BreakerState): void {
    this.#state = state;
    this.#period++;
    this.#options.onState(state);
  }
}
