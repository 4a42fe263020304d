/**
 * Which holders hold how much of a prompt.
 *
 *   prompt          b0 b1 b2 b3 b4 b5 b6 b7 b8
 *                   ├──── run 1 ────┤├ run 2 ┤├ run 5
 *   run 1           b0 b1 b2 b3 b4                    held by A, B, C
 *   run 2                          b5 b6 b7           held by A, B
 *   run 3                                   x8 x9     held by A
 *   run 5                                   b8        held by B
 *
 *   found: 9 blocks by B, 8 by A, 5 by C
 *
 * A block's hash covers all that precedes it, so equal hashes at one place prove equal prefixes. A run is an extent of
 * consecutive blocks of one chain that are held by the same holders. A table leads from the hash of a run's first block to
 * the run; nothing leads from any other block's. Walking down a prompt takes one probe and one comparison, with the hash of
 * the run's last block, per run; only where the prompt leaves a run is it bisected. The result is the path: the runs
 * walked through, and how far each reached (`path.ts`).
 *
 * A run's blocks lie side by side in the arena (`arena.ts`), and so do those of a chain that was stored at once: a run that
 * is cut, because somebody holds only a part of it, stays where it is, and becomes one again when the holders of its parts
 * are equal again. Engines evict a sequence's tail first, block by block: then only the border between two runs moves.
 *
 * Invariants (`check.ts` has them all):
 * - a block has one position, whoever holds it; a position belongs to one run or to none;
 * - a run has holders; two runs of a chain that lie side by side have different ones;
 * - a block that is the first of no run follows, in its chain, the block at the position before.
 */
import type { BlockChain, BlockHash, BlockLanes, EngineHash, EngineLanes, HolderId } from '../domain.ts';
import { Capacity } from './capacity.ts';
import { ChainWriter } from './chain-writer.ts';
import { checkIndex } from './check.ts';
import { Copies } from './copies.ts';
import { EngineHashes } from './engine-hashes.ts';
import { expect } from './expect.ts';
import { HolderExtents } from './holder-extents.ts';
import { Membership } from './membership.ts';
import { Arena, LINE } from './memory/arena.ts';
import { BuddyAllocator } from './memory/buddy-allocator.ts';
import { MAX_REFERENCES } from './memory/hash-table.ts';
import { Path } from './path.ts';
import { type Announcement, type IndexSize, type Place, type PrefixIndex, START } from './prefix-index.ts';
import { RunMap } from './run-map.ts';
import { FIRST, LAST, LENGTH, NEXT, OFFSET, RUN_SHIFT } from './runs.ts';

const NONE: readonly Place[] = [];

export interface RunIndexOptions {
  /** Bytes of memory for all that grows with what is held. Beyond it what was stored longest ago is evicted. */
  readonly capacityBytes: number;
  /** One above the largest holder. */
  readonly maxHolders?: number;
  /** Any 32-bit number that engines do not know. */
  readonly seed?: number;
}

const MAX_HOLDERS = 1 << 17;

export class RunIndex implements PrefixIndex {
  readonly #maxHolders: number;
  readonly #arena: Arena;
  readonly #heap: BuddyAllocator;
  readonly #runs: RunMap;
  readonly #engineHashes: EngineHashes;
  readonly #holderExtents: HolderExtents;
  readonly #copies: Copies;
  readonly #members: Membership;
  readonly #capacity: Capacity;
  readonly #writer: ChainWriter;
  readonly #path: Path;
  /** What `remove` returns, where that is one. */
  readonly #one: [Place] = [START];

