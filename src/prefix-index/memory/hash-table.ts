/**
 * A set of references, each found by a 64-bit hash that lies outside of the table: reference `r` has the hash
 * `(lanes[r << shift], lanes[(r << shift) + 1])`. Several references may have equal hashes.
 *
 *   bucket b            ┌────────┬────────┬────────┬─ … ─┬────────┐
 *   (a cache line)      │ header │ tag, r │ tag, r │     │        │   16 words
 *                       └────────┴────────┴────────┴─ … ─┴────────┘
 *                         how many there are, and where the overflow is: another bucket
 *
 * Linear hashing (Litwin, "Linear hashing: a new tool for file and table addressing", 1980): buckets split one after the
 * other, each into itself and a new one at the end, so that the table grows in steps of some ten references, without a pause
 * and without a copy. A reference takes 5.5 to 11.5 bytes: the fuller the buckets are that have not split yet, the fewer. Its array
 * is as large as it may ever get; what was not reached is not backed by memory.
 *
 * A slot has 6 bits of its reference's hash. They tell most references in a bucket apart without reading their hashes, and
 * they are the bits by which the bucket will split next, so that a split need not read them either. Every fourth time a bucket
 * splits, its tags have been used up to half and are rebuilt from the hashes.
 */

import { BUCKET_SHIFT, BucketRows, COUNT_BITS, MOST_SLOTS_IN_A_ROW, SLOTS } from './bucket-rows.ts';

const REFERENCE_BITS = 26;
const REFERENCE = (1 << REFERENCE_BITS) - 1;
const TAG = 0x3f;
/** Levels between two makings of tags. */
const LEVELS_A_TAG = 4;
/** There are `2 ** FIRST_LEVEL` buckets at the start. */
const FIRST_LEVEL = 6;
/** References in a bucket, on average. */
const LOAD = 11.3;
const SPREAD = 2;
/** References whose buckets are read before the first of them is put in, so that the memory's answers come together. */
const AT_ONCE = 128;

/** One above the largest reference. 0 is none. */
export const MAX_REFERENCES = 1 << REFERENCE_BITS;

export interface HashTableOptions {
  readonly lanes: Uint32Array;
  readonly shift: number;
  /** Most references at one time. */
  readonly capacity: number;
  /** Any 32-bit number that those who choose the hashes do not know. */
  readonly seed: number;
}

export class HashTable {
  readonly #lanes: Uint32Array;
  readonly #shift: number;
  readonly #seed: number;
  readonly #rows: BucketRows;
  readonly #words: Uint32Array;
  /** Of a row that splits: what has no room in the two buckets, after the bucket whose row it belongs to. */
  readonly #spilled = new Uint32Array(2 * MOST_SLOTS_IN_A_ROW);
  readonly #maxBuckets: number;
  /** There are `2 ** level + split` buckets: the first `split` of them, and their twins, go by one more bit of the hash. */
  #level = FIRST_LEVEL;
  #split = 0;
  #size = 0;
  // Where `next` goes on.
  #hi = 0;
  #lo = 0;
  #tag = 0;
  #bucket = 0;
  #slot = 0;
  /** Where each of those goes that are put in together, and what. */
  readonly #buckets = new Uint32Array(AT_ONCE);
  readonly #puts = new Uint32Array(AT_ONCE);
  /** Of all that was prefetched, so that no compiler leaves the reading out. */
  readonly #sum = new Uint32Array(1);

  constructor({ lanes, shift, capacity, seed }: HashTableOptions) {
    this.#lanes = lanes;
    this.#shift = shift;
    this.#seed = seed;
    this.#maxBuckets = Math.max(1 << FIRST_LEVEL, Math.ceil(capacity / LOAD) + 1);
    this.#rows = new BucketRows(this.#maxBuckets);
    this.#words = this.#rows.words;
  }

  get size(): number {
    return this.#size;
  }

