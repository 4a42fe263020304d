import { Slots } from '../../slots.ts';
import { deadlineAfter } from '../../time.ts';

/** The work was not done in time, or earlier work still keeps the threads. */
export class TooSlow extends Error {
  override readonly name = 'TooSlow';
}

const TOO_SLOW = new TooSlow('too slow');
/**
 * Work at a time, and work that was abandoned but has not ended: each has one of libuv's threads, of which there are four by
 * default, and host names are resolved on the same.
 */
const MAX_AT_ONCE = 2;
const MAX_ABANDONED = 2;

/** Work on files that may be on a mount that does not answer. */
export class FileWork {
  readonly #slots = new Slots(MAX_AT_ONCE);
  readonly #timeoutMs: number;
  #abandoned = 0;

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /** As `work`; rejects with TooSlow, or with the reason of `signal` when that is aborted. */
  run<T>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return this.#slots.run(signal, async () => {
      if (this.#abandoned >= MAX_ABANDONED) throw TOO_SLOW;
      const deadline = deadlineAfter(this.#timeoutMs, signal, TOO_SLOW);
      let isOver = false;
      const working = work(deadline.signal).finally(() => {
        isOver = true;
      });
      try {
        return await deadline.race(working);
      } catch (error) {
        if (!isOver) {
          this.#abandoned++;
          void working.catch(() => {}).then(() => this.#abandoned--);
        }
        throw error;
      } finally {
        deadline.clear();
      }
    });
  }
}