  constructor({ capacityBytes, maxHolders = MAX_HOLDERS, seed = 0 }: RunIndexOptions) {
    const blocks = Math.min(MAX_REFERENCES - 2 * LINE, Math.ceil(capacityBytes / 16));
    const maxRuns = Math.min(MAX_REFERENCES - 1, Math.ceil(capacityBytes / 64));
    this.#maxHolders = maxHolders;
    this.#arena = new Arena(blocks);
    // Twice what may be in use: free pieces between others may be of no use for a larger one.
    this.#heap = new BuddyAllocator(Math.ceil(capacityBytes / 2) + (1 << 16));
    const maxPositions = blocks + 2 * LINE;
    this.#runs = new RunMap({ arena: this.#arena, heap: this.#heap, maxRuns, maxPositions, seed });
    this.#engineHashes = new EngineHashes(this.#arena, { capacity: blocks, maxHolders, seed });
    this.#holderExtents = new HolderExtents(this.#heap, maxHolders);
    this.#copies = new Copies(Math.ceil(blocks / 4), maxHolders, seed);
    const parts = {
      ...{ arena: this.#arena, heap: this.#heap, runs: this.#runs, engineHashes: this.#engineHashes },
      ...{ holderExtents: this.#holderExtents, copies: this.#copies },
    };
    this.#members = new Membership(parts);
    this.#capacity = new Capacity({ ...parts, members: this.#members }, capacityBytes);
    this.#writer = new ChainWriter(this.#arena, this.#runs, this.#engineHashes);
    this.#path = new Path(this.#runs, this.#heap);
  }

  size(): IndexSize {
    return { blocks: this.#arena.blocks, entries: this.#members.entries };
  }

  get runs(): number {
    return this.#runs.runs.size;
  }

  /** Bytes of memory in use. */
  get bytes(): number {
    return this.#capacity.used;
  }

  /** (block, holder) pairs that were evicted because there was no room. */
  get evicted(): number {
    return this.#capacity.evicted;
  }

  held(holder: HolderId): number {
    return this.#holderExtents.held(holder);
  }

  find({ lanes, length }: BlockChain): Path {
    const path = this.#path;
    const { records } = this.#runs;
    const { runs, depths } = path.reserve(length);
    let steps = 0;
    for (let depth = 0; depth < length; ) {
      let run = this.#runs.startingWith(lanes[2 * depth]!, lanes[2 * depth + 1]!);
      if (run === 0) break;
      // What lies right behind it in place most likely is next in the prompt, too: whole runs need one comparison each.
      while (run !== 0 && depth < length) {
        const at = run << RUN_SHIFT;
        const end = depth + records[at + LENGTH]!;
        const last = 2 * end - 2;
        if (
          end <= length &&
          lanes[last] === records[at + LAST] &&
          lanes[last + 1] === records[at + LAST + 1]
        ) {
          depth = end;
          runs[steps] = run;
          depths[steps++] = end;
          run = records[at + NEXT]!;
          continue;
        }
        if (lanes[2 * depth] === records[at + FIRST] && lanes[2 * depth + 1] === records[at + FIRST + 1]) {
          depth += this.#common(records[at + OFFSET]!, end - depth, lanes, depth, length);
          runs[steps] = run;
          depths[steps++] = depth;
        }
        break;
      }
    }
    path.length = steps;
    return path;
  }

  locate(holder: HolderId, { hi, lo }: EngineHash): Place | undefined {
    return this.#heldFrom(holder, this.#engineHashes.find(holder, hi, lo));
  }

  locateAll(holder: HolderId, engineHash: EngineHash): Place[] {
    const place = this.locate(holder, engineHash);
    return place === undefined ? [] : [...this.#withOthersOf(holder, place)];
  }

  startOf(place: Place): Place {
    let run = this.#runs.at(place);
    for (let parent = this.#runs.parentOf(run); parent !== 0; parent = this.#runs.parentOf(run)) run = parent;
    return this.#runs.offset(run) as Place;
  }

  holdsAt(holder: HolderId, place: Place): boolean {
    return this.#holds(holder, place);
  }

  hashAt(place: Place): BlockHash {
    return this.#arena.hashAt(place);
  }

  store(holder: HolderId, chain: BlockChain, { after, engineHashes, again }: Announcement): number {
    const { lanes } = chain;
    // Of a longer one only the head is stored.
    const length = Math.min(chain.length, this.#capacity.longestChain);
    let position: number = after;
    if (!this.#capacity.makeRoom(length, position)) return 0;
    const before = this.#holderExtents.held(holder);
    for (let done = 0; done < length; ) {
      const run = position === START ? 0 : this.#runs.at(position);
      const found = this.#blockAfter(run, position, lanes[2 * done]!, lanes[2 * done + 1]!);
      if (found === 0) {
        const count = this.#unknownFrom(lanes, done, length);
        const added = (first: number, blocks: number) => this.#members.added(holder, first, blocks);
        const last = this.#writer.write(holder, position, { lanes, engineHashes, from: done, count }, added);
        if (last === 0) break;
        position = last;
        done += count;
        continue;
      }
      const itsRun = this.#runs.at(found);
      const blocks = this.#common(found, this.#runs.end(itsRun) - found, lanes, done, length);
      if (this.#runs.sets.has(itsRun, holder)) {
        if (engineHashes) this.#announceAgain(holder, found, blocks, engineHashes, done, again);
      } else {
        if (engineHashes && !this.#engineHashes.announce(holder, found, blocks, engineHashes, done)) break;
        this.#members.hold(holder, itsRun, found, blocks);
      }
      if (position !== START) this.#runs.follow(found, position);
      position = found + blocks - 1;
      done += blocks;
    }
    if (position !== START) this.#capacity.touch(position);
    const { refused } = this.#writer;
    if (refused.length > 0) for (const each of refused.splice(0)) this.#members.drop(holder, each);
    return this.#holderExtents.held(holder) - before;
  }

  storeAt(holder: HolderId, place: Place, engineHash: EngineHash | undefined): void {
    const run = this.#runs.at(place);
    if (run === 0) return;
    const hashes = engineHash && (Uint32Array.of(engineHash.hi, engineHash.lo) as EngineLanes);
    if (this.#runs.sets.has(run, holder)) {
      if (hashes) this.#announceAgain(holder, place, 1, hashes, 0, 'copy');
    } else if (hashes === undefined || this.#engineHashes.announce(holder, place, 1, hashes, 0)) {
      this.#members.hold(holder, run, place, 1);
    }
  }

  storeAllOf(other: HolderId, holder: HolderId): void {
    this.#members.holdAllOf(other, holder);
  }

  remove(holder: HolderId, engineHash: EngineHash): readonly Place[] {
    const place = this.locate(holder, engineHash);
    if (place === undefined) return NONE;
    const places = this.#withOthersOf(holder, place);
    let gone = 0;
    for (const each of places) {
      if (!this.#isLastCopy(holder, each, engineHash)) continue;
      this.#members.drop(holder, each);
      places[gone++] = each;
    }
    this.#capacity.settle();
    return gone === places.length ? places : places.slice(0, gone);
  }

  prefetch(engineHashes: EngineLanes, from: number, count: number): void {
    this.#engineHashes.prefetch(engineHashes, from, count);
  }

  removeAt(holder: HolderId, place: Place): void {
    if (!this.#holds(holder, place)) return;
    this.#members.drop(holder, place);
    this.#capacity.settle();
  }

  clear(holder: HolderId): void {
    this.#members.clear(holder);
  }

  /** Throws what is wrong, if anything is. For tests. */
  check(): void {
    const entries = checkIndex({
      arena: this.#arena,
      runs: this.#runs,
      engineHashes: this.#engineHashes,
      holderExtents: this.#holderExtents,
      copies: this.#copies,
      maxHolders: this.#maxHolders,
    });
    expect(this.#members.entries === entries, `${entries} entries`);
  }

  /** The first of those that the engine may mean that it holds. */
  #heldFrom(holder: number, meant: number): Place | undefined {
    let position = meant;
    while (position !== 0 && !this.#holds(holder, position)) position = this.#engineHashes.next();
    return position === 0 ? undefined : (position as Place);
  }

  /** What was located last, and all else that the holder has under the same hash. */
  #withOthersOf(holder: number, place: Place): Place[] {
    let other = this.#heldFrom(holder, this.#engineHashes.next());
    if (other === undefined) {
      this.#one[0] = place;
      return this.#one;
    }
    const places = [place];
    for (; other !== undefined; other = this.#heldFrom(holder, this.#engineHashes.next())) places.push(other);
    return places;
  }

  #holds(holder: number, position: number): boolean {
    const run = this.#runs.at(position);
    return run !== 0 && this.#runs.sets.has(run, holder);
  }

  /** How many blocks of a prompt, from `depth` on, are those from a position on. The first one is. */
  #common(position: number, blocks: number, lanes: BlockLanes, depth: number, length: number): number {
    const { ours } = this.#arena;
    let equal = 1;
    let differs = Math.min(blocks, length - depth) + 1;
    // The last one first: a prompt that leaves a run is the exception.
    for (let at = differs - 1; at > equal; at = (equal + differs) >>> 1) {
      const a = 2 * (position + at - 1);
      const b = 2 * (depth + at - 1);
      if (ours[a] === lanes[b] && ours[a + 1] === lanes[b + 1]) equal = at;
      else differs = at;
    }
    return equal;
  }

  /** The position of the block with this hash that follows the one at `position`; 0 if it is not there. */
  #blockAfter(run: number, position: number, hi: number, lo: number): number {
    if (run !== 0 && position + 1 < this.#runs.end(run)) {
      const { ours } = this.#arena;
      const at = 2 * (position + 1);
      if (ours[at] === hi && ours[at + 1] === lo) return position + 1;
    }
    const found = this.#runs.startingWith(hi, lo);
    return found === 0 ? 0 : this.#runs.offset(found);
  }

  /** How many blocks from `from` on are not there. The first one is not. */
  #unknownFrom(lanes: BlockLanes, from: number, length: number): number {
    if (!this.#members.mayHaveHoles) return length - from;
    let to = from + 1;
    while (to < length && this.#runs.startingWith(lanes[2 * to]!, lanes[2 * to + 1]!) === 0) to++;
    return to - from;
  }

  /** Blocks that the holder holds already: under these hashes, too, or one copy more. */
  #announceAgain(
    holder: number,
    first: number,
    blocks: number,
    hashes: EngineLanes,
    from: number,
    again: Announcement['again'],
  ): void {
    for (let i = 0; i < blocks; i++) {
      const hi = hashes[2 * (from + i)]!;
      const lo = hashes[2 * (from + i) + 1]!;
      if (!this.#engineHashes.isOf(holder, first + i, hi, lo))
        this.#engineHashes.addAlias(holder, first + i, hi, lo, again);
      else if (again === 'copy') this.#copies.add(holder, first + i);
    }
  }

  /** One copy of a block is gone, under one of the holder's hashes for it: whether there is none left under any. */
  #isLastCopy(holder: number, position: number, { hi, lo }: EngineHash): boolean {
    if (!this.#engineHashes.isOf(holder, position, hi, lo)) {
      this.#engineHashes.removeAlias(holder, position, hi, lo);
      return false;
    }
    if (this.#copies.remove(holder, position)) return false;
    const copies = this.#engineHashes.promoteAlias(holder, position);
    for (let further = 1; further < copies; further++) this.#copies.add(holder, position);
    return copies === 0;
  }
}
