/**
 * All runs: found by their first block's hash or by any of their positions, cut, and joined again.
 */

import { HolderSets } from './holder-sets.ts';
import { LruList } from './lru-list.ts';
import type { Arena } from './memory/arena.ts';
import type { BuddyAllocator } from './memory/buddy-allocator.ts';
import { HashTable } from './memory/hash-table.ts';
import { FIRST, LAST, LENGTH, NEXT, OFFSET, PARENT, PREVIOUS, RUN_SHIFT, Runs, TOUCHED } from './runs.ts';

export interface RunMapOptions {
  readonly arena: Arena;
  readonly heap: BuddyAllocator;
  readonly maxRuns: number;
  readonly maxPositions: number;
  readonly seed: number;
}

export class RunMap {
  readonly records: Uint32Array;
  readonly sets: HolderSets;
  readonly lru: LruList;
  readonly runs: Runs;
  readonly #ours: Uint32Array;
  readonly #byFirst: HashTable;
  /** A bit per position: whether a run begins there. */
  readonly #starts: Uint32Array;
  /** Where the last look-up by position ended: the next one is often close by. */
  #last = 0;

  constructor({ arena, heap, maxRuns, maxPositions, seed }: RunMapOptions) {
    this.runs = new Runs(maxRuns);
    this.records = this.runs.records;
    this.sets = new HolderSets(this.records, heap);
    this.lru = new LruList(this.runs, maxRuns);
    this.#ours = arena.ours;
    this.#byFirst = new HashTable({ lanes: this.records, shift: RUN_SHIFT, capacity: maxRuns, seed });
    this.#starts = new Uint32Array((maxPositions >>> 5) + 2);
  }

  /** Bytes of memory in use. */
  get bytes(): number {
    return this.runs.bytes + this.#byFirst.bytes;
  }

  offset(run: number): number {
    return this.records[(run << RUN_SHIFT) + OFFSET]!;
  }

  /** The position behind its last block. */
  end(run: number): number {
    const at = run << RUN_SHIFT;
    return this.records[at + OFFSET]! + this.records[at + LENGTH]!;
  }

  /** The run that lies right behind it in the same chain, or 0. */
  next(run: number): number {
    return this.records[(run << RUN_SHIFT) + NEXT]!;
  }

  /** The run that lies right before it in the same chain, or 0. */
  previous(run: number): number {
    return this.records[(run << RUN_SHIFT) + PREVIOUS]!;
  }

