/**
 * The set of holders of a run, in the last words of its record:
 *
 *   up to 4 holders     in the record itself, ascending
 *   up to 16            in a piece of the heap, ascending
 *   more                as a bitmap in a piece of the heap
 *
 * A hash of each set is kept beside it, so that sets which differ are distinguished at once.
 */

import type { BuddyAllocator } from './memory/buddy-allocator.ts';
import { HOLDERS, RUN_SHIFT } from './runs.ts';

/** Count in the lower bits, above them the power of two in the piece's length. */
const COUNT = HOLDERS;
const COUNT_BITS = 24;
const COUNT_MASK = (1 << COUNT_BITS) - 1;
/** Of all members: `hashOf` each, combined by exclusive or. */
const HASH = HOLDERS + 1;
/** The members themselves, or the piece. */
const MEMBERS = HOLDERS + 2;

const MOST_INLINE = 4;
/** Of a set that is no bitmap. */
export const MOST_LISTED = 16;
const LIST_POWER = 4;
const ALL_BITS = 0xffffffff;

export class HolderSets {
  readonly #records: Uint32Array;
  readonly #heap: BuddyAllocator;

  constructor(records: Uint32Array, heap: BuddyAllocator) {
    this.#records = records;
    this.#heap = heap;
  }

  count(run: number): number {
    return this.#records[(run << RUN_SHIFT) + COUNT]! & COUNT_MASK;
  }

