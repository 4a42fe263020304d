/**
 * What one rank holds of KV-cache groups beside the main one.
 *
 * vLLM hashes a prompt in steps of the greatest common divisor of all groups' block sizes, and a block of any group has the hash of
 * the prompt up to its end. So blocks of two groups that end at the same token have the same hash, and those that end at another one have
 * hashes that the other group never announces:
 *
 *   tokens            0       16      32      48      64      80      96      112     128
 *   main group, 64    ├───────────── a ──────────────┤├───────────── b ──────────────┤
 *   a window, 16      ├── p ──┤├── q ──┤├── r ──┤├─ a ─┤├── s ──┤├── t ──┤├── u ──┤├─ b ─┤
 *
 * A cell is what lies between two common ends, and it is identified by the hash of its end (a, b). The index keeps, under the main group's
 * block that ends there, two facts of a cell: that the group has all of its blocks, and that it has as many of the last ones as a
 * window takes beyond whole cells. That is all that a look-up needs (`multi-part-match.ts`), whatever the sizes.
 *
 * Where a cell has one block (groups of equal size, or of larger blocks than the main one's) the index alone has all of it. Otherwise,
 * and while the main group has not announced a hash, the blocks are in `group-cells.ts`, each with the one before it: an event's
 * hashes follow each other. Windows leave blocks out, those that no prefix can need: what is announced of a cell are its last blocks
 * (`reachable_block_mask`), or what follows the blocks that a window has passed. So where an event names fewer blocks than its tokens
 * make, those before a cell's end are taken to be next to it. The blocks left out have no name: where another prompt that parts in
 * the same cell announces them, they are not known to be the same, and less is claimed.
 *
 * Bounded: 524,288 such blocks a rank; for more, some of those that were announced longest ago are evicted, and no longer claimed.
 */

import type { CacheState } from '../../cache/cache-state.ts';
import type { GroupNeed, Hybrid } from '../../cache/holders.ts';
import type { HolderId } from '../../domain.ts';
import { type EngineHash, type EngineHashes, each, type StoredEvent } from '../decoding/decoding.ts';
import type { SecondaryRole } from './cache-groups.ts';
import { type CellShape, cellShapeOf, leastCommonMultiple } from './cell-shape.ts';
import { type CellGroup, type Cells, GroupCells } from './group-cells.ts';

export interface SecondaryGroupsOptions {
  readonly pod: string;
  readonly rank: number;
  readonly gpu: HolderId;
  readonly cache: Pick<CacheState, 'index' | 'holders'>;
  /** Any 32-bit number that engines do not know. */
  readonly seed: number;
  /** What a prefix needs has changed. */
  readonly composed: () => void;
}

interface Group extends CellGroup {
  readonly role: SecondaryRole;
}

export class SecondaryGroups {
  readonly #options: SecondaryGroupsOptions;
  readonly #groups = new Map<number, Group>();
  #mainBlockSizeTokens: number | undefined;
  readonly #cells: GroupCells;
  #ordinals = 0;

  constructor(options: SecondaryGroupsOptions) {
    this.#options = options;
    const { gpu, cache, seed } = options;
    this.#cells = new GroupCells({ gpu, index: cache.index, seed, cellsOf: of => this.#cellsWith(of) });
  }

  /** Tokens in a block of the main group; undefined while it is not known. */
  get mainBlockSizeTokens(): number | undefined {
    return this.#mainBlockSizeTokens;
  }

  /** There is the main group only, as far as is known. */
  get isEmpty(): boolean {
    return this.#groups.size === 0;
  }

