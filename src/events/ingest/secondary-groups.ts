/**
 * What one rank holds of KV-cache groups beside the main one.
 *
 * vLLM hashes a prompt in steps of the greatest common divisor of all groups' block sizes, and a block of any group has the hash of
 * the prompt up to its end. So blocks of two groups that end at the same token have the same hash, and those that end elsewhere have
 * hashes that the other group never announces:
 *
 *   tokens            0       16      32      48      64      80      96      112     128
 *   main group, 64    ├───────────── a ──────────────┤├───────────── b ──────────────┤
 *   a window, 16      ├── p ──┤├── q ──┤├── r ──┤├─ a ─┤├── s ──┤├── t ──┤├── u ──┤├─ b ─┤
 *
 * A cell is what lies between two common ends, and it is told by the hash of its end (a, b). The index keeps, under the main group's
 * block that ends there, two facts of a cell: that the group has all of its blocks, and that it has as many of the last ones as a
 * window takes beyond whole cells. That is all that a look-up needs (`multi-part-match.ts`), whatever the sizes.
 *
 * Where a cell has one block (groups of equal size, or of larger blocks than the main one's) the index alone has all of it. Otherwise,
 * and while the main group has not announced a hash, the blocks are in `secondary-blocks.ts`, each with the one before it: an event's
 * hashes follow each other. Windows leave blocks out, those that no prefix can need: what is announced of a cell are its last blocks
 * (`reachable_block_mask`), or what follows the blocks that a window has passed. So where an event names fewer blocks than its tokens
 * make, those before a cell's end are taken to be next to it.
 *
 * Bounded: 524,288 such blocks a rank; for more, some of those that were announced longest ago are evicted, and no longer claimed.
 */

import type { CacheState } from '../../cache/cache-state.ts';
import type { GroupNeed, Hybrid } from '../../cache/holders.ts';
import type { HolderId } from '../../domain.ts';
import { type EngineHash, type EngineHashes, each, hashAt, type StoredEvent } from '../decoding/decoding.ts';
import type { SecondaryRole } from './cache-groups.ts';
import { type CellShape, cellShapeOf, leastCommonMultiple } from './cell-shape.ts';
import { type BlockRef, SecondaryBlocks } from './secondary-blocks.ts';

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

interface Group {
  readonly role: SecondaryRole;
  /** A small integer. */
  readonly ordinal: number;
  /** undefined while the main group is not known. */
  readonly cells: Cells | undefined;
}

interface Cells extends CellShape {
  /** Who holds cells, by how many of their last blocks the group has. */
  readonly holders: readonly { readonly id: HolderId; readonly blocks: number }[];
  readonly need: GroupNeed;
}

export class SecondaryGroups {
  readonly #options: SecondaryGroupsOptions;
  readonly #groups = new Map<number, Group>();
  #mainBlockSizeTokens: number | undefined;
  #blocks: SecondaryBlocks | undefined;
  #ordinals = 0;

