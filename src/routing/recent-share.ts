/** How many of the last ones are counted. */
const WINDOW = 50;
/** More than this share is too much. */
const EXCEEDED = 0.2;
/** Not more than this share is fine again: between the two nothing is said, so that a share at the border says it once. */
const FINE = 0.1;

/** The share of hits among the last 50 observations, and when it becomes too much. */
export class RecentShare {
  readonly #last = new Uint8Array(WINDOW);
  #seen = 0;
  #hits = 0;
  #isExceeded = false;

  /** Hits in the window. */
  get hits(): number {
    return this.#hits;
  }

  /** Observations in the window. */
  get size(): number {
    return Math.min(this.#seen, WINDOW);
  }

  get isExceeded(): boolean {
    return this.#isExceeded;
  }

  /** As if nothing had been observed. */
  clear(): void {
    this.#last.fill(0);
    this.#seen = this.#hits = 0;
    this.#isExceeded = false;
  }

  /** Returns what is new with this observation: the share of a full window is too much, or is fine again. */
  note(isHit: boolean): 'exceeded' | 'fine_again' | undefined {
    const at = this.#seen++ % WINDOW;
    this.#hits += Number(isHit) - this.#last[at]!;
    this.#last[at] = Number(isHit);
    if (this.#seen < WINDOW) return undefined;
    const share = this.#hits / WINDOW;
    const was = this.#isExceeded;
    this.#isExceeded = was ? share > FINE : share > EXCEEDED;
    if (this.#isExceeded === was) return undefined;
    return was ? 'fine_again' : 'exceeded';
  }
}