  /** undefined: there is the main group only. */
  get hybrid(): Hybrid | undefined {
    if (this.#groups.size === 0 || this.#mainBlockSizeTokens === undefined) return undefined;
    const needs = [...this.#groups.values()].map(({ cells }) => cells!.need);
    const alignBlocks = needs.reduce((all, { cellBlocks }) => leastCommonMultiple(all, cellBlocks), 1);
    return { alignBlocks, needs };
  }

  /** Returns how many blocks are known, or, where cells have several, how many were taken. */
  store(role: SecondaryRole, event: StoredEvent): number {
    const group = this.#ensure(role);
    const { hashes } = event;
    if (group.cells?.blocks !== 1) {
      this.#cells.store(group, event);
      return group.cells === undefined ? 0 : hashes.length;
    }
    let known = 0;
    for (const hash of each(hashes)) {
      if (this.#place(group.cells, hash)) known++;
      else this.#cells.keep(group, hash);
    }
    return known;
  }

  /** Returns how many blocks are held no longer. */
  remove({ group: number }: SecondaryRole, hashes: EngineHashes): number {
    const group = this.#groups.get(number);
    if (group === undefined) return 0;
    let gone = 0;
    for (const hash of each(hashes)) {
      const removed = this.#cells.remove(group, hash);
      if (removed === 'gone') gone++;
      else if (removed === 'unknown' && group.cells?.blocks === 1)
        gone += this.#options.cache.index.remove(group.cells.holders[0]!.id, hash).length;
    }
    return gone;
  }

  /** The main group has stored these. */
  placed(hashes: EngineHashes): void {
    if (this.#cells.isEmpty) return;
    for (const group of this.#groups.values()) {
      const { cells, ordinal } = group;
      if (cells === undefined) continue;
      if (cells.blocks > 1) this.#cells.end(ordinal, cells, hashes);
      else
        for (const hash of each(hashes))
          for (let copies = this.#cells.take(group, hash); copies > 0; copies--) this.#place(cells, hash);
    }
  }

  /** The main group is this one, and its blocks have this size. */
  mainIs(number: number | undefined, blockSizeTokens: number): void {
    // Cells of another size: what is in them is not known any more.
    if (this.#mainBlockSizeTokens !== undefined) this.clear();
    this.#mainBlockSizeTokens = blockSizeTokens;
    if (this.#groups.size === 0) return;
    if (number !== undefined) this.#leave(number);
    for (const group of this.#groups.values()) this.#shape(group.role, group.ordinal);
    this.#options.composed();
  }

  /** They hold nothing, and are what they were. */
  clear(): void {
    this.#cells.clear();
    for (const group of this.#groups.keys()) this.#clearCells(group);
  }

  /** It may be another process now, with other groups. */
  forget(): void {
    this.#mainBlockSizeTokens = undefined;
    if (this.#groups.size === 0) return;
    for (const number of [...this.#groups.keys()]) this.#leave(number);
    this.#cells.clear();
    this.#options.composed();
  }

  /** false: the main group does not hold it. */
  #place({ holders }: Cells, hash: EngineHash): boolean {
    const { index } = this.#options.cache;
    const place = index.locate(this.#options.gpu, hash);
    if (place !== undefined) index.storeAt(holders[0]!.id, place, hash);
    return place !== undefined;
  }

  #ensure(role: SecondaryRole): Group {
    const known = this.#groups.get(role.group);
    if (known?.role === role) return known;
    // Other blocks, or another window, than before. Its blocks stay behind under the old ordinal, and are evicted in time.
    const isSame = known?.role.blockSizeTokens === role.blockSizeTokens && (known.cells?.blocks ?? 1) === 1;
    if (!isSame) this.#clearCells(role.group);
    const group = this.#shape(role, isSame ? known.ordinal : this.#ordinals++);
    this.#options.composed();
    return group;
  }

  #shape(role: SecondaryRole, ordinal: number): Group {
    const main = this.#mainBlockSizeTokens;
    const cells = main === undefined ? undefined : this.#cellsOf(role, cellShapeOf(role, main));
    const group = { role, ordinal, cells };
    this.#groups.set(role.group, group);
    return group;
  }

  #cellsOf({ group }: SecondaryRole, shape: CellShape): Cells {
    const { pod, rank, cache } = this.#options;
    const { cellBlocks, wholeCells, tailBlocks } = shape;
    const whole = () => cache.holders.ensure(pod, { kind: 'group', rank, group });
    const tail = () => cache.holders.ensure(pod, { kind: 'group-tail', rank, group });
    const holders = [];
    if (wholeCells > 0) holders.push({ id: whole(), blocks: shape.blocks });
    if (tailBlocks > 0) holders.push({ id: tail(), blocks: tailBlocks });
    const need: GroupNeed =
      wholeCells === 0
        ? { cellBlocks, cells: 1, holder: tail(), before: undefined }
        : { cellBlocks, cells: wholeCells, holder: whole(), before: tailBlocks > 0 ? tail() : undefined };
    return { ...shape, holders, need };
  }

  #cellsWith(ordinal: number): Cells | undefined {
    for (const group of this.#groups.values()) if (group.ordinal === ordinal) return group.cells;
    return undefined;
  }

  #clearCells(group: number): void {
    for (const id of this.#holdersOf(group)) this.#options.cache.index.clear(id);
  }

  #leave(group: number): void {
    this.#clearCells(group);
    for (const id of this.#holdersOf(group)) this.#options.cache.holders.release(id);
    this.#groups.delete(group);
  }

  #holdersOf(group: number): HolderId[] {
    const { pod, rank, cache } = this.#options;
    const kinds = ['group', 'group-tail'] as const;
    return kinds.flatMap(kind => cache.holders.find(pod, { kind, rank, group }) ?? []);
  }
}
