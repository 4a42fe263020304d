import type { Sleep } from '../time.ts';

/** Does one thing later, unless it is cancelled, or everything ends before. */
export class Alarm {
  readonly #sleep: Sleep;
  readonly #ending: AbortSignal;
  #scheduled: AbortController | undefined;
  #settled: Promise<void> = Promise.resolve();

  /** @param ending cancels whatever is scheduled */
  constructor(sleep: Sleep, ending: AbortSignal) {
    this.#sleep = sleep;
    this.#ending = ending;
  }

  get isScheduled(): boolean {
    return this.#scheduled !== undefined;
  }

  /** Cancels what was scheduled before. */
  schedule(ms: number, fire: () => void): void {
    this.cancel();
    const scheduled = new AbortController();
    this.#scheduled = scheduled;
    this.#settled = Promise.all([this.#settled, this.#fireAfter(ms, scheduled, fire)]).then(() => {});
  }

  cancel(): void {
    this.#scheduled?.abort();
    this.#scheduled = undefined;
  }

  /** Resolves when no timer is left, once all is cancelled. */
  settled(): Promise<void> {
    return this.#settled;
  }

  async #fireAfter(ms: number, scheduled: AbortController, fire: () => void): Promise<void> {
    const signal = AbortSignal.any([scheduled.signal, this.#ending]);
    try {
      await this.#sleep(ms, signal);
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
    if (this.#scheduled !== scheduled || this.#ending.aborted) return;
    this.#scheduled = undefined;
    fire();
  }
}
