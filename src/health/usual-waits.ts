/** How long requests of a kind wait for the beginning of their answer, and which waits are out of the ordinary. */

/** The first answers say little about the others. */
const FEW = 8;
/** How much one wait counts in the mean. */
const WEIGHT = 0.05;
const LONG_FACTOR = 8;
const SHORT_FACTOR = 1 / 8;
const LONG_AT_LEAST_MS = 2_000;
/** Where answers come sooner than this anyway, how soon says nothing: a busy machine makes as much difference. */
const USUAL_AT_LEAST_MS = 50;
/** There are some dozens of paths. */
const MAX_KINDS = 256;

export class UsualWaits {
  readonly #kinds = new Map<string, { count: number; meanMs: number }>();

  waited(kind: string, ms: number): void {
    let known = this.#kinds.get(kind);
    if (known === undefined) {
      if (this.#kinds.size === MAX_KINDS) return;
      known = { count: 0, meanMs: ms };
      this.#kinds.set(kind, known);
    }
    known.count++;
    known.meanMs += Math.max(WEIGHT, 1 / known.count) * (ms - known.meanMs);
  }

  /** Far shorter than others of this kind wait, as where there is an error at once; false while too little is known of those. */
  isShort(kind: string, ms: number): boolean {
    const known = this.#kinds.get(kind);
    if (known === undefined || known.count < FEW || known.meanMs < USUAL_AT_LEAST_MS) return false;
    return ms < SHORT_FACTOR * known.meanMs;
  }

  /** Far longer than others of this kind; false while too little is known of those. */
  isLong(kind: string, ms: number): boolean {
    const known = this.#kinds.get(kind);
    if (known === undefined || known.count < FEW) return false;
    return ms >= Math.max(LONG_AT_LEAST_MS, LONG_FACTOR * known.meanMs);
  }
}
