import { BlockPool } from '../../simulator/block-pool.ts';

/**
 * One engine's KV cache, as vLLM's block pool is: full blocks only, found by the hash of all that precedes them, evicted when their place
 * is taken. All that grows with the blocks lies in typed arrays. A hash is two 32-bit lanes.
 */
export class BlockCache {
  readonly #pool: BlockPool;
  readonly #hi: Uint32Array;
  readonly #lo: Uint32Array;
  readonly #isCached: Uint8Array;
  /** Hash → blocks with that content: linear probing, a slot holds a block's number + 1. Copies are in it one by one. */
  readonly #slots: Int32Array;
  readonly #mask: number;
  readonly #evicted: (hi: number, lo: number) => void;

  /** @param evicted is told of each physical copy that goes */
  constructor(blocks: number, evicted: (hi: number, lo: number) => void) {
    this.#pool = new BlockPool(blocks, 'taken-first');
    this.#hi = new Uint32Array(blocks);
    this.#lo = new Uint32Array(blocks);
    this.#isCached = new Uint8Array(blocks);
    const slots = 1 << Math.max(4, Math.ceil(Math.log2(2 * blocks)));
    this.#slots = new Int32Array(slots);
    this.#mask = slots - 1;
    this.#evicted = evicted;
  }

  get blocks(): number {
    return this.#pool.blocks;
  }

  /** Blocks that no request holds, with content or without. */
  get free(): number {
    return this.#pool.free;
  }

  /** The blocks that have a chain's first blocks, `most` at the most. */
  prefix(lanes: Uint32Array, most: number): number[] {
    const found: number[] = [];
    for (let i = 0; i < most; i++) {
      const block = this.#find(lanes[2 * i]!, lanes[2 * i + 1]!);
      if (block < 0) break;
      found.push(block);
    }
    return found;
  }

  /** Whether these blocks, held from now on, and so many more fit. */
  fits(hits: readonly number[], more: number): boolean {
    let needed = more;
    for (const block of hits) if (this.#pool.isFree(block)) needed++;
    return needed <= this.#pool.free;
  }

  hold(block: number): void {
    this.#pool.hold(block);
  }

  /** A block to be written, whose content is evicted. One must be free. */
  take(): number {
    const block = this.#pool.take();
    if (this.#isCached[block] === 1) {
      this.#delete(block);
      this.#isCached[block] = 0;
      this.#evicted(this.#hi[block]!, this.#lo[block]!);
    }
    return block;
  }

  /** The block has this content from now on. */
  store(block: number, hi: number, lo: number): void {
    this.#hi[block] = hi;
    this.#lo[block] = lo;
    this.#isCached[block] = 1;
    let slot = this.#slotOf(hi, lo);
    while (this.#slots[slot] !== 0) slot = (slot + 1) & this.#mask;
    this.#slots[slot] = block + 1;
  }

  /** A request gives its blocks back, from head to tail; their content stays until they are taken. */
  release(sequence: readonly number[]): void {
    this.#pool.release(sequence, block => this.#isCached[block] === 1);
  }

  /** The hashes of all that is cached, a copy at a time: `(hi, lo)`. */
  *contents(): Generator<readonly [hi: number, lo: number]> {
    for (let block = 0; block < this.blocks; block++) {
      if (this.#isCached[block] === 1) yield [this.#hi[block]!, this.#lo[block]!];
    }
  }

  /** -1 if there is none. */
  #find(hi: number, lo: number): number {
    for (let slot = this.#slotOf(hi, lo); ; slot = (slot + 1) & this.#mask) {
      const block = this.#slots[slot]! - 1;
      if (block < 0 || (this.#lo[block] === lo && this.#hi[block] === hi)) return block;
    }
  }

  #delete(block: number): void {
    let gap = this.#slotOf(this.#hi[block]!, this.#lo[block]!);
    while (this.#slots[gap] !== block + 1) gap = (gap + 1) & this.#mask;
    // Whatever would not be found beyond the gap moves into it.
    for (let slot = gap; ; ) {
      slot = (slot + 1) & this.#mask;
      const other = this.#slots[slot]! - 1;
      if (other < 0) break;
      const home = this.#slotOf(this.#hi[other]!, this.#lo[other]!);
      if (((slot - home) & this.#mask) < ((slot - gap) & this.#mask)) continue;
      this.#slots[gap] = other + 1;
      gap = slot;
    }
    this.#slots[gap] = 0;
  }

  #slotOf(hi: number, lo: number): number {
    return (lo ^ Math.imul(hi, 0x9e3779b1)) & this.#mask;
  }
}
