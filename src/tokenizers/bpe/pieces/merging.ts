/**
 * Byte pair encoding of one piece: of all pairs of neighbours that merge, the one with the lowest rank, the leftmost of these, is
 * merged first, until none does. Short pieces by looking at all ranks each time, long ones with a heap, in O(n log n).
 */
import type { MergeTable } from './merge-table.ts';

const SHORT = 40;
const NEVER = 0x7fffffff;
/** A place in a piece is below it: rank and place are one number in the heap. */
const PLACES = 2 ** 31;

export class Merger {
  readonly #table: MergeTable;
  readonly #pairs = new Int32Array(SHORT + 1);
  readonly #ranks = new Int32Array(SHORT + 1);

  constructor(table: MergeTable) {
    this.#table = table;
  }

  /** Merges the first `length` of `symbols` in place; gives how many are left. */
  merge(symbols: Int32Array, length: number): number {
    if (length < 2) return length;
    return length <= SHORT ? this.#mergeShort(symbols, length) : mergeLong(this.#table, symbols, length);
  }

  #mergeShort(symbols: Int32Array, length: number): number {
    const table = this.#table;
    const pairs = this.#pairs;
    const ranks = this.#ranks;
    for (let i = 0; i < length - 1; i++) {
      const pair = table.find(symbols[i]!, symbols[i + 1]!);
      pairs[i] = pair;
      ranks[i] = pair < 0 ? NEVER : table.rank(pair);
    }
    let left = length;
    for (;;) {
      let lowest = NEVER;
      let at = -1;
      for (let i = 0; i < left - 1; i++) {
        if (ranks[i]! < lowest) {
          lowest = ranks[i]!;
          at = i;
        }
      }
      if (at < 0) return left;
      symbols[at] = table.merged(pairs[at]!);
      left--;
      for (let i = at + 1; i < left; i++) {
        symbols[i] = symbols[i + 1]!;
        pairs[i] = pairs[i + 1]!;
        ranks[i] = ranks[i + 1]!;
      }
      for (let i = Math.max(0, at - 1); i <= at && i < left - 1; i++) {
        const pair = table.find(symbols[i]!, symbols[i + 1]!);
        pairs[i] = pair;
        ranks[i] = pair < 0 ? NEVER : table.rank(pair);
      }
    }
  }
}

/** The same for pieces of any length. */
export function mergeLong(table: MergeTable, symbols: Int32Array, length: number): number {
  const next = new Int32Array(length);
  const previous = new Int32Array(length);
  // Each merge takes one symbol away and adds two pairs at most.
  const heap = new Float64Array(3 * length);
  let size = 0;
  for (let i = 0; i < length; i++) {
    next[i] = i + 1;
    previous[i] = i - 1;
  }

  const push = (place: number) => {
    const right = next[place]!;
    if (right >= length) return;
    const pair = table.find(symbols[place]!, symbols[right]!);
    if (pair < 0) return;
    const key = table.rank(pair) * PLACES + place;
    let at = size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (heap[parent]! <= key) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = key;
  };
  const pop = (): number => {
    const top = heap[0]!;
    const key = heap[--size]!;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= size) break;
      if (child + 1 < size && heap[child + 1]! < heap[child]!) child++;
      if (heap[child]! >= key) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = key;
    return top;
  };

  for (let i = 0; i < length - 1; i++) push(i);
  while (size > 0) {
    const key = pop();
    const rank = Math.floor(key / PLACES);
    const place = key - rank * PLACES;
    const right = next[place]!;
    // Merged into its left neighbour, or another pair by now.
    if (symbols[place]! < 0 || right >= length) continue;
    const pair = table.find(symbols[place]!, symbols[right]!);
    if (pair < 0 || table.rank(pair) !== rank) continue;
    symbols[place] = table.merged(pair);
    symbols[right] = -1;
    next[place] = next[right]!;
    if (next[place]! < length) previous[next[place]!] = place;
    if (previous[place]! >= 0) push(previous[place]!);
    push(place);
  }
  let left = 0;
  for (let i = 0; i < length; i = next[i]!) symbols[left++] = symbols[i]!;
  return left;
}
