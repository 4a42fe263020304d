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

/** Returns what asks for `task`: it runs at once if it has not run for `everyMs`, nor for as long as it took, else once when that is over. */
export function coalesced({ everyMs, now, sleep, signal, task }: CoalescedOptions): () => void {
  let nextMs = Number.NEGATIVE_INFINITY;
  let isWaiting = false;

  function run(): void {
    if (signal.aborted) return;
    const startMs = now();
    task();
    // A task that takes long leaves as much time to others: who asks again and again in one turn would else run it each time.
    const endMs = now();
    nextMs = Math.max(startMs + everyMs, endMs + (endMs - startMs));
  }

  return () => {
    if (isWaiting || signal.aborted) return;
    const waitMs = nextMs - now();
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
