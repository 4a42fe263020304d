import type { Clock, Sleep } from '../time.ts';

export interface SilenceLimit {
  /** Aborted when the time is over, and when the outer signal is. */
  readonly signal: AbortSignal;
  /** The time was over. */
  readonly isOver: boolean;
  /** From now on `ms` may pass. Cheap: the timer goes on and looks again when it ends; so less than before counts only from then on. */
  allow(ms: number): void;
  /** Ends the timer. */
  clear(): void;
}

/** Bounds how long somebody may say nothing, at first `ms`. */
export function silenceLimit(options: {
  readonly ms: number;
  readonly now: Clock;
  readonly sleep: Sleep;
  readonly outer: AbortSignal;
}): SilenceLimit {
  const { ms, now, sleep, outer } = options;
  const silent = new AbortController();
  const cleared = new AbortController();
  const waiting = AbortSignal.any([outer, cleared.signal]);
  let untilMs = now() + ms;

  async function wait(): Promise<void> {
    for (let leftMs = ms; leftMs > 0; leftMs = untilMs - now()) await sleep(leftMs, waiting);
    silent.abort();
  }

  // Rejects when it is cleared.
  wait().catch(() => {});
  return {
    signal: AbortSignal.any([outer, silent.signal]),
    get isOver() {
      return silent.signal.aborted;
    },
    allow(ms) {
      untilMs = now() + ms;
    },
    clear: () => cleared.abort(),
  };
}