  /** Bytes of memory in use. */
  get bytes(): number {
    const buckets = (1 << this.#level) + this.#split + this.#rows.overflowBuckets;
    return buckets << (BUCKET_SHIFT + 2);
  }

  /** A reference with this hash, or 0. `next` gives further ones. */
  find(hi: number, lo: number): number {
    const mixed = mix(hi, lo, this.#seed);
    const bucket = this.#bucketOf(mixed);
    this.#hi = hi;
    this.#lo = lo;
    this.#bucket = bucket;
    this.#tag = this.#tagOf(mixed, bucket);
    this.#slot = 1;
    return this.next();
  }

  /** As long as the table is not changed. */
  next(): number {
    const words = this.#words;
    const lanes = this.#lanes;
    const tag = this.#tag;
    let bucket = this.#bucket;
    let slot = this.#slot;
    for (;;) {
      const at = bucket << BUCKET_SHIFT;
      const header = words[at]!;
      for (const count = header & SLOTS; slot <= count; slot++) {
        const word = words[at + slot]!;
        if (word >>> REFERENCE_BITS !== tag) continue;
        const reference = word & REFERENCE;
        const lane = reference << this.#shift;
        if (lanes[lane] !== this.#hi || lanes[lane + 1] !== this.#lo) continue;
        this.#bucket = bucket;
        this.#slot = slot + 1;
        return reference;
      }
      if (header >>> COUNT_BITS === 0) return 0;
      bucket = header >>> COUNT_BITS;
      slot = 1;
    }
  }

  /** Puts in `count` references that are not in it, from `first` on. Returns how many, from the first on, had room. */
  insertAll(first: number, count: number): number {
    for (let done = 0; done < count; ) {
      const some = Math.min(count - done, AT_ONCE);
      this.#grow(this.#size + some);
      const put = this.#putSome(first + done, some);
      this.#size += put;
      done += put;
      if (put < some) return done;
    }
    return count;
  }

  /** false: there is no room, as too many references have this very hash. */
  insert(reference: number): boolean {
    return this.insertAll(reference, 1) === 1;
  }

  /** Reads what look-ups by these hashes, two lanes each, will read first, so that the memory's answers come together. */
  prefetch(hashes: Uint32Array, from: number, count: number): void {
    let read = 0;
    for (let i = 2 * from; i < 2 * (from + count); i += 2) {
      read += this.#words[this.#bucketOf(mix(hashes[i]!, hashes[i + 1]!, this.#seed)) << BUCKET_SHIFT]!;
    }
    this.#sum[0] = read;
  }

  /** Takes one out, by the hash that it still has. Nothing happens if it is not there. */
  delete(reference: number): void {
    const words = this.#words;
    const lane = reference << this.#shift;
    const mixed = mix(this.#lanes[lane]!, this.#lanes[lane + 1]!, this.#seed);
    const first = this.#bucketOf(mixed);
    const wanted = reference | (this.#tagOf(mixed, first) << REFERENCE_BITS);
    let found = 0;
    let before = 0;
    let bucket = first;
    for (;;) {
      const at = bucket << BUCKET_SHIFT;
      const count = words[at]! & SLOTS;
      for (let i = at + 1; found === 0 && i <= at + count; i++) if ((words[i]! ^ wanted) === 0) found = i;
      if (words[at]! >>> COUNT_BITS === 0) break;
      before = bucket;
      bucket = words[at]! >>> COUNT_BITS;
    }
    if (found === 0) return;
    // The last one of the row takes its place.
    const at = bucket << BUCKET_SHIFT;
    words[found] = words[at + (words[at]! & SLOTS)]!;
    words[at]!--;
    this.#size--;
    if ((words[at]! & SLOTS) > 0 || bucket === first) return;
    words[before << BUCKET_SHIFT]! &= SLOTS;
    this.#rows.release(bucket);
  }

  /** Calls back with every reference, in no particular order. */
  forEach(callback: (reference: number) => void): void {
    for (let home = 0; home < (1 << this.#level) + this.#split; home++) {
      this.#rows.forEach(home, word => callback(word & REFERENCE));
    }
  }

  /** In three passes, so that the memory's answers come together. */
  #putSome(first: number, count: number): number {
    const words = this.#words;
    const lanes = this.#lanes;
    const buckets = this.#buckets;
    const put = this.#puts;
    const shift = this.#shift;
    const seed = this.#seed;
    const level = this.#level;
    const split = this.#split;
    const bit = 1 << level;
    for (let i = 0; i < count; i++) {
      const lane = (first + i) << shift;
      const mixed = mix(lanes[lane]!, lanes[lane + 1]!, seed);
      const low = mixed & (bit - 1);
      // -1 for a bucket that has split. No branch: it could not be foreseen.
      const hasSplit = (low - split) >> 31;
      buckets[i] = (low | (mixed & bit & hasSplit)) << BUCKET_SHIFT;
      put[i] = (first + i) | (((mixed >>> ((level - hasSplit) & -LEVELS_A_TAG)) & TAG) << REFERENCE_BITS);
    }
    let read = 0;
    for (let i = 0; i < count; i++) read += words[buckets[i]!]!;
    for (let i = 0; i < count; i++) read += words[(words[buckets[i]!]! >>> COUNT_BITS) << BUCKET_SHIFT]!;
    this.#sum[0] = read;
    for (let i = 0; i < count; i++) {
      const at = buckets[i]!;
      const header = words[at]!;
      if ((header & SLOTS) < SLOTS) {
        words[at + (header & SLOTS) + 1] = put[i]!;
        words[at] = header + 1;
      } else if (!this.#rows.append(at >>> BUCKET_SHIFT, put[i]!)) return i;
    }
    return count;
  }

  #bucketOf(mixed: number): number {
    const bucket = mixed & ((1 << this.#level) - 1);
    return bucket < this.#split ? mixed & ((2 << this.#level) - 1) : bucket;
  }

  /** 6 bits of the hash, of which some more are used up the more often the bucket has split. */
  #tagOf(mixed: number, bucket: number): number {
    const level = bucket < this.#split || bucket >= 1 << this.#level ? this.#level + 1 : this.#level;
    return (mixed >>> (level & -LEVELS_A_TAG)) & TAG;
  }

  /** Splits as many buckets as so many references take. */
  #grow(size: number): void {
    for (;;) {
      const full = 1 << this.#level;
      const wanted = Math.min(full, Math.ceil((size - LOAD * full) / SPREAD), this.#maxBuckets - full);
      if (wanted <= this.#split) return;
      const buckets = Math.min(wanted - this.#split, AT_ONCE);
      this.#splitSome(buckets);
      this.#split += buckets;
      if (this.#split < full) continue;
      this.#level++;
      this.#split = 0;
    }
  }

  /** The next buckets that have not split. What their splits will read is read first, so that the memory's answers come together. */
  #splitSome(count: number): void {
    const words = this.#words;
    const lanes = this.#lanes;
    const shift = this.#shift;
    const level = this.#level;
    const retags = ((level + 1) & (LEVELS_A_TAG - 1)) === 0;
    const first = this.#split;
    let read = 0;
    for (let bucket = first; bucket < first + count; bucket++) {
      const at = bucket << BUCKET_SHIFT;
      const header = words[at]!;
      read += words[(header >>> COUNT_BITS) << BUCKET_SHIFT]!;
      if (!retags) continue;
      for (let i = at + 1; i <= at + (header & SLOTS); i++) read += lanes[(words[i]! & REFERENCE) << shift]!;
    }
    this.#sum[0] = read;
    for (let bucket = first; bucket < first + count; bucket++) this.#splitRow(bucket, retags);
  }

  #splitRow(home: number, retags: boolean): void {
    const words = this.#words;
    const spilled = this.#spilled;
    const level = this.#level;
    const near = home << BUCKET_SHIFT;
    const farther = 1 << (level + BUCKET_SHIFT);
    const bit = REFERENCE_BITS + (level & (LEVELS_A_TAG - 1));
    // Two counts in one number, and no branch: to which side a reference goes cannot be foreseen.
    let counts = 0;
    let spills = 0;
    let bucket = home;
    do {
      const at = bucket << BUCKET_SHIFT;
      const header = words[at]!;
      for (let i = at + 1; i <= at + (header & SLOTS); i++) {
        const word = words[i]!;
        const side = (word >>> bit) & 1;
        const put = retags ? this.#retagged(word, level + 1) : word;
        counts += 1 << (side << 4);
        const count = (counts >>> (side << 4)) & 0xffff;
        if (count <= SLOTS) words[near + (farther & -side) + count] = put;
        else {
          spilled[spills++] = home + (side << level);
          spilled[spills++] = put;
        }
      }
      if (bucket !== home) this.#rows.release(bucket);
      bucket = header >>> COUNT_BITS;
    } while (bucket !== 0);
    words[near] = Math.min(counts & 0xffff, SLOTS);
    words[near + farther] = Math.min(counts >>> 16, SLOTS);
    for (let i = 0; i < spills; i += 2) this.#rows.append(spilled[i]!, spilled[i + 1]!);
  }

  #retagged(word: number, level: number): number {
    const reference = word & REFERENCE;
    const lane = reference << this.#shift;
    const mixed = mix(this.#lanes[lane]!, this.#lanes[lane + 1]!, this.#seed);
    return reference | (((mixed >>> level) & TAG) << REFERENCE_BITS);
  }
}

/** 32 bits, of which the lower ones choose the bucket. */
function mix(hi: number, lo: number, seed: number): number {
  let mixed = Math.imul(lo ^ seed, 0x9e3779b1) ^ hi;
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
