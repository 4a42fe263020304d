/**
 * Where blocks lie: a block is a position, and what is known of it are two 64-bit hashes in two 32-bit lanes each. The
 * arrays are as large as they may ever get; what was never used is not backed by memory.
 *
 *   line 1              line 2              line 3              line 4
 *   ┌─┬─┬─┬─┬─┬─┬─┬─┐   ┌─┬─┬─┬─┬─┬─┬─┬─┐   ┌─┬─┬─┬─┬─┬─┬─┬─┐   ┌─┬─ …
 *   │A│A│A│A│A│A│A│A│   │A│A│A│ │ │ │ │ │   │   reserved    │   │B│B  …
 *   └─┴─┴─┴─┴─┴─┴─┴─┘   └─┴─┴─┴─┴─┴─┴─┴─┘   └─┴─┴─┴─┴─┴─┴─┴─┘   └─┴─ …
 *
 * Room is given out in whole lines, a extent of consecutive ones at a time, so that the next blocks of a chain find room
 * right behind the last one. A line whose last block goes is free, and joins the free lines around it. Free extents hang
 * in one list per power of two of their length and are described in the lanes of their own first and last line (boundary
 * tags; Knuth, "The Art of Computer Programming", vol. 1, 2.5).
 */

import type { BlockHash, BlockLanes, EngineLanes } from '../../domain.ts';
import { expect } from '../expect.ts';

export const LINE_SHIFT = 3;
/** Blocks in a line. */
export const LINE = 1 << LINE_SHIFT;

// What a line is: the number of its blocks, or one of these.
const FREE = 0;
const RESERVED = 0xff;
/** Added to the number of hashes in a line of some holder's own; see `engine-hashes.ts`. */
const OWN = 0x40;
const CLASSES = 26;
/** Free extents looked at before a larger one is cut. */
const CANDIDATES = 8;

// Words of a free extent, in its first line …
const LINES = 0;
const PREVIOUS = 1;
const NEXT = 2;
/** … and in its last one. */
const FIRST = 3;

/** Consecutive lines that were given out. */
export interface Extent {
  readonly line: number;
  readonly lines: number;
}

export class Arena {
  /** Our hash of the block at position p: `(ours[2 * p], ours[2 * p + 1])`. */
  readonly ours: BlockLanes;
  /** Its hash by the engine that announced it first; 0, 0 if none has. */
  readonly engines: EngineLanes;
  readonly #lines: Uint8Array;
  /** First lines of free extents, by the power of two in their length. */
  readonly #free = new Uint32Array(CLASSES);
  readonly #end: number;
  /** Lines from here on have never been used. Line 0 stays unused, so that position 0 is none. */
  #frontier = 1;
  #freeLines = 0;
  #blocks = 0;

