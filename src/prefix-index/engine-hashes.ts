/**
 * Which block an engine means by one of its hashes.
 *
 * The hash under which a block was announced first lies beside our own in the arena, and one table leads from it to the
 * block, for all holders alike: since vLLM 0.29 engines of the same model and settings have equal hashes. A holder whose
 * hash for a block is another one gets a line of its own for the eight blocks of the arena's line, with its hashes in the
 * engines' lanes, and who and where it is about in ours:
 *
 *   line 7       ours      h0 h1 h2 h3 h4 h5 h6 h7          line 90     ours      (holder 4, line 7) – – …
 *                engines   e0 e1 e2 e3 e4 e5 e6 e7                      engines   –  –  x2 x3 –  –  –  –
 *
 * Here holder 4 holds blocks 2 and 3 of line 7 as x2 and x3; whatever else it holds there it calls as the others do.
 * Equal hashes may stand for several blocks: two models with one tokenizer have equal engine hashes. And a holder may have several
 * hashes for one block: those beside the first one are aliases (`alias-hashes.ts`).
 */
import type { BlockLanes, EngineLanes } from '../domain.ts';
import { AliasHashes } from './alias-hashes.ts';
import { expect } from './expect.ts';
import { type Arena, LINE, LINE_SHIFT } from './memory/arena.ts';
import { HashTable } from './memory/hash-table.ts';
import { PairMap } from './memory/pair-map.ts';

export class EngineHashes {
  readonly #arena: Arena;
  readonly #table: HashTable;
  /** (holder, line) → the line with the holder's own hashes. */
  readonly #ownLines: PairMap;
  readonly #aliases: AliasHashes;
  /** Whether `next` goes on among the aliases. */
  #amongAliases = false;
  #hi = 0;
  #lo = 0;
  /** By holder: blocks that it has a hash of its own for. */
  readonly #own: Uint32Array;
  /** Whose hash `next` is about. */
  #holder = 0;

  constructor(arena: Arena, options: { capacity: number; maxHolders: number; seed: number }) {
    const { capacity, maxHolders, seed } = options;
    this.#arena = arena;
    this.#table = new HashTable({ lanes: arena.engines, shift: 1, capacity, seed });
    this.#ownLines = new PairMap(Math.ceil(capacity / LINE), seed);
    this.#own = new Uint32Array(maxHolders);
    this.#aliases = new AliasHashes({ capacity: Math.ceil(capacity / ALIAS_SHARE), maxHolders, seed });
  }

  get bytes(): number {
    return this.#table.bytes + this.#ownLines.bytes + this.#aliases.bytes;
  }

  /**
   * The position of a block that this holder may mean, 0 for none; `next` gives further ones. Whether it holds the block is
   * the caller's to know.
   */
  find(holder: number, hi: number, lo: number): number {
    this.#holder = holder;
    this.#hi = hi;
    this.#lo = lo;
    this.#amongAliases = false;
    return this.#means(this.#table.find(hi, lo)) || this.#firstAlias();
  }

  prefetch(hashes: EngineLanes, from: number, count: number): void {
    this.#table.prefetch(hashes, from, count);
  }

