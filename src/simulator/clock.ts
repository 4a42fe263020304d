/** Time as the simulated engine sees it. Tests and simulations inject their own. */
import { setImmediate, setTimeout } from 'node:timers/promises';

export interface Clock {
  /** Milliseconds since the epoch, fractions allowed. */
  now(): number;
  /** Settles after `ms`, or earlier (resolved or rejected) when `signal` aborts. 0 or less still yields to I/O. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  sleep: async (ms, signal) => {
    const options = signal === undefined ? {} : { signal };
    await (ms > 0 ? setTimeout(ms, undefined, options) : setImmediate(undefined, options));
  },
};

/** Waits, and does not tell an elapsed sleep from an aborted one: the caller looks at its own state afterwards. */
export async function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await clock.sleep(ms, signal).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}
