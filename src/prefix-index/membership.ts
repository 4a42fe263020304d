import type { Copies } from './copies.ts';
import type { EngineHashes } from './engine-hashes.ts';
import type { HolderExtents } from './holder-extents.ts';
import type { Arena } from './memory/arena.ts';
import type { RunMap } from './run-map.ts';

export interface MembershipParts {
  readonly arena: Arena;
  readonly runs: RunMap;
  readonly engineHashes: EngineHashes;
  readonly holderExtents: HolderExtents;
  readonly copies: Copies;
}

/** Extents of a list. More than are added with a block, so that it comes to an end. */
const RELISTED_AT_ONCE = 4;

/** Who holds which blocks of runs that are there: runs are cut where that begins to differ, and joined where it no longer does. */
export class Membership {
  readonly #arena: Arena;
  readonly #runs: RunMap;
  readonly #engineHashes: EngineHashes;
  readonly #holderExtents: HolderExtents;
  readonly #copies: Copies;
  /** By holder whose list is rebuilt: from where to where the new one has blocks. */
  readonly #relisted = new Map<number, Map<number, number>>();
  #entries = 0;
  #mayHaveHoles = false;

  constructor({ arena, runs, engineHashes, holderExtents, copies }: MembershipParts) {
    this.#arena = arena;
    this.#runs = runs;
    this.#engineHashes = engineHashes;
    this.#holderExtents = holderExtents;
    this.#copies = copies;
  }

  /** (block, holder) pairs. */
  get entries(): number {
    return this.#entries;
  }

  /** Whether anything ever went: then a block that is not there may have blocks behind it that are. */
  get mayHaveHoles(): boolean {
    return this.#mayHaveHoles;
  }

  /** A holder that does not hold a run now holds some of its blocks. */
  hold(holder: number, run: number, first: number, blocks: number): void {
    let piece = run;
    if (first > this.#runs.offset(run)) piece = this.#runs.cut(run, first);
    if (first + blocks < this.#runs.end(piece)) this.#runs.cut(piece, first + blocks);
    this.#runs.sets.add(piece, holder);
    this.added(holder, first, blocks);
    this.#runs.join(piece);
  }

  /** Blocks of a new run. */
  added(holder: number, first: number, blocks: number): void {
    this.#holderExtents.add(holder, first, blocks);
    this.#entries += blocks;
  }

  /** A holder of a block no longer holds it. */
  drop(holder: number, position: number): void {
    const run = this.#runs.at(position);
    this.#leave(holder, position, 1);
    if (this.#runs.sets.count(run) === 1) this.#erase(run, position);
    else if (!this.#runs.shift(run, position, holder)) {
      let piece = run;
      if (position + 1 < this.#runs.end(run)) this.#runs.cut(run, position + 1);
      if (position > this.#runs.offset(run)) piece = this.#runs.cut(run, position);
      this.#runs.sets.remove(piece, holder);
      this.#runs.join(piece);
    }
    this.#relistSome(holder);
  }

  /** A holder now holds whatever another one does. */
  holdAllOf(other: number, holder: number): void {
    const extents: [position: number, blocks: number][] = [];
    this.#eachRunOf(other, run => {
      const offset = this.#runs.offset(run);
      if (!this.#runs.sets.has(run, holder)) extents.push([offset, this.#runs.end(run) - offset]);
    });
    for (const [position, blocks] of extents) {
      const run = this.#runs.at(position);
      // A run may have been joined to the one before it, which was stored a moment ago.
      if (!this.#runs.sets.has(run, holder)) this.hold(holder, run, position, blocks);
    }
  }

  /** In time proportional to what it holds. */
  clear(holder: number): void {
    this.#holderExtents.forEach(holder, (position, blocks) => {
      this.#runs.forEachOf(holder, position, blocks, run => {
        const offset = this.#runs.offset(run);
        const length = this.#runs.end(run) - offset;
        this.#leave(holder, offset, length);
        if (this.#runs.sets.count(run) === 1) this.#destroy(run);
        else {
          this.#runs.sets.remove(run, holder);
          this.#runs.join(run);
        }
      });
    });
    this.#holderExtents.unlist(holder);
    this.#relisted.delete(holder);
  }

  /** All holders lose the last blocks of a run. Returns how many (block, holder) pairs that were. */
  evict(run: number, blocks: number): number {
    const end = this.#runs.end(run);
    const piece = end - this.#runs.offset(run) > blocks ? this.#runs.cut(run, end - blocks) : run;
    const offset = this.#runs.offset(piece);
    const losers: number[] = [];
    this.#runs.sets.forEach(piece, holder => {
      this.#leave(holder, offset, end - offset);
      losers.push(holder);
    });
    this.#destroy(piece);
    for (const holder of losers) this.#relistSome(holder);
    return losers.length * (end - offset);
  }

  /** What is noted of a holder's blocks beside that it holds them. */
  #leave(holder: number, position: number, blocks: number): void {
    this.#holderExtents.remove(holder, blocks);
    this.#entries -= blocks;
    this.#engineHashes.forget(holder, position, blocks);
    this.#copies.forget(holder, position, blocks);
  }

  /** A block of a run with one holder is gone. */
  #erase(run: number, position: number): void {
    const offset = this.#runs.offset(run);
    const end = this.#runs.end(run);
    if (offset + 1 === end) {
      this.#destroy(run);
      return;
    }
    if (position === offset) this.#runs.dropFirst(run);
    else {
      if (position + 1 < end) this.#runs.cut(run, position + 1);
      this.#runs.dropLast(run, 1);
    }
    this.#vacate(position, 1);
  }

  /** A run that nobody holds any more. */
  #destroy(run: number): void {
    const offset = this.#runs.offset(run);
    const blocks = this.#runs.end(run) - offset;
    this.#runs.destroy(run);
    this.#vacate(offset, blocks);
  }

  #vacate(position: number, blocks: number): void {
    this.#mayHaveHoles = true;
    this.#engineHashes.forgetBlocks(position, blocks);
    this.#arena.vacate(position, blocks);
  }

  /** Calls back with each run of this holder's, once. It must not change any. */
  #eachRunOf(holder: number, callback: (run: number) => void): void {
    const seen = new Set<number>();
    this.#holderExtents.forEach(holder, (position, blocks) => {
      this.#runs.forEachOf(holder, position, blocks, run => {
        if (seen.has(run)) return;
        seen.add(run);
        callback(run);
      });
    });
  }

  /** What a holder gave up leaves its list too long: some of that is made good with each block that it evicts. */
  #relistSome(holder: number): void {
    if (this.#holderExtents.isStale(holder)) {
      this.#holderExtents.makeAnew(holder);
      this.#relisted.set(holder, new Map());
    }
    if (this.#holderExtents.isMadeAnew(holder)) this.#relistExtents(holder, this.#relisted.get(holder)!);
  }

  #relistExtents(holder: number, relisted: Map<number, number>): void {
    const relist = (run: number) => {
      const offset = this.#runs.offset(run);
      const end = this.#runs.end(run);
      if ((relisted.get(offset) ?? 0) >= end) return;
      relisted.set(offset, end);
      this.#holderExtents.relist(holder, offset, end - offset);
    };
    const relistAll = (position: number, blocks: number) => {
      this.#runs.forEachOf(holder, position, blocks, relist);
    };
    for (let i = 0; i < RELISTED_AT_ONCE && this.#holderExtents.isMadeAnew(holder); i++) {
      this.#holderExtents.takeOld(holder, relistAll);
    }
    if (!this.#holderExtents.isMadeAnew(holder)) this.#relisted.delete(holder);
  }
}