  has(run: number, holder: number): boolean {
    const records = this.#records;
    const at = run << RUN_SHIFT;
    const count = records[at + COUNT]! & COUNT_MASK;
    if (count > MOST_LISTED) {
      const piece = records[at + MEMBERS]!;
      if (holder >>> 5 >= 1 << (records[at + COUNT]! >>> COUNT_BITS)) return false;
      return ((this.#heap.words[piece + (holder >>> 5)]! >>> (holder & 31)) & 1) !== 0;
    }
    const members = count > MOST_INLINE ? this.#heap.words : records;
    const from = count > MOST_INLINE ? records[at + MEMBERS]! : at + MEMBERS;
    for (let i = from; i < from + count; i++) if (members[i] === holder) return true;
    return false;
  }

  /** Adds a holder that is not in it. */
  add(run: number, holder: number): void {
    const records = this.#records;
    const at = run << RUN_SHIFT;
    const count = this.count(run);
    if (count === MOST_INLINE) this.#toList(at);
    else if (count === MOST_LISTED) this.#toBitmap(at, holder);
    records[at + COUNT]!++;
    records[at + HASH]! ^= hashOf(holder);
    if (count >= MOST_LISTED) this.#setBit(at, holder);
    else if (count >= MOST_INLINE) insert(this.#heap.words, records[at + MEMBERS]!, count, holder);
    else insert(records, at + MEMBERS, count, holder);
  }

  /** Takes out a holder that is in it. */
  remove(run: number, holder: number): void {
    const records = this.#records;
    const at = run << RUN_SHIFT;
    const count = this.count(run);
    records[at + COUNT]!--;
    records[at + HASH]! ^= hashOf(holder);
    if (count <= MOST_INLINE) remove(records, at + MEMBERS, count, holder);
    else if (count <= MOST_LISTED) {
      remove(this.#heap.words, records[at + MEMBERS]!, count, holder);
      if (count - 1 === MOST_INLINE) this.#toInline(at);
    } else {
      this.#heap.words[records[at + MEMBERS]! + (holder >>> 5)]! &= ~(1 << (holder & 31));
      if (count - 1 === MOST_LISTED) this.#bitmapToList(at);
    }
  }

  /** Gives a run without holders those of another one. */
  copy(from: number, to: number): void {
    const records = this.#records;
    const source = from << RUN_SHIFT;
    const target = to << RUN_SHIFT;
    records.copyWithin(target + COUNT, source + COUNT, source + MEMBERS + MOST_INLINE);
    if (this.count(from) <= MOST_INLINE) return;
    const power = records[source + COUNT]! >>> COUNT_BITS;
    const piece = this.#heap.allocate(power);
    const original = records[source + MEMBERS]!;
    this.#heap.words.copyWithin(piece, original, original + (1 << power));
    records[target + MEMBERS] = piece;
  }

  clear(run: number): void {
    const at = run << RUN_SHIFT;
    this.#freePiece(at);
    this.#records.fill(0, at + COUNT, at + MEMBERS + MOST_INLINE);
  }

  equal(a: number, b: number): boolean {
    const records = this.#records;
    const hashes = records[(a << RUN_SHIFT) + HASH]! ^ records[(b << RUN_SHIFT) + HASH]!;
    return hashes === 0 && this.count(a) === this.count(b) && this.#contains(a, b);
  }

  /** Whether `a` has the holders of `b` except `holder`, which is in `b`. */
  equalWithout(a: number, b: number, holder: number): boolean {
    const records = this.#records;
    const hashes = records[(a << RUN_SHIFT) + HASH]! ^ records[(b << RUN_SHIFT) + HASH]!;
    if (hashes !== (hashOf(holder) | 0) || this.count(a) !== this.count(b) - 1) return false;
    return this.#contains(b, a) && !this.has(a, holder);
  }

  forEach(run: number, callback: (holder: number) => void): void {
    const records = this.#records;
    const at = run << RUN_SHIFT;
    const count = this.count(run);
    if (count <= MOST_LISTED) {
      const members = count > MOST_INLINE ? this.#heap.words : records;
      const from = count > MOST_INLINE ? records[at + MEMBERS]! : at + MEMBERS;
      for (let i = from; i < from + count; i++) callback(members[i]!);
      return;
    }
    const [piece, words] = this.#bitmap(run);
    const holders = new Uint32Array(count);
    writeBits(this.#heap.words.subarray(piece, piece + words), words, holders, 0);
    for (const holder of holders) callback(holder);
  }

  /** Of a set that is a bitmap: where it is in the heap, and how many words it has; undefined for a smaller one. */
  bitmapOf(run: number): readonly [piece: number, words: number] | undefined {
    return this.count(run) > MOST_LISTED ? this.#bitmap(run) : undefined;
  }

  /** Writes down the holders of a set that is no bitmap, and returns how many. */
  list(run: number, into: Uint32Array): number {
    const at = run << RUN_SHIFT;
    const count = this.count(run);
    const members = count > MOST_INLINE ? this.#heap.words : this.#records;
    const from = count > MOST_INLINE ? this.#records[at + MEMBERS]! : at + MEMBERS;
    for (let i = 0; i < count; i++) into[i] = members[from + i]!;
    return count;
  }

  /** Where it is in the heap, and how many words it has. */
  #bitmap(run: number): [piece: number, words: number] {
    const at = run << RUN_SHIFT;
    return [this.#records[at + MEMBERS]!, 1 << (this.#records[at + COUNT]! >>> COUNT_BITS)];
  }

  /** Whether each holder of `b` is one of `a`. */
  #contains(a: number, b: number): boolean {
    const records = this.#records;
    const { words } = this.#heap;
    const atB = b << RUN_SHIFT;
    if (this.count(b) > MOST_LISTED) {
      const [[pieceA, lengthA], [pieceB, lengthB]] = [this.#bitmap(a), this.#bitmap(b)];
      for (let i = 0; i < lengthB; i++) {
        const missing = i < lengthA ? words[pieceB + i]! & ~words[pieceA + i]! : words[pieceB + i]!;
        if (missing !== 0) return false;
      }
      return true;
    }
    const count = this.count(b);
    const members = count > MOST_INLINE ? words : records;
    const from = count > MOST_INLINE ? records[atB + MEMBERS]! : atB + MEMBERS;
    for (let i = from; i < from + count; i++) if (!this.has(a, members[i]!)) return false;
    return true;
  }

  #toList(at: number): void {
    const records = this.#records;
    const piece = this.#heap.allocate(LIST_POWER);
    for (let i = 0; i < MOST_INLINE; i++) this.#heap.words[piece + i] = records[at + MEMBERS + i]!;
    records[at + COUNT] = MOST_INLINE | (LIST_POWER << COUNT_BITS);
    records[at + MEMBERS] = piece;
  }

  #toInline(at: number): void {
    const records = this.#records;
    const piece = records[at + MEMBERS]!;
    for (let i = 0; i < MOST_INLINE; i++) records[at + MEMBERS + i] = this.#heap.words[piece + i]!;
    this.#heap.free(piece, LIST_POWER);
    records[at + COUNT] = MOST_INLINE;
  }

  /** With room for the largest holder that there will be. */
  #toBitmap(at: number, holder: number): void {
    const records = this.#records;
    const { words } = this.#heap;
    const list = records[at + MEMBERS]!;
    const power = powerFor(Math.max(holder, words[list + MOST_LISTED - 1]!));
    const piece = this.#heap.allocate(power);
    for (let i = 0; i < MOST_LISTED; i++) {
      const member = words[list + i]!;
      words[piece + (member >>> 5)]! |= 1 << (member & 31);
    }
    this.#heap.free(list, LIST_POWER);
    records[at + COUNT] = MOST_LISTED | (power << COUNT_BITS);
    records[at + MEMBERS] = piece;
  }

  #bitmapToList(at: number): void {
    const records = this.#records;
    const { words } = this.#heap;
    const piece = records[at + MEMBERS]!;
    const power = records[at + COUNT]! >>> COUNT_BITS;
    const list = this.#heap.allocate(LIST_POWER);
    writeBits(words.subarray(piece, piece + (1 << power)), 1 << power, words, list);
    this.#heap.free(piece, power);
    records[at + COUNT] = MOST_LISTED | (LIST_POWER << COUNT_BITS);
    records[at + MEMBERS] = list;
  }

  #setBit(at: number, holder: number): void {
    const records = this.#records;
    const { words } = this.#heap;
    const power = records[at + COUNT]! >>> COUNT_BITS;
    const needed = powerFor(holder);
    if (needed > power) {
      const wider = this.#heap.allocate(needed);
      const piece = records[at + MEMBERS]!;
      words.copyWithin(wider, piece, piece + (1 << power));
      this.#heap.free(piece, power);
      records[at + MEMBERS] = wider;
      records[at + COUNT] = (records[at + COUNT]! & COUNT_MASK) | (needed << COUNT_BITS);
    }
    words[records[at + MEMBERS]! + (holder >>> 5)]! |= 1 << (holder & 31);
  }