  /** @param capacity blocks */
  constructor(capacity: number) {
    this.#end = 1 + Math.ceil(capacity / LINE);
    this.ours = new Uint32Array(2 * LINE * this.#end) as BlockLanes;
    this.engines = new Uint32Array(2 * LINE * this.#end) as EngineLanes;
    this.#lines = new Uint8Array(this.#end + 1);
  }

  /** Blocks that lie here. */
  get blocks(): number {
    return this.#blocks;
  }

  /** Bytes of the lines in use, reserved ones included. */
  get bytes(): number {
    return (this.#frontier - this.#freeLines) * (LINE * 16 + 1);
  }

  /** Up to `wanted` lines: all of them, or as many as there are in a row. undefined: there is no free line at all. */
  allocate(wanted: number): Extent | undefined {
    const fitting = this.#findFree(wanted);
    if (fitting !== 0) return this.#take(fitting, wanted);
    const left = this.#end - this.#frontier;
    // Pieces are used up before more memory is, unless little would be gained.
    if (left < wanted || this.#freeLines > this.#frontier >> 3) {
      const largest = this.#largestFree();
      if (largest !== 0 && (left < wanted || this.#linesOf(largest) >= CANDIDATES)) {
        return this.#take(largest, wanted);
      }
    }
    if (left === 0) return undefined;
    const line = this.#frontier;
    const lines = Math.min(left, wanted);
    this.#frontier += lines;
    return { line, lines };
  }

  /** Takes exactly this line, if it is free or reserved. */
  take(line: number): boolean {
    if (line >= this.#end) return false;
    if (line === this.#frontier) {
      this.#frontier++;
      return true;
    }
    if (this.#lines[line] === RESERVED) return true;
    if (line > this.#frontier || this.#lines[line] !== FREE) return false;
    // The line before it is in use, so it is the first one of its extent.
    this.#take(line, 1);
    return true;
  }

  /** Keeps these lines, which follow a line in use, for the blocks that will follow; they are free when it is. */
  reserve(line: number, lines: number): void {
    this.#lines.fill(RESERVED, line, line + lines);
  }

  /** Blocks now lie in `count` positions from `first` on, whose lines were taken. */
  occupy(first: number, count: number): void {
    this.#blocks += count;
    for (let at = first, end = first + count; at < end; ) {
      const line = at >> LINE_SHIFT;
      const to = Math.min(end, (line + 1) << LINE_SHIFT);
      const blocks = this.#lines[line]!;
      this.#lines[line] = (blocks === RESERVED ? 0 : blocks) + to - at;
      at = to;
    }
  }

  /** The blocks in these positions are gone. */
  vacate(first: number, count: number): void {
    this.#blocks -= count;
    let from = 0;
    let to = 0;
    for (let at = first, end = first + count; at < end; ) {
      const line = at >> LINE_SHIFT;
      const next = Math.min(end, (line + 1) << LINE_SHIFT);
      const left = this.#lines[line]! - (next - at);
      this.#lines[line] = left;
      if (left === 0) {
        if (from === 0) from = line;
        to = line + 1;
      }
      at = next;
    }
    if (from === 0) return;
    for (; this.#lines[to] === RESERVED; to++) this.#lines[to] = FREE;
    this.#release(from, to - from);
  }

  /** A line for hashes of a holder's own; 0 if there is no room. */
  allocateOwnLine(): number {
    const line = this.allocate(1)?.line ?? 0;
    if (line !== 0) this.#lines[line] = OWN;
    return line;
  }

  isOwnLine(line: number): boolean {
    return (this.#lines[line]! & OWN) !== 0 && this.#lines[line] !== RESERVED;
  }

  /** One hash more in it. */
  occupyOwn(line: number): void {
    this.#lines[line]!++;
  }

  /** One hash less in it. true: it was the last one, and the line is free. */
  vacateOwn(line: number): boolean {
    if (--this.#lines[line]! > OWN) return false;
    this.#lines[line] = FREE;
    this.#release(line, 1);
    return true;
  }

  /** Our hash of the block there. */
  hashAt(position: number): BlockHash {
    return { hi: this.ours[2 * position]!, lo: this.ours[2 * position + 1]! } as BlockHash;
  }

  /** Throws what is wrong. @param blocksIn blocks by line, of those that have any and are nobody's own. */
  check(blocksIn: ReadonlyMap<number, number>): void {
    let freeLines = 0;
    for (let power = 0; power < CLASSES; power++) {
      for (let line = this.#free[power]!; line !== 0; line = this.ours[((2 * line) << LINE_SHIFT) + NEXT]!) {
        const lines = this.#linesOf(line);
        freeLines += lines;
        expect(31 - Math.clz32(lines) === power, `free extent ${line} is in the list of its length`);
        expect(this.ours[((2 * (line + lines - 1)) << LINE_SHIFT) + FIRST] === line, `line ${line} is first`);
        const around = [line - 1, line + lines].filter(each => each > 0);
        for (const each of around)
          expect(this.#lines[each] !== FREE || each >= this.#frontier, `${each} is in use`);
      }
    }
    expect(freeLines === this.#freeLines, `${freeLines} free lines`);
    let unused = 0;
    for (let line = 1; line < this.#frontier; line++) {
      const state = this.#lines[line]!;
      if (state === FREE) unused++;
      if (state === RESERVED || this.isOwnLine(line))
        expect(!blocksIn.has(line), `line ${line} has no blocks`);
      else expect(state === (blocksIn.get(line) ?? 0), `line ${line} has ${blocksIn.get(line)} blocks`);
    }
    expect(unused === freeLines, `${unused} lines in no use are free`);
  }

  #linesOf(line: number): number {
    return this.ours[((2 * line) << LINE_SHIFT) + LINES]!;
  }

  #findFree(wanted: number): number {
    const smallest = 31 - Math.clz32(wanted);
    let candidate = this.#free[smallest]!;
    for (let i = 0; candidate !== 0 && i < CANDIDATES; i++) {
      if (this.#linesOf(candidate) >= wanted) return candidate;
      candidate = this.ours[((2 * candidate) << LINE_SHIFT) + NEXT]!;
    }
    for (let power = smallest + 1; power < CLASSES; power++) {
      if (this.#free[power] !== 0) return this.#free[power]!;
    }
    return 0;
  }

  #largestFree(): number {
    for (let power = CLASSES - 1; power >= 0; power--) if (this.#free[power] !== 0) return this.#free[power]!;
    return 0;
  }

  /** The first lines of a free extent. */
  #take(line: number, wanted: number): Extent {
    const lines = this.#linesOf(line);
    this.#unlink(line, lines);
    const taken = Math.min(wanted, lines);
    if (lines > taken) this.#link(line + taken, lines - taken);
    return { line, lines: taken };
  }

  /** Makes a extent free, together with the free ones that touch it. */
  #release(line: number, lines: number): void {
    if (this.#lines[line - 1] === FREE && line > 1) {
      const before = this.ours[((2 * (line - 1)) << LINE_SHIFT) + FIRST]!;
      this.#unlink(before, line - before);
      lines += line - before;
      line = before;
    }
    const after = line + lines;
    if (after < this.#frontier && this.#lines[after] === FREE) {
      const more = this.#linesOf(after);
      this.#unlink(after, more);
      lines += more;
    }
    if (line + lines === this.#frontier) this.#frontier = line;
    else this.#link(line, lines);
  }

  #link(line: number, lines: number): void {
    const { ours } = this;
    const at = (2 * line) << LINE_SHIFT;
    const power = 31 - Math.clz32(lines);
    const next = this.#free[power]!;
    ours[at + LINES] = lines;
    ours[at + PREVIOUS] = 0;
    ours[at + NEXT] = next;
    ours[((2 * (line + lines - 1)) << LINE_SHIFT) + FIRST] = line;
    if (next !== 0) ours[((2 * next) << LINE_SHIFT) + PREVIOUS] = line;
    this.#free[power] = line;
    this.#freeLines += lines;
  }

  #unlink(line: number, lines: number): void {
    const { ours } = this;
    const at = (2 * line) << LINE_SHIFT;
    const previous = ours[at + PREVIOUS]!;
    const next = ours[at + NEXT]!;
    if (previous === 0) this.#free[31 - Math.clz32(lines)] = next;
    else ours[((2 * previous) << LINE_SHIFT) + NEXT] = next;
    if (next !== 0) ours[((2 * next) << LINE_SHIFT) + PREVIOUS] = previous;
    this.#freeLines -= lines;
  }
}