  constructor(options: SecondaryGroupsOptions) {
    this.#options = options;
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
    return { blockSizeTokens: this.#mainBlockSizeTokens, alignBlocks, needs };
  }

  /** Returns how many blocks are known, or, where cells have several, how many were taken. */
  store(role: SecondaryRole, event: StoredEvent): number {
    const group = this.#ensure(role);
    const { hashes } = event;
    if (group.cells?.blocks !== 1) {
      this.#storeInCells(group, event);
      return group.cells === undefined ? 0 : hashes.length;
    }
    let known = 0;
    for (const hash of each(hashes)) {
      if (this.#place(group.cells, hash)) known++;
      else this.#keep(group, hash);
    }
    return known;
  }

  /** Returns how many blocks are held no longer. */
  remove({ group: number }: SecondaryRole, hashes: EngineHashes): number {
    const group = this.#groups.get(number);
    let gone = 0;
    for (const hash of each(hashes)) {
      if (group !== undefined && this.#removeOne(group, hash)) gone++;
    }
    return gone;
  }

  /** The main group has stored these. */
  placed(hashes: EngineHashes): void {
    if (this.#blocks === undefined || this.#blocks.size === 0) return;
    for (const group of this.#groups.values()) {
      if (group.cells === undefined) continue;
      if (group.cells.blocks === 1) this.#placeKept(group, group.cells, hashes);
      else this.#endCells(group, hashes);
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
    this.#blocks = undefined;
    for (const group of this.#groups.keys()) this.#clearCells(group);
  }

  /** It may be another process now, with other groups. */
  forget(): void {
    this.#mainBlockSizeTokens = undefined;
    if (this.#groups.size === 0) return;
    for (const number of [...this.#groups.keys()]) this.#leave(number);
    this.#blocks = undefined;
    this.#options.composed();
  }

  #storeInCells({ ordinal, cells }: Group, { hashes, parent, tokenIds, blockSizeTokens }: StoredEvent): void {
    const blocks = this.#ensureBlocks();
    const isComplete = tokenIds.length === hashes.length * blockSizeTokens;
    const from = Math.max(0, hashes.length - blocks.capacity / 2);
    this.#makeRoom(hashes.length - from + 1);
    const stored: BlockRef[] = [];
    let before = isComplete && parent !== undefined && from === 0 ? this.#blockOf(ordinal, parent) : 0;
    for (let i = from; i < hashes.length; i++) {
      const block = this.#blockOf(ordinal, hashAt(hashes, i));
      if (block === 0) continue;
      if (isComplete && (i > 0 || before !== 0 || parent === undefined)) blocks.setParent(block, before);
      else if (before !== 0) blocks.inferParent(block, before);
      blocks.addCopy(block);
      stored.push(block);
      before = block;
    }
    if (cells === undefined) return;
    for (let i = 0; i < stored.length; i++) {
      if (blocks.isEnd(stored[i]!)) this.#settle(cells, stored[i]!);
      else this.#settleAfter(cells, stored[i]!, stored[i + 1]);
    }
  }

  #removeOne(group: Group, hash: EngineHash): boolean {
    const { cells, ordinal } = group;
    const block = this.#blocks?.find(ordinal, hash) ?? 0;
    if (block === 0 || this.#blocks!.copiesOf(block) === 0) {
      if (cells?.blocks !== 1) return false;
      return cells.holders.some(({ id }) => this.#options.cache.index.remove(id, hash).length > 0);
    }
    if (this.#blocks!.removeCopy(block) > 0) return false;
    if (cells !== undefined && cells.blocks > 1) this.#settleFrom(cells, block);
    this.#blocks!.prune(block);
    return cells !== undefined && cells.blocks > 1;
  }

  // ---- cells of one block

  /** false: the main group does not hold it. */
  #place({ holders }: Cells, hash: EngineHash): boolean {
    const { index } = this.#options.cache;
    const [{ id }] = holders as readonly [Cells['holders'][number]];
    const place = index.locate(this.#options.gpu, hash) ?? index.locate(id, hash);
    if (place !== undefined) index.storeAt(id, place, hash);
    return place !== undefined;
  }

  #keep({ ordinal }: Group, hash: EngineHash): void {
    const blocks = this.#ensureBlocks();
    this.#makeRoom(1);
    const block = this.#blockOf(ordinal, hash);
    if (block !== 0) blocks.addCopy(block);
  }

  #placeKept({ ordinal }: Group, cells: Cells, hashes: EngineHashes): void {
    const blocks = this.#blocks!;
    for (const hash of each(hashes)) {
      const block = blocks.find(ordinal, hash);
      if (block === 0) continue;
      for (let copies = blocks.copiesOf(block); copies > 0; copies--) this.#place(cells, hash);
      blocks.delete(block);
    }
  }

  // ---- cells of several blocks

  /** Cells end with these. */
  #endCells({ ordinal, cells }: Group, hashes: EngineHashes): void {
    const blocks = this.#blocks!;
    const ends: BlockRef[] = [];
    const fresh: BlockRef[] = [];
    for (const hash of each(hashes)) {
      const block = blocks.find(ordinal, hash);
      if (block === 0) continue;
      ends.push(block);
      if (blocks.isEnd(block)) continue;
      blocks.markEnd(block);
      fresh.push(block);
    }
    // After all of them are known as ends, or what follows would be walked through again and again.
    for (const block of ends) this.#settle(cells!, block);
    for (const block of fresh) this.#settleAfter(cells!, block, undefined);
  }

  /** A block has come or gone: of which cells is what it was not known before? */
  #settleFrom(cells: Cells, block: BlockRef): void {
    if (this.#blocks!.isEnd(block)) this.#settle(cells, block);
    else this.#settleAfter(cells, block, undefined);
  }

  /** The cells that a block is in, by what follows it. @param except one that is settled by itself */
  #settleAfter(cells: Cells, block: BlockRef, except: BlockRef | undefined): void {
    const blocks = this.#blocks!;
    const open: { readonly block: BlockRef; readonly depth: number }[] = [{ block, depth: 0 }];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      for (let child = blocks.firstChildOf(next.block); child !== 0; child = blocks.nextChild(child)) {
        if (child === except) continue;
        if (blocks.isEnd(child)) this.#settle(cells, child);
        else if (next.depth + 1 < cells.blocks) open.push({ block: child, depth: next.depth + 1 });
      }
    }
  }

  /** Tells the index what the group has of the cell that ends with this block. */
  #settle({ blocks: all, holders }: Cells, end: BlockRef): void {
    const blocks = this.#blocks!;
    let held = 0;
    for (let block = end; block !== 0 && held < all; block = blocks.parentOf(block)) {
      if (blocks.copiesOf(block) === 0 || (held > 0 && blocks.isEnd(block))) break;
      held++;
    }
    const { index } = this.#options.cache;
    const hash = blocks.hashOf(end);
    for (const { id, blocks: needed } of holders) {
      const isHeld = index.locate(id, hash) !== undefined;
      if (isHeld === held >= needed) continue;
      if (isHeld) {
        index.remove(id, hash);
        continue;
      }
      const place = index.locate(this.#options.gpu, hash);
      if (place !== undefined) index.storeAt(id, place, hash);
    }
  }

  // ---- blocks and groups

  /** 0: there is no room. */
  #blockOf(ordinal: number, hash: EngineHash): BlockRef {
    const block = this.#blocks!.ensure(ordinal, hash);
    if (block !== 0 && this.#options.cache.index.locate(this.#options.gpu, hash) !== undefined)
      this.#blocks!.markEnd(block);
    return block;
  }

  #ensureBlocks(): SecondaryBlocks {
    this.#blocks ??= new SecondaryBlocks(this.#options.seed);
    return this.#blocks;
  }

  #makeRoom(count: number): void {
    const blocks = this.#blocks!;
    while (blocks.size + count > blocks.capacity) {
      const block = blocks.nextVictim();
      const cells = this.#cellsWith(blocks.groupOf(block));
      blocks.dropCopies(block);
      if (cells !== undefined && cells.blocks > 1) this.#settleFrom(cells, block);
      blocks.delete(block);
    }
  }

  #cellsWith(ordinal: number): Cells | undefined {
    for (const group of this.#groups.values()) if (group.ordinal === ordinal) return group.cells;
    return undefined;
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
