/**
 * Run records: 16 words each, one cache line, so that a look-up reads one line per run.
 */

export const RUN_SHIFT = 4;

/** Our hashes of its first and its last block. */
export const FIRST = 0;
export const LAST = 2;
/** The first block's position; those of a run are consecutive. */
export const OFFSET = 4;
/** Blocks. */
export const LENGTH = 5;
/** Runs that lie right before and behind it and are of the same chain; 0 for none. */
export const PREVIOUS = 6;
export const NEXT = 7;
/** Position of the block before the first one, as of when that was last stored: where it is now is not known. 0 for none. */
export const PARENT = 8;
/** When it was last touched; see `lru-list.ts`. */
export const TOUCHED = 9;
/** Who holds all of its blocks; see `holder-sets.ts`. */
export const HOLDERS = 10;

export class Runs {
  readonly records: Uint32Array;
  #free = 0;
  #frontier = 1;
  #size = 0;

  constructor(capacity: number) {
    this.records = new Uint32Array((capacity + 1) << RUN_SHIFT);
  }

  get size(): number {
    return this.#size;
  }

  get bytes(): number {
    return 4 * (this.#size << RUN_SHIFT);
  }

  /** A record of zeros. */
  create(): number {
    this.#size++;
    const run = this.#free;
    if (run === 0) return this.#frontier++;
    this.#free = this.records[(run << RUN_SHIFT) + FIRST]!;
    this.records[(run << RUN_SHIFT) + FIRST] = 0;
    return run;
  }

  free(run: number): void {
    const at = run << RUN_SHIFT;
    this.records.fill(0, at, at + (1 << RUN_SHIFT));
    this.records[at + FIRST] = this.#free;
    this.#free = run;
    this.#size--;
  }
}
