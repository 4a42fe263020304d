import { setTimeout } from 'node:timers/promises';

/** Waits `ms`; rejects at once when `signal` is aborted. */
export type Sleep = (ms: number, signal: AbortSignal) => Promise<void>;

export const realSleep: Sleep = (ms, signal) => setTimeout(ms, undefined, { signal });

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
