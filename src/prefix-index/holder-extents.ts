/**
 * Per holder, where its blocks were put: extents of positions, so that all it holds is found without looking at what others
 * hold. Nothing is crossed out when a block goes; a list that has grown to twice of what is held is rebuilt, some extents at
 * a time: until all are taken out of the old list, it has both.
 */
import type { BuddyAllocator } from './memory/buddy-allocator.ts';

/** A piece of a list: the piece before it, how many of its words are in use, then position and length of each extent. */
const POWER = 5;
const BEFORE = 0;
const USED = 1;
const FIRST = 2;

export class HolderExtents {
  readonly #heap: BuddyAllocator;
  /** By holder: the newest piece of its list, blocks held, and blocks in that list. */
  readonly #newest: Uint32Array;
  /** By holder: the newest piece of the list that was there before, while it is rebuilt. */
  readonly #old: Uint32Array;
  readonly #held: Uint32Array;
  readonly #listed: Uint32Array;

  constructor(heap: BuddyAllocator, maxHolders: number) {
    this.#heap = heap;
    this.#newest = new Uint32Array(maxHolders);
    this.#old = new Uint32Array(maxHolders);
    this.#held = new Uint32Array(maxHolders);
    this.#listed = new Uint32Array(maxHolders);
  }

  /** Blocks. */
  held(holder: number): number {
    return this.#held[holder]!;
  }

  /** Whether its list should be rebuilt. */
  isStale(holder: number): boolean {
    return this.#listed[holder]! > 2 * this.#held[holder]! + 256 && !this.isMadeAnew(holder);
  }

  /** Whether there is an old list. */
  isMadeAnew(holder: number): boolean {
    return this.#old[holder] !== 0;
  }

  /** Its list is the old one, and the new one is empty. */
  makeAnew(holder: number): void {
    this.#old[holder] = this.#newest[holder]!;
    this.#newest[holder] = 0;
    this.#listed[holder] = 0;
  }

  /** Takes a extent out of the old list, of which it may hold nothing any more. */
  takeOld(holder: number, callback: (position: number, blocks: number) => void): void {
    const { words } = this.#heap;
    const piece = this.#old[holder]!;
    words[piece + USED]! -= 2;
    const at = piece + words[piece + USED]!;
    const [position, blocks] = [words[at]!, words[at + 1]!];
    if (words[piece + USED] === FIRST) {
      this.#old[holder] = words[piece + BEFORE]!;
      this.#heap.free(piece, POWER);
    }
    callback(position, blocks);
  }

  add(holder: number, position: number, blocks: number): void {
    const { words } = this.#heap;
    this.#held[holder]! += blocks;
    this.#listed[holder]! += blocks;
    let piece = this.#newest[holder]!;
    if (piece !== 0) {
      const last = piece + words[piece + USED]! - 2;
      if (words[last]! + words[last + 1]! === position) {
        words[last + 1]! += blocks;
        return;
      }
    }
    if (piece === 0 || words[piece + USED] === 1 << POWER) {
      const fresh = this.#heap.allocate(POWER);
      words[fresh + BEFORE] = piece;
      words[fresh + USED] = FIRST;
      this.#newest[holder] = piece = fresh;
    }
    const at = piece + words[piece + USED]!;
    words[at] = position;
    words[at + 1] = blocks;
    words[piece + USED]! += 2;
  }

  remove(holder: number, blocks: number): void {
    this.#held[holder]! -= blocks;
  }

  /**
   * Calls back with each extent that it ever held, newest first; it may hold none of it any more, and a extent may come
   * more than once.
   */
  forEach(holder: number, callback: (position: number, blocks: number) => void): void {
    const { words } = this.#heap;
    for (const newest of [this.#newest[holder]!, this.#old[holder]!]) {
      for (let piece = newest; piece !== 0; piece = words[piece + BEFORE]!) {
        for (let at = piece + words[piece + USED]! - 2; at >= piece + FIRST; at -= 2) {
          callback(words[at]!, words[at + 1]!);
        }
      }
    }
  }

  /** Nothing is listed; what it holds still counts as held. */
  unlist(holder: number): void {
    const { words } = this.#heap;
    for (const list of [this.#newest, this.#old]) {
      for (let piece = list[holder]!; piece !== 0; ) {
        const before = words[piece + BEFORE]!;
        this.#heap.free(piece, POWER);
        piece = before;
      }
      list[holder] = 0;
    }
    this.#listed[holder] = 0;
  }

  /** Lists a extent that it holds. */
  relist(holder: number, position: number, blocks: number): void {
    this.add(holder, position, blocks);
    this.#held[holder]! -= blocks;
  }
}
