import type { Sleep } from '../../src/time.ts';
import { Inbox } from './inbox.ts';

/** A clock that is moved by hand, and sleeps that end when it is. */
export class HandClock {
  #now: number;
  readonly #sleepers = new Set<{ readonly until: number; readonly wake: () => void }>();
  /** How long each sleep was to last. */
  readonly sleeps = new Inbox<number>();

  constructor(now = 0) {
    this.#now = now;
  }

  readonly now = (): number => this.#now;

  readonly sleep: Sleep = (ms, signal) => {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const sleeper = {
        until: this.#now + ms,
        wake: () => {
          this.#sleepers.delete(sleeper);
          signal.removeEventListener('abort', evict);
          resolve();
        },
      };
      const evict = () => {
        this.#sleepers.delete(sleeper);
        reject(signal.reason);
      };
      signal.addEventListener('abort', evict, { once: true });
      this.#sleepers.add(sleeper);
      this.sleeps.push(ms);
    });
  };

  /** Sleeps that have not ended. */
  get sleeping(): number {
    return this.#sleepers.size;
  }

  advance(ms: number): void {
    this.#now += ms;
    for (const sleeper of [...this.#sleepers]) if (sleeper.until <= this.#now) sleeper.wake();
  }

  /** Lets the sleep end that is under way, or about to be; milliseconds that it lasted. */
  async passNext(): Promise<number> {
    const ms = await this.sleeps.next();
    this.advance(ms);
    return ms;
  }
}
