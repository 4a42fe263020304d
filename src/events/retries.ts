import { Backoff, type Clock, type Sleep } from '../time.ts';
import { Alarm } from './alarm.ts';
import { mayBeRetried, type PublisherRules, type PublisherState } from './stream/stream.ts';

export interface RetriesOptions {
  readonly rules: PublisherRules<Uint8Array>;
  readonly firstMs: number;
  readonly maxMs: number;
  /** Monotonic. */
  readonly now: Clock;
  readonly sleep: Sleep;
  readonly stopping: AbortSignal;
  readonly onRetry: () => void;
}

/** Sees to it that a cold state is tried to be mended. The waits grow until a try was good for as long as the longest of them. */
export class Retries {
  readonly #options: RetriesOptions;
  readonly #alarm: Alarm;
  readonly #backoff: Backoff;
  #triedAt = Number.NEGATIVE_INFINITY;

  constructor(options: RetriesOptions) {
    this.#options = options;
    this.#alarm = new Alarm(options.sleep, options.stopping);
    this.#backoff = new Backoff(options);
  }

  see(state: PublisherState<Uint8Array>): void {
    const { rules, now, maxMs, onRetry } = this.#options;
    if (state.kind === 'live') this.#alarm.cancel();
    if (this.#alarm.isScheduled || !mayBeRetried(state, rules)) return;
    if (now() - this.#triedAt >= maxMs) this.#backoff.reset();
    this.#alarm.schedule(this.#backoff.next(), () => {
      this.#triedAt = now();
      onRetry();
    });
  }

  /** Resolves when no timer is left, once all is stopped. */
  settled(): Promise<void> {
    return this.#alarm.settled();
  }
}