  /** As long as nothing is announced or forgotten. */
  next(): number {
    if (this.#amongAliases) return this.#aliases.next();
    return this.#means(this.#table.next()) || this.#firstAlias();
  }

  /**
   * Blocks that were not there before have these hashes, from the `from`-th on. Returns the positions of those that cannot be
   * distinguished from others by theirs, as it stands for too many blocks already.
   */
  announceNew(first: number, count: number, lanes: EngineLanes, from: number): readonly number[] {
    const { engines } = this.#arena;
    copyLanes(lanes, from, engines, first, count);
    let refused: number[] | undefined;
    for (let done = 0; done < count; ) {
      done += this.#table.insertAll(first + done, count - done);
      if (done === count) break;
      engines[2 * (first + done)] = 0;
      engines[2 * (first + done) + 1] = 0;
      refused = [...(refused ?? []), first + done++];
    }
    return refused ?? NONE;
  }

  /** A holder announces blocks that others hold already. false: at least one of these hashes does not identify its block. */
  announce(holder: number, first: number, count: number, lanes: EngineLanes, from: number): boolean {
    const { engines } = this.#arena;
    for (let i = 0; i < count; i++) {
      const hi = lanes[2 * (from + i)]!;
      const lo = lanes[2 * (from + i) + 1]!;
      const at = 2 * (first + i);
      if (engines[at] === hi && engines[at + 1] === lo) continue;
      if (!this.#isAnnounced(first + i)) {
        engines[at] = hi;
        engines[at + 1] = lo;
        if (this.#table.insert(first + i)) continue;
        engines[at] = 0;
        engines[at + 1] = 0;
      } else if (this.#addOwn(holder, first + i, hi, lo)) continue;
      this.forget(holder, first, i);
      return false;
    }
    return true;
  }

  /** A holder holds a block under this hash as well. Nothing happens if it does already, unless that is one copy more. */
  addAlias(holder: number, position: number, hi: number, lo: number, again: 'copy' | 'same'): void {
    this.#aliases.add(holder, position, hi, lo, again);
  }

  /** A holder has one copy less of a block under an alias. false: it is none. */
  removeAlias(holder: number, position: number, hi: number, lo: number): boolean {
    return this.#aliases.remove(holder, position, hi, lo);
  }

  /**
   * The last copy under the holder's first hash for a block is gone: an alias takes its place. Returns how many copies there are under
   * that; 0 if there is none, and the block is gone.
   */
  promoteAlias(holder: number, position: number): number {
    const alias = this.#aliases.take(holder, position);
    if (alias === undefined) return 0;
    const own = this.#ownAt(holder, position);
    if (own !== 0) this.#deleteOwn(holder, own);
    return this.#addOwn(holder, position, alias.hi, alias.lo) ? alias.copies : 0;
  }

  /** Whether this is the holder's first hash of a block that it holds. */
  isOf(holder: number, position: number, hi: number, lo: number): boolean {
    const at = 2 * (this.#ownAt(holder, position) || position);
    return this.#arena.engines[at] === hi && this.#arena.engines[at + 1] === lo;
  }

  /** The holder no longer holds these blocks. */
  forget(holder: number, first: number, count: number): void {
    for (let at = first; this.#own[holder] !== 0 && at < first + count; at++) {
      const own = this.#ownAt(holder, at);
      if (own !== 0) this.#deleteOwn(holder, own);
    }
    this.#aliases.forget(holder, first, count);
  }

  /** Nobody holds these blocks any more. */
  forgetBlocks(first: number, count: number): void {
    const { engines } = this.#arena;
    for (let at = first; at < first + count; at++) {
      if (!this.#isAnnounced(at)) continue;
      this.#table.delete(at);
      engines[2 * at] = 0;
      engines[2 * at + 1] = 0;
    }
  }

  /** Throws what is wrong. @param positions of all blocks */
  check(positions: Iterable<number>, holds: (holder: number, position: number) => boolean): void {
    const { ours, engines } = this.#arena;
    let references = 0;
    const expectFound = (position: number) => {
      references++;
      let found = this.#table.find(engines[2 * position]!, engines[2 * position + 1]!);
      while (found !== 0 && found !== position) found = this.#table.next();
      expect(found === position, `the block at ${position} is found by its engine's hash`);
    };
    for (const position of positions) if (this.#isAnnounced(position)) expectFound(position);
    const own = new Map<number, number>();
    this.#ownLines.forEach((holder, line, ownLine) => {
      const key = (2 * ownLine) << LINE_SHIFT;
      expect(this.#arena.isOwnLine(ownLine), `line ${ownLine} is somebody's own`);
      expect(ours[key] === holder && ours[key + 1] === line, `line ${ownLine} knows whose it is`);
      for (let i = 0; i < LINE; i++) {
        const at = (ownLine << LINE_SHIFT) + i;
        if (!this.#isAnnounced(at)) continue;
        expectFound(at);
        own.set(holder, (own.get(holder) ?? 0) + 1);
        expect(holds(holder, (line << LINE_SHIFT) + i), `holder ${holder} holds what it has a hash for`);
      }
    });
    expect(this.#table.size === references, `${references} engine hashes`);
    this.#aliases.check(holds);
    for (const [holder, count] of own)
      expect(this.#own[holder] === count, `holder ${holder}: ${count} own hashes`);
  }

  #firstAlias(): number {
    this.#amongAliases = true;
    return this.#aliases.find(this.#holder, this.#hi, this.#lo);
  }

  /** The position that has this holder's own hash of a block, 0 if it has none. */
  #ownAt(holder: number, position: number): number {
    if (this.#own[holder] === 0) return 0;
    const line = this.#ownLines.get(holder, position >> LINE_SHIFT);
    if (line === 0) return 0;
    const own = (line << LINE_SHIFT) + (position & (LINE - 1));
    return this.#isAnnounced(own) ? own : 0;
  }

  /** The position that a reference of the table stands for, if it can be this holder's; or the next one's. */
  #means(reference: number): number {
    const { ours } = this.#arena;
    for (let found = reference; found !== 0; found = this.#table.next()) {
      const line = found >> LINE_SHIFT;
      if (!this.#arena.isOwnLine(line)) {
        if (this.#ownAt(this.#holder, found) === 0) return found;
      } else if (ours[(2 * line) << LINE_SHIFT] === this.#holder) {
        return (ours[((2 * line) << LINE_SHIFT) + 1]! << LINE_SHIFT) + (found & (LINE - 1));
      }
    }
    return 0;
  }

  #isAnnounced(position: number): boolean {
    const { engines } = this.#arena;
    return engines[2 * position] !== 0 || engines[2 * position + 1] !== 0;
  }

  #addOwn(holder: number, position: number, hi: number, lo: number): boolean {
    const { ours, engines } = this.#arena;
    let line = this.#ownLines.get(holder, position >> LINE_SHIFT);
    if (line === 0) {
      line = this.#ownLines.isFull ? 0 : this.#arena.allocateOwnLine();
      if (line === 0) return false;
      const key = (2 * line) << LINE_SHIFT;
      engines.fill(0, key, key + 2 * LINE);
      ours[key] = holder;
      ours[key + 1] = position >> LINE_SHIFT;
      this.#ownLines.set(holder, position >> LINE_SHIFT, line);
    }
    const own = (line << LINE_SHIFT) + (position & (LINE - 1));
    engines[2 * own] = hi;
    engines[2 * own + 1] = lo;
    this.#arena.occupyOwn(line);
    this.#own[holder]!++;
    if (this.#table.insert(own)) return true;
    this.#deleteOwn(holder, own);
    return false;
  }

  #deleteOwn(holder: number, own: number): void {
    const { ours, engines } = this.#arena;
    this.#table.delete(own);
    engines[2 * own] = 0;
    engines[2 * own + 1] = 0;
    this.#own[holder]!--;
    const line = own >> LINE_SHIFT;
    const about = ours[((2 * line) << LINE_SHIFT) + 1]!;
    if (this.#arena.vacateOwn(line)) this.#ownLines.delete(holder, about);
  }
}

const NONE: readonly number[] = [];
/** One alias for so many blocks at the most. */
const ALIAS_SHARE = 16;
/** Below this many blocks a loop is faster than what it takes to make a view. */
const FEW = 24;

/** Copies the hashes of `count` blocks. */
export function copyLanes<Lanes extends BlockLanes | EngineLanes>(
  from: Lanes,
  fromBlock: number,
  to: Lanes,
  toBlock: number,
  count: number,
): void {
  const source = 2 * fromBlock;
  const target = 2 * toBlock;
  if (count <= FEW) for (let i = 0; i < 2 * count; i++) to[target + i] = from[source + i]!;
  else to.set(from.subarray(source, source + 2 * count), target);
}
