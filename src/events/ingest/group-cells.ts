/**
 * Blocks of secondary KV-cache groups that the index alone cannot place, and what of cells they fill (`secondary-groups.ts` has the
 * picture).
 */
import type { CacheState } from '../../cache/cache-state.ts';
import type { GroupNeed } from '../../cache/holders.ts';
import type { HolderId } from '../../domain.ts';
import { type EngineHash, type EngineHashes, each, hashAt, type StoredEvent } from '../decoding/decoding.ts';
import type { CellShape } from './cell-shape.ts';
import { type BlockRef, SecondaryBlocks } from './secondary-blocks.ts';

/** The cells of one group. */
export interface Cells extends CellShape {
  /** Who holds cells, by how many of their last blocks the group has. */
  readonly holders: readonly { readonly id: HolderId; readonly blocks: number }[];
  readonly need: GroupNeed;
}

/** A group as it is known here. */
export interface CellGroup {
  /** A small integer. */
  readonly ordinal: number;
  /** undefined while the main group is not known. */
  readonly cells: Cells | undefined;
}

export interface GroupCellsOptions {
  readonly gpu: HolderId;
  readonly index: CacheState['index'];
  /** Any 32-bit number that engines do not know. */
  readonly seed: number;
  /** undefined: there is no such group any more, or its cells are not known. */
  readonly cellsOf: (ordinal: number) => Cells | undefined;
}

/** DeepSeek-V4 has 64. Each removal takes as long as its cell has blocks; of longer ones nothing is claimed. */
const MAX_CELL_BLOCKS = 1_024;

export class GroupCells {
  readonly #options: GroupCellsOptions;
  /** undefined: never needed yet. */
  #stored: SecondaryBlocks | undefined;

  constructor(options: GroupCellsOptions) {
    this.#options = options;
  }

  get isEmpty(): boolean {
    return this.#stored === undefined || this.#stored.size === 0;
  }

  /** They hold nothing. Who held cells is the caller's to clear. */
  clear(): void {
    this.#stored = undefined;
  }

  /** Blocks of cells that have several, or whose cells are not known yet. */
  store({ ordinal, cells }: CellGroup, { hashes, parent, tokenIds, blockSizeTokens }: StoredEvent): void {
    if (cells !== undefined && !isFilled(cells)) return;
    const blocks = this.#blocks;
    const isComplete = tokenIds.length === hashes.length * blockSizeTokens;
    const from = Math.max(0, hashes.length - blocks.capacity / 2);
    this.#makeRoom(hashes.length - from + 1);
    const stored: BlockRef[] = [];
    let before =
      isComplete && parent !== undefined && from === 0 && hashes.length > 0
        ? this.#blockOf(ordinal, parent)
        : 0;
    for (let i = from; i < hashes.length; i++) {
      const block = this.#blockOf(ordinal, hashAt(hashes, i));
      if (block === 0) continue;
      if (isComplete) blocks.setParent(block, before);
      else blocks.inferParent(block, before);
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

  /**
   * One copy of a block is gone. `unknown`: there was none here; `gone`: it was the last one of a block that cells are made of.
   */
  remove({ ordinal, cells }: CellGroup, hash: EngineHash): 'unknown' | 'left' | 'gone' {
    const block = this.#stored?.find(ordinal, hash) ?? 0;
    if (block === 0 || this.#blocks.copiesOf(block) === 0) return 'unknown';
    if (this.#blocks.removeCopy(block) > 0) return 'left';
    if (isFilled(cells)) this.#settleFrom(cells, block);
    this.#blocks.prune(block);
    return isFilled(cells) ? 'gone' : 'left';
  }

  /** A block of a cell of one, which the main group has not announced yet. */
  keep({ ordinal }: CellGroup, hash: EngineHash): void {
    this.#makeRoom(1);
    const block = this.#blockOf(ordinal, hash);
    if (block !== 0) this.#blocks.addCopy(block);
  }

  /** Takes such a block out. Returns how many copies there were. */
  take({ ordinal }: CellGroup, hash: EngineHash): number {
    const block = this.#stored?.find(ordinal, hash) ?? 0;
    if (block === 0) return 0;
    const copies = this.#blocks.copiesOf(block);
    this.#blocks.delete(block);
    return copies;
  }

  /** Cells of several blocks end with these: the main group has announced them. */
  end(ordinal: number, cells: Cells, hashes: EngineHashes): void {
    if (!isFilled(cells)) return;
    const blocks = this.#blocks;
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
    for (const block of ends) this.#settle(cells, block);
    for (const block of fresh) this.#settleAfter(cells, block, undefined);
  }

  /** A block has come or gone: of which cells is what it was not known before? */
  #settleFrom(cells: Cells, block: BlockRef): void {
    if (this.#blocks.isEnd(block)) this.#settle(cells, block);
    else this.#settleAfter(cells, block, undefined);
  }

  /** The cells that a block is in, by what follows it. @param except one that is settled by itself */
  #settleAfter(cells: Cells, block: BlockRef, except: BlockRef | undefined): void {
    const blocks = this.#blocks;
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
    const blocks = this.#blocks;
    let held = 0;
    for (let block = end; block !== 0 && held < all; block = blocks.parentOf(block)) {
      if (blocks.copiesOf(block) === 0 || (held > 0 && blocks.isEnd(block))) break;
      held++;
    }
    const { index } = this.#options;
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

  /** 0: there is no room. */
  #blockOf(ordinal: number, hash: EngineHash): BlockRef {
    const block = this.#blocks.ensure(ordinal, hash);
    if (block === 0 || this.#blocks.isEnd(block)) return block;
    if (this.#options.index.locate(this.#options.gpu, hash) !== undefined) this.#blocks.markEnd(block);
    return block;
  }

  #makeRoom(count: number): void {
    const blocks = this.#blocks;
    while (blocks.size + count > blocks.capacity) {
      const block = blocks.nextVictim();
      const cells = this.#options.cellsOf(blocks.groupOf(block));
      blocks.dropCopies(block);
      if (isFilled(cells)) this.#settleFrom(cells, block);
      blocks.delete(block);
    }
  }

  get #blocks(): SecondaryBlocks {
    this.#stored ??= new SecondaryBlocks(this.#options.seed);
    return this.#stored;
  }
}

/** Whether it is followed what of each cell the group has. */
function isFilled(cells: Cells | undefined): cells is Cells {
  return cells !== undefined && cells.blocks > 1 && cells.blocks <= MAX_CELL_BLOCKS;
}
