import type { Clock } from '../time.ts';

/** How far we are behind a publisher, by the times that its batches were made at. */
export class Lag {
  readonly #now: Clock;
  readonly #wallClock: Clock;
  readonly #maxBehindMs: number;
  #seconds: number | undefined;
  /** From the engine's wall clock to our monotonic one: only its changes mean something. */
  #offsetMs: number | undefined;
  /** Of a message that had not waited: two clocks' difference, and the way. */
  #offsetWhenCaughtUpMs: number | undefined;

  /** @param now monotonic */
  constructor(options: { readonly now: Clock; readonly wallClock: Clock; readonly maxBehindMs: number }) {
    this.#now = options.now;
    this.#wallClock = options.wallClock;
    this.#maxBehindMs = options.maxBehindMs;
  }

  /** From the engine's clock to ours, of the last live batch; undefined before. */
  get seconds(): number | undefined {
    return this.#seconds;
  }

  /** @param at seconds, the engine's wall clock. Returns `seconds`. */
  applied(at: number): number {
    this.#seconds = this.#wallClock() / 1_000 - at;
    this.#offsetMs = this.#now() - at * 1_000;
    return this.#seconds;
  }

  /**
   * Whether we are too far behind.
   * @param waited whether the message that has just been received lay in our queue: if not, we are not behind
   */
  isTooLarge(waited: boolean): boolean {
    const offset = this.#offsetMs;
    if (offset === undefined) return false;
    if (waited && this.#offsetWhenCaughtUpMs !== undefined)
      return offset - this.#offsetWhenCaughtUpMs > this.#maxBehindMs;
    this.#offsetWhenCaughtUpMs = offset;
    return false;
  }
}
