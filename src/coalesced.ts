import type { Clock, Sleep } from './time.ts';

export interface CoalescedOptions {
  readonly everyMs: number;
  readonly now: Clock;
  readonly sleep: Sleep;
  /** Once it is aborted `task` is not called again, and nothing waits. */
  readonly signal: AbortSignal;
  /** Must not throw. */
  readonly task: () => void;
}

/** Returns what asks for `task`: it runs at once if it has not run for `everyMs`, else once when that is over. */
export function coalesced({ everyMs, now, sleep, signal, task }: CoalescedOptions): () => void {
  let lastMs = Number.NEGATIVE_INFINITY;
  let isWaiting = false;

  function run(): void {
    if (signal.aborted) return;
    lastMs = now();
    task();
  }

  return () => {
    if (isWaiting || signal.aborted) return;
    const waitMs = lastMs + everyMs - now();
    if (waitMs <= 0) {
      run();
      return;
    }
    isWaiting = true;
    sleep(waitMs, signal).then(
      () => {
        isWaiting = false;
        run();
      },
      // Aborted.
      () => {},
    );
  };
}
