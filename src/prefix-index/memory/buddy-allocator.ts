/**
 * Pieces of 4, 8, 16 … 32-bit words in one array: what is variable in size about runs and holders. A piece is its place in
 * the array, never 0.
 *
 * Buddies (Knuth, "The Art of Computer Programming", vol. 1, 2.5): a piece of 2^k words starts at a multiple of 2^k. Halving
 * it makes two buddies, and when both are free again, they are one piece. Free pieces hang in one list per size, through their
 * own first words.
 */

/** Of the smallest piece: the power of two in its words. */
const SMALLEST = 2;
const SIZES = 32;
const NEXT = 0;
const PREVIOUS = 1;

export class BuddyAllocator {
  readonly words: Uint32Array;
  readonly #free = new Uint32Array(SIZES);
  /** By smallest piece: the power of the free piece that begins there, 0 if none does. */
  readonly #freePower: Uint8Array;
  /** Words from here on have never been used. */
  #frontier = 1 << SMALLEST;
  #used = 0;

  /** @param capacity words */
  constructor(capacity: number) {
    this.words = new Uint32Array(capacity);
    this.#freePower = new Uint8Array((capacity >>> SMALLEST) + 1);
  }

  /** Bytes in pieces that are in use. */
  get bytes(): number {
    return (4 + 1 / (1 << SMALLEST)) * this.#used;
  }

  /** A piece of at least `1 << power` words, all 0. */
  allocate(power: number): number {
    const wanted = Math.max(power, SMALLEST);
    let found = wanted;
    while (found < SIZES && this.#free[found] === 0) found++;
    const piece = found < SIZES ? this.#halve(found, wanted) : this.#takeUnused(wanted);
    this.#used += 1 << wanted;
    return piece;
  }

  /** Gives back a piece that was allocated with this power. */
  free(piece: number, power: number): void {
    let size = Math.max(power, SMALLEST);
    this.#used -= 1 << size;
    let first = piece;
    for (; ; size++) {
      const buddy = first ^ (1 << size);
      if (buddy >= this.#frontier || this.#freePower[buddy >>> SMALLEST] !== size) break;
      this.#unlink(buddy, size);
      first = Math.min(first, buddy);
    }
    this.#link(first, size);
  }

  /** Takes a free piece, and makes its upper halves free until it is as small as wanted. */
  #halve(power: number, wanted: number): number {
    const piece = this.#free[power]!;
    this.#unlink(piece, power);
    for (let half = power - 1; half >= wanted; half--) this.#link(piece + (1 << half), half);
    this.words.fill(0, piece, piece + (1 << wanted));
    return piece;
  }

  /** What lies before the next multiple of the size becomes free. */
  #takeUnused(power: number): number {
    const size = 1 << power;
    const piece = Math.ceil(this.#frontier / size) * size;
    if (piece + size > this.words.length) throw new Error('the index has no room for its sets');
    while (this.#frontier < piece) {
      const gap = 31 - Math.clz32(this.#frontier & -this.#frontier);
      this.#link(this.#frontier, gap);
      this.#frontier += 1 << gap;
    }
    this.#frontier += size;
    return piece;
  }

  #link(piece: number, power: number): void {
    const { words } = this;
    const next = this.#free[power]!;
    words[piece + NEXT] = next;
    words[piece + PREVIOUS] = 0;
    if (next !== 0) words[next + PREVIOUS] = piece;
    this.#free[power] = piece;
    this.#freePower[piece >>> SMALLEST] = power;
  }

  #unlink(piece: number, power: number): void {
    const { words } = this;
    const next = words[piece + NEXT]!;
    const previous = words[piece + PREVIOUS]!;
    if (previous === 0) this.#free[power] = next;
    else words[previous + NEXT] = next;
    if (next !== 0) words[next + PREVIOUS] = previous;
    this.#freePower[piece >>> SMALLEST] = 0;
  }
}
