/**
 * Rows of buckets of a cache line each (`hash-table.ts` has the picture). A row is a home bucket and as many overflow buckets, one
 * linked to the next, as it needs: all but the last one are full.
 */

export const BUCKET_SHIFT = 4;
export const SLOTS = (1 << BUCKET_SHIFT) - 1;
/** Of a bucket's header: the rest is the next bucket of the row, 0 for none. */
export const COUNT_BITS = 4;
/** Overflow buckets for each home: there are fewer than a fifth, unless somebody chooses the hashes. */
const OVERFLOW_SHARE = 0.5;
/** Buckets in a row. Only equal hashes fill so many. */
const MOST_IN_A_ROW = 32;
export const MOST_SLOTS_IN_A_ROW = MOST_IN_A_ROW * SLOTS;

export class BucketRows {
  readonly words: Uint32Array;
  readonly #homes: number;
  /** Overflow buckets: the first free one, and how many have ever been used. */
  #freeOverflow = 0;
  #overflowFrontier: number;

  /** @param homes most home buckets at one time */
  constructor(homes: number) {
    this.#homes = homes;
    this.#overflowFrontier = homes;
    const buckets = homes + Math.ceil(homes * OVERFLOW_SHARE) + MOST_IN_A_ROW;
    this.words = new Uint32Array(buckets << BUCKET_SHIFT);
  }

  /** Buckets in use, or free again, that are no homes. */
  get overflowBuckets(): number {
    return this.#overflowFrontier - this.#homes;
  }

  /** false: the row is as long as it may get. */
  append(bucket: number, word: number): boolean {
    const words = this.words;
    let at = bucket << BUCKET_SHIFT;
    let header = words[at]!;
    if ((header & SLOTS) === SLOTS) {
      at = this.#lastInRow(bucket);
      if (at === 0) return false;
      header = words[at]!;
    }
    words[at + (header & SLOTS) + 1] = word;
    words[at] = header + 1;
    return true;
  }

  /** Of the row that begins with a full bucket: the last one, which has room. 0: the row is as long as it may get. */
  #lastInRow(bucket: number): number {
    const words = this.words;
    let at = bucket << BUCKET_SHIFT;
    for (let buckets = 1; (words[at]! & SLOTS) === SLOTS; buckets++) {
      if (words[at]! >>> COUNT_BITS === 0) {
        if (buckets === MOST_IN_A_ROW) return 0;
        const overflow = this.#freeOverflow === 0 ? this.#overflowFrontier : this.#freeOverflow;
        if ((overflow << BUCKET_SHIFT) + SLOTS >= words.length) return 0;
        if (overflow === this.#overflowFrontier) this.#overflowFrontier++;
        else this.#freeOverflow = words[overflow << BUCKET_SHIFT]!;
        words[overflow << BUCKET_SHIFT] = 0;
        words[at]! |= overflow << COUNT_BITS;
      }
      at = (words[at]! >>> COUNT_BITS) << BUCKET_SHIFT;
    }
    return at;
  }

  /** An overflow bucket that no row has any more. */
  release(bucket: number): void {
    this.words[bucket << BUCKET_SHIFT] = this.#freeOverflow;
    this.#freeOverflow = bucket;
  }

  /** Calls back with every word of a row. */
  forEach(home: number, callback: (word: number) => void): void {
    for (let bucket = home; ; ) {
      const at = bucket << BUCKET_SHIFT;
      for (let i = 1; i <= (this.words[at]! & SLOTS); i++) callback(this.words[at + i]!);
      bucket = this.words[at]! >>> COUNT_BITS;
      if (bucket === 0) break;
    }
  }
}
