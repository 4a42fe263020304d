import { type HolderSets, MOST_LISTED, writeBits } from './holder-sets.ts';
import type { BuddyAllocator } from './memory/buddy-allocator.ts';

/** Of the widest bitmap: half a million holders. */
const MOST_WORDS = 1 << 14;

/** Above all holders. */
const NO_HOLDER = 0xffffffff;

/** Walks along runs with those who have held all of them so far, and notes who leaves where. */
export class DepthLayers {
  readonly #sets: HolderSets;
  readonly #words: Uint32Array;
  /** What `find` has found. */
  readonly holders = new Uint32Array(32 * MOST_WORDS);
  #count = 0;
  /** Who has held all runs so far: in a bitmap as long as they are many, then in a list. */
  readonly #bitmap = new Uint32Array(MOST_WORDS);
  readonly #list = new Uint32Array(MOST_LISTED);
  /** Who is in the next set, where that is a list, too; and behind them `NO_HOLDER`. */
  readonly #others = new Uint32Array(MOST_LISTED + 1);
  #listed = 0;

  constructor(sets: HolderSets, heap: BuddyAllocator) {
    this.#sets = sets;
    this.#words = heap.words;
  }

  /**
   * Who holds all of some runs up to each, and not the next one: those for run `i` are in `holders` from `ends[i - 1]`, or 0, to
   * before `ends[i]`.
   */
  find(runs: Uint32Array, length: number, ends: Uint32Array): void {
    this.#count = 0;
    if (length === 0) return;
    let words = this.#start(runs[0]!);
    for (let i = 1; i < length; i++) {
      const bitmap = words === 0 ? undefined : this.#sets.bitmapOf(runs[i]!);
      if (words === 0) this.#stayInList(runs[i]!);
      else if (bitmap !== undefined) this.#stayInBitmap(bitmap[0], bitmap[1], words);
      else {
        this.#moveToList(runs[i]!, words);
        words = 0;
      }
      ends[i - 1] = this.#count;
    }
    if (words > 0) this.#count = writeBits(this.#bitmap, words, this.holders, this.#count);
    else for (let i = 0; i < this.#listed; i++) this.holders[this.#count++] = this.#list[i]!;
    ends[length - 1] = this.#count;
  }

  /** Returns how many words of the bitmap they take, 0 if they are in the list. */
  #start(run: number): number {
    const bitmap = this.#sets.bitmapOf(run);
    if (bitmap === undefined) {
      this.#listed = this.#sets.list(run, this.#list);
      return 0;
    }
    const [piece, words] = bitmap;
    for (let i = 0; i < words; i++) this.#bitmap[i] = this.#words[piece + i]!;
    return words;
  }

  #stayInList(run: number): void {
    if (this.#sets.count(run) > MOST_LISTED) this.#stayInMany(run);
    else this.#stayInFew(run);
  }

  /** Both are ascending. */
  #stayInFew(run: number): void {
    const list = this.#list;
    const others = this.#others;
    const members = this.#sets.list(run, others);
    others[members] = NO_HOLDER;
    let at = 0;
    let listed = 0;
    for (let i = 0; i < this.#listed; i++) {
      const holder = list[i]!;
      while (others[at]! < holder) at++;
      if (others[at] === holder) list[listed++] = holder;
      else this.holders[this.#count++] = holder;
    }
    this.#listed = listed;
  }

  #stayInMany(run: number): void {
    const list = this.#list;
    let listed = 0;
    for (let i = 0; i < this.#listed; i++) {
      const holder = list[i]!;
      if (this.#sets.has(run, holder)) list[listed++] = holder;
      else this.holders[this.#count++] = holder;
    }
    this.#listed = listed;
  }

  #stayInBitmap(piece: number, length: number, words: number): void {
    for (let i = 0; i < words; i++) {
      const before = this.#bitmap[i]!;
      const after = i < length ? before & this.#words[piece + i]! : 0;
      if (after === (before | 0)) continue;
      this.#bitmap[i] = after;
      for (let bits = before & ~after; bits !== 0; bits &= bits - 1) {
        this.holders[this.#count++] = 32 * i + 31 - Math.clz32(bits & -bits);
      }
    }
  }

  /** Few are left of many. */
  #moveToList(run: number, words: number): void {
    const list = this.#list;
    const members = this.#sets.list(run, list);
    this.#listed = 0;
    for (let i = 0; i < members; i++) {
      const holder = list[i]!;
      const bit = 1 << (holder & 31);
      if (holder >>> 5 >= words || (this.#bitmap[holder >>> 5]! & bit) === 0) continue;
      this.#bitmap[holder >>> 5]! &= ~bit;
      list[this.#listed++] = holder;
    }
    this.#count = writeBits(this.#bitmap, words, this.holders, this.#count);
  }
}
