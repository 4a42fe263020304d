import type { Sleep } from '../time.ts';

/** Does one thing later, unless it is called off, or everything ends before. */
export class Alarm {
  readonly #sleep: Sleep;
  readonly #ending: AbortSignal;
  #set: AbortController | undefined;
  #settled: Promise<void> = Promise.resolve();

  /** @param ending calls off whatever is set */
  constructor(sleep: Sleep, ending: AbortSignal) {
    this.#sleep = sleep;
    this.#ending = ending;
  }

  get isSet(): boolean {
    return this.#set !== undefined;
  }

  /** Calls off what was set before. */
  set(ms: number, ring: () => void): void {
    this.callOff();
    const set = new AbortController();
    this.#set = set;
    this.#settled = Promise.all([this.#settled, this.#ringAfter(ms, set, ring)]).then(() => {});
  }

  callOff(): void {
    this.#set?.abort();
    this.#set = undefined;
  }

  /** Resolves when no timer is left, once all is called off. */
  settled(): Promise<void> {
    return this.#settled;
  }

  async #ringAfter(ms: number, set: AbortController, ring: () => void): Promise<void> {
    const signal = AbortSignal.any([set.signal, this.#ending]);
    try {
      await this.#sleep(ms, signal);
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
    if (this.#set !== set || this.#ending.aborted) return;
    this.#set = undefined;
    ring();
  }
}