  /** In no particular order. */
  all(): number[] {
    const all: number[] = [];
    this.#byFirst.forEach(run => {
      all.push(run);
    });
    return all;
  }

  /** Calls back with each run of this holder's that has blocks in a range of positions. It may change the run. */
  forEachOf(holder: number, position: number, blocks: number, callback: (run: number) => void): void {
    const end = position + blocks;
    for (let at = position; at < end; ) {
      const run = this.at(at);
      if (run === 0) {
        at = this.startFrom(at + 1, end);
        continue;
      }
      at = this.end(run);
      if (this.sets.has(run, holder)) callback(run);
    }
  }

  /** Whether its record has the hashes of its first and its last block. */
  knowsItsEnds(run: number): boolean {
    const at = run << RUN_SHIFT;
    const ends = [this.offset(run), this.end(run) - 1].flatMap(position => [
      this.#ours[2 * position],
      this.#ours[2 * position + 1],
    ]);
    return ends.every((lane, i) => this.records[at + FIRST + i] === lane);
  }

  /** The run whose first block has this hash, or 0. */
  startingWith(hi: number, lo: number): number {
    return this.#byFirst.find(hi, lo);
  }

  /** The run that a position belongs to, or 0. */
  at(position: number): number {
    const last = this.#last << RUN_SHIFT;
    if ((position - this.records[last + OFFSET]!) >>> 0 < this.records[last + LENGTH]!) return this.#last;
    const start = this.#startBefore(position);
    if (start === 0) return 0;
    const run = this.#byFirst.find(this.#ours[2 * start]!, this.#ours[2 * start + 1]!);
    if (position >= this.end(run)) return 0;
    this.#last = run;
    return run;
  }

  /** The run that the first block of this one follows, as far as that is known; or 0. */
  readonly parentOf = (run: number): number => {
    const at = run << RUN_SHIFT;
    const parent = this.records[at + PARENT]!;
    return this.records[at + PREVIOUS]! || (parent === 0 ? 0 : this.at(parent));
  };

  /** The first position in a range at which a run begins, or the end of the range. */
  startFrom(position: number, end: number): number {
    const starts = this.#starts;
    let word = position >>> 5;
    let bits = starts[word]! & (-1 << (position & 31));
    while (bits === 0) {
      if (++word << 5 >= end) return end;
      bits = starts[word]!;
    }
    return Math.min(end, 32 * word + 31 - Math.clz32(bits & -bits));
  }

  /**
   * A run without holders, of blocks that lie in the arena already.
   * @param previous the run that it joins on to, in place and in its chain; 0 for none
   * @param parent the position of the block before it, 0 for none or unknown
   */
  create(offset: number, length: number, previous: number, parent: number): number {
    const run = this.runs.create();
    const { records } = this;
    const at = run << RUN_SHIFT;
    records[at + OFFSET] = offset;
    records[at + LENGTH] = length;
    records[at + PREVIOUS] = previous;
    records[at + PARENT] = parent;
    if (previous !== 0) records[(previous << RUN_SHIFT) + NEXT] = run;
    this.#copyHash(offset + length - 1, at + LAST);
    this.#enter(run);
    this.lru.insertBefore(run, 0);
    return run;
  }

  /** As many blocks more, which lie behind its last one. */
  extend(run: number, blocks: number): void {
    const at = run << RUN_SHIFT;
    this.records[at + LENGTH]! += blocks;
    this.#copyHash(this.end(run) - 1, at + LAST);
  }

  /** Cuts a run in two, and returns the second part, which begins at `position`, inside of it. */
  cut(run: number, position: number): number {
    const { records } = this;
    const rest = this.runs.create();
    const at = run << RUN_SHIFT;
    const restAt = rest << RUN_SHIFT;
    const length = position - records[at + OFFSET]!;
    const next = records[at + NEXT]!;
    records[restAt + OFFSET] = position;
    records[restAt + LENGTH] = records[at + LENGTH]! - length;
    records[restAt + LAST] = records[at + LAST]!;
    records[restAt + LAST + 1] = records[at + LAST + 1]!;
    records[restAt + PREVIOUS] = run;
    records[restAt + NEXT] = next;
    records[restAt + TOUCHED] = records[at + TOUCHED]!;
    if (next !== 0) records[(next << RUN_SHIFT) + PREVIOUS] = rest;
    records[at + NEXT] = rest;
    records[at + LENGTH] = length;
    this.#copyHash(position - 1, at + LAST);
    this.sets.copy(run, rest);
    this.#enter(rest);
    this.lru.insertBefore(rest, run);
    return rest;
  }

  /** Makes one run of it and those beside it that have the same holders, and returns that. */
  join(run: number): number {
    const next = this.next(run);
    if (next !== 0 && this.sets.equal(run, next)) this.#absorbNext(run, next);
    const previous = this.previous(run);
    if (previous === 0 || !this.sets.equal(previous, run)) return run;
    this.#absorbNext(previous, run);
    return previous;
  }

  /**
   * Moves the last block of a run of several to the next run, or its first block to the one before, if that one has the
   * same holders but for this one. false: it has not.
   */
  shift(run: number, position: number, holder: number): boolean {
    const { records, sets } = this;
    const at = run << RUN_SHIFT;
    if (records[at + LENGTH] === 1) return false;
    if (position === this.end(run) - 1) {
      const next = records[at + NEXT]!;
      if (next === 0 || !sets.equalWithout(next, run, holder)) return false;
      this.#leave(next);
      records[at + LENGTH]!--;
      this.#copyHash(position - 1, at + LAST);
      records[(next << RUN_SHIFT) + OFFSET]!--;
      records[(next << RUN_SHIFT) + LENGTH]!++;
      this.#enter(next);
      return true;
    }
    if (position !== records[at + OFFSET]) return false;
    const previous = records[at + PREVIOUS]!;
    if (previous === 0 || !sets.equalWithout(previous, run, holder)) return false;
    this.#leave(run);
    this.extend(previous, 1);
    records[at + OFFSET]!++;
    records[at + LENGTH]!--;
    this.#enter(run);
    return true;
  }

  /** The last blocks of a run of more than these are gone. */
  dropLast(run: number, blocks: number): void {
    const at = run << RUN_SHIFT;
    this.#unlinkNext(run);
    this.records[at + LENGTH]! -= blocks;
    this.#copyHash(this.end(run) - 1, at + LAST);
  }

  /** The first block of a run of several is gone. */
  dropFirst(run: number): void {
    const { records } = this;
    const at = run << RUN_SHIFT;
    this.#leave(run);
    this.#unlinkPrevious(run);
    records[at + OFFSET]!++;
    records[at + LENGTH]!--;
    records[at + PARENT] = 0;
    this.#enter(run);
  }

  /** All its blocks are gone. */
  destroy(run: number): void {
    this.#unlinkNext(run);
    this.#unlinkPrevious(run);
    this.#free(run);
  }

  /** In its chain, the block at a position follows the one at `parent`. */
  follow(position: number, parent: number): void {
    const run = this.at(position);
    const at = run << RUN_SHIFT;
    // Inside of a run, and between runs that are linked, this is known.
    if (this.records[at + OFFSET] === position && this.records[at + PREVIOUS] === 0)
      this.records[at + PARENT] = parent;
  }

  #absorbNext(run: number, next: number): void {
    const { records } = this;
    const at = run << RUN_SHIFT;
    const nextAt = next << RUN_SHIFT;
    const afterNext = records[nextAt + NEXT]!;
    records[at + LENGTH]! += records[nextAt + LENGTH]!;
    records[at + LAST] = records[nextAt + LAST]!;
    records[at + LAST + 1] = records[nextAt + LAST + 1]!;
    records[at + NEXT] = afterNext;
    if (afterNext !== 0) records[(afterNext << RUN_SHIFT) + PREVIOUS] = run;
    this.#free(next);
  }

  #free(run: number): void {
    this.#leave(run);
    this.sets.clear(run);
    this.lru.remove(run);
    this.runs.free(run);
  }

  #unlinkNext(run: number): void {
    const { records } = this;
    const next = records[(run << RUN_SHIFT) + NEXT]!;
    if (next === 0) return;
    records[(run << RUN_SHIFT) + NEXT] = 0;
    records[(next << RUN_SHIFT) + PREVIOUS] = 0;
  }

  #unlinkPrevious(run: number): void {
    const previous = this.previous(run);
    if (previous !== 0) this.#unlinkNext(previous);
  }

  /** Its first block may be found from now on. */
  #enter(run: number): void {
    const at = run << RUN_SHIFT;
    const offset = this.records[at + OFFSET]!;
    this.#copyHash(offset, at + FIRST);
    this.#byFirst.insert(run);
    this.#starts[offset >>> 5]! |= 1 << (offset & 31);
  }

  #leave(run: number): void {
    const offset = this.records[(run << RUN_SHIFT) + OFFSET]!;
    this.#byFirst.delete(run);
    this.#starts[offset >>> 5]! &= ~(1 << (offset & 31));
  }

  #copyHash(position: number, to: number): void {
    this.records[to] = this.#ours[2 * position]!;
    this.records[to + 1] = this.#ours[2 * position + 1]!;
  }

  #startBefore(position: number): number {
    const starts = this.#starts;
    let word = position >>> 5;
    let bits = starts[word]! & (-1 >>> (31 - (position & 31)));
    while (bits === 0) {
      if (word === 0) return 0;
      bits = starts[--word]!;
    }
    return 32 * word + 31 - Math.clz32(bits);
  }
}