  #freePiece(at: number): void {
    const count = this.#records[at + COUNT]!;
    if ((count & COUNT_MASK) > MOST_INLINE) {
      this.#heap.free(this.#records[at + MEMBERS]!, count >>> COUNT_BITS);
    }
  }
}

/** Spreads the bits of a number (MurmurHash3's 32-bit finalizer). */
function hashOf(holder: number): number {
  let hash = Math.imul((holder + 1) ^ ((holder + 1) >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

/** Of a bitmap that has this holder: the power of two in its length. */
function powerFor(holder: number): number {
  return Math.max(1, 32 - Math.clz32(holder >>> 5));
}

/** Writes down which bits of a bitmap are set, ascending, from `at` on. Returns where it ended. */
export function writeBits(words: Uint32Array, count: number, into: Uint32Array, at: number): number {
  for (let word = 0; word < count; word++) {
    let bits = words[word]!;
    if (bits === ALL_BITS) {
      for (let bit = 0; bit < 32; bit++) into[at++] = 32 * word + bit;
      continue;
    }
    for (; bits !== 0; bits &= bits - 1) into[at++] = 32 * word + 31 - Math.clz32(bits & -bits);
  }
  return at;
}

function insert(words: Uint32Array, from: number, count: number, holder: number): void {
  let at = from + count;
  for (; at > from && words[at - 1]! > holder; at--) words[at] = words[at - 1]!;
  words[at] = holder;
}

function remove(words: Uint32Array, from: number, count: number, holder: number): void {
  let at = from;
  while (words[at] !== holder) at++;
  for (; at < from + count - 1; at++) words[at] = words[at + 1]!;
}
