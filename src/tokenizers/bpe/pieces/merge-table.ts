/**
 * What a pair of neighbours becomes: an open-addressing table of (left, right) → (rank, merged), in one typed array that threads may
 * share. It is written by one thread, before any other has it, and only read from then on: so no Atomics.
 */
import { EMPTY, longestRun, sharedInts } from './shared-table.ts';

const WORDS = 4;

export class MergeTable {
  /** left, right, rank, merged; left is EMPTY where there is nothing. */
  readonly slots: Int32Array;
  readonly #mask: number;

  /** @param slots of a table that is complete */
  constructor(slots: Int32Array) {
    this.slots = slots;
    this.#mask = slots.length / WORDS - 1;
  }

  /** @param count how many pairs there will be at most */
  static withRoomFor(count: number): MergeTable {
    return new MergeTable(sharedInts(count, WORDS));
  }

  /** How many slots a lookup goes through at most. */
  get maxProbes(): number {
    return longestRun(this.slots, WORDS) + 1;
  }

  /** A pair that is there already becomes what it is set to. */
  set(left: number, right: number, rank: number, merged: number): void {
    const slots = this.slots;
    let index = hash(left, right) & this.#mask;
    for (;;) {
      const at = index * WORDS;
      if (slots[at] === EMPTY || (slots[at] === left && slots[at + 1] === right)) {
        slots[at] = left;
        slots[at + 1] = right;
        slots[at + 2] = rank;
        slots[at + 3] = merged;
        return;
      }
      index = (index + 1) & this.#mask;
    }
  }

  /** Where the pair is, for `rank` and `merged`; -1: it does not merge. */
  find(left: number, right: number): number {
    const slots = this.slots;
    const mask = this.#mask;
    let index = hash(left, right) & mask;
    for (;;) {
      const at = index * WORDS;
      const there = slots[at];
      if (there === left && slots[at + 1] === right) return at;
      if (there === EMPTY) return -1;
      index = (index + 1) & mask;
    }
  }

  rank(at: number): number {
    return this.slots[at + 2]!;
  }

  merged(at: number): number {
    return this.slots[at + 3]!;
  }
}

function hash(left: number, right: number): number {
  const mixed = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca77);
  return mixed ^ (mixed >>> 15);
}
