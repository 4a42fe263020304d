import { engineHash } from '../../domain.ts';
import { HashTable } from '../../prefix-index/memory/hash-table.ts';
import type { EngineHash } from '../decoding/decoding.ts';

// A record's words. The key is the hash, its upper lane mixed with the group: equal blocks have equal hashes in all groups.
const SHIFT = 3;
const KEY_HI = 0;
const KEY_LO = 1;
/** Physical copies; 0 of a block that is only known because others follow it. */
const COPIES = 2;
/** Flags, and the group above them. */
const STATE = 3;
const PARENT = 4;
const FIRST_CHILD = 5;
/** The next child of the same parent; of a free record the next free one. */
const NEXT = 6;
const PREVIOUS = 7;

const LIVE = 1;
/** It ends where a block of the main group ends. */
const IS_END = 2;
const GROUP_SHIFT = 2;

/** Records at first, and after each growth. The last is the bound: 16 MiB of records, and 6 MiB of hash table. */
const CAPACITIES = [1 << 13, 1 << 16, 1 << 19] as const;

/** A block of a secondary group: the number of its record. 0 is none. */
export type BlockRef = number;

/**
 * Blocks of the secondary KV-cache groups of one rank, each with its copies and the block before it. Records in typed arrays, which
 * grow as they are used, up to 524,288 blocks; what is evicted beyond that is the owner's affair. Everything takes constant time but
 * the growth.
 */
export class SecondaryBlocks {
  readonly #seed: number;
  #step = 0;
  #records: Uint32Array;
  #table: HashTable;
  #free = 0;
  #frontier = 1;
  /** The record that was evicted last. */
  #hand = 0;

  /** @param seed any 32-bit number that engines do not know */
  constructor(seed: number) {
    this.#seed = seed;
    this.#records = new Uint32Array((CAPACITIES[0] + 1) << SHIFT);
    this.#table = this.#tableOf(CAPACITIES[0]);
  }

  get size(): number {
    return this.#table.size;
  }

  /** Most blocks at one time. */
  get capacity(): number {
    return CAPACITIES.at(-1)!;
  }

  find(group: number, { hi, lo }: EngineHash): BlockRef {
    return this.#table.find(keyHi(group, hi), lo);
  }

  /** The block with this hash, one without copies if there is none yet. 0: there is no room. */
  ensure(group: number, hash: EngineHash): BlockRef {
    const known = this.find(group, hash);
    if (known !== 0) return known;
    if (this.#free === 0 && this.#frontier > CAPACITIES[this.#step]! && !this.#grow()) return 0;
    let block = this.#free;
    if (block === 0) block = this.#frontier++;
    else this.#free = this.#records[(block << SHIFT) + NEXT]!;
    const at = block << SHIFT;
    this.#records.fill(0, at, at + (1 << SHIFT));
    this.#records[at + KEY_HI] = keyHi(group, hash.hi);
    this.#records[at + KEY_LO] = hash.lo;
    this.#records[at + STATE] = LIVE | (group << GROUP_SHIFT);
    if (this.#table.insert(block)) return block;
    this.#release(block);
    return 0;
  }

  groupOf(block: BlockRef): number {
    return this.#records[(block << SHIFT) + STATE]! >>> GROUP_SHIFT;
  }

  hashOf(block: BlockRef): EngineHash {
    const at = block << SHIFT;
    return engineHash(keyHi(this.groupOf(block), this.#records[at + KEY_HI]!), this.#records[at + KEY_LO]!);
  }

  copiesOf(block: BlockRef): number {
    return this.#records[(block << SHIFT) + COPIES]!;
  }

  addCopy(block: BlockRef): void {
    this.#records[(block << SHIFT) + COPIES]!++;
  }

  /** Returns how many are left. */
  removeCopy(block: BlockRef): number {
    return --this.#records[(block << SHIFT) + COPIES]!;
  }

  dropCopies(block: BlockRef): void {
    this.#records[(block << SHIFT) + COPIES] = 0;
  }

  isEnd(block: BlockRef): boolean {
    return (this.#records[(block << SHIFT) + STATE]! & IS_END) !== 0;
  }

  markEnd(block: BlockRef): void {
    this.#records[(block << SHIFT) + STATE]! |= IS_END;
  }

  /** 0: it is not known, or there is none. */
  parentOf(block: BlockRef): BlockRef {
    return this.#records[(block << SHIFT) + PARENT]!;
  }

  firstChildOf(block: BlockRef): BlockRef {
    return this.#records[(block << SHIFT) + FIRST_CHILD]!;
  }

  nextChild(block: BlockRef): BlockRef {
    return this.#records[(block << SHIFT) + NEXT]!;
  }

  /** The engine has said which block precedes this one. @param parent 0: none does */
  setParent(block: BlockRef, parent: BlockRef): void {
    this.#link(block, parent);
  }

  /** Where the engine has not said it, and nothing is known yet. */
  inferParent(block: BlockRef, parent: BlockRef): void {
    if (this.#records[(block << SHIFT) + PARENT] === 0) this.#link(block, parent);
  }

  /** Deletes a block without copies that none follows, and those before it for which that is so then. */
  prune(block: BlockRef): void {
    let last = block;
    while (last !== 0 && this.copiesOf(last) === 0 && this.firstChildOf(last) === 0) {
      const parent = this.parentOf(last);
      this.delete(last);
      last = parent;
    }
  }

  /** What follows it is kept, and follows nothing. */
  delete(block: BlockRef): void {
    this.#unlink(block);
    for (let child = this.firstChildOf(block); child !== 0; ) {
      const next = this.nextChild(child);
      const at = child << SHIFT;
      this.#records.fill(0, at + NEXT, at + PREVIOUS + 1);
      this.#records[at + PARENT] = 0;
      child = next;
    }
    this.#table.delete(block);
    this.#release(block);
  }

  /** The block that is to be evicted next: roughly the oldest. 0: there is none. */
  nextVictim(): BlockRef {
    for (let tried = 1; tried < this.#frontier; tried++) {
      this.#hand = this.#hand + 1 < this.#frontier ? this.#hand + 1 : 1;
      if ((this.#records[(this.#hand << SHIFT) + STATE]! & LIVE) !== 0) return this.#hand;
    }
    return 0;
  }

  #link(block: BlockRef, parent: BlockRef): void {
    const at = block << SHIFT;
    if (this.#records[at + PARENT] === parent || block === parent) return;
    this.#unlink(block);
    this.#records[at + PARENT] = parent;
    if (parent === 0) return;
    const first = this.firstChildOf(parent);
    this.#records[at + NEXT] = first;
    if (first !== 0) this.#records[(first << SHIFT) + PREVIOUS] = block;
    this.#records[(parent << SHIFT) + FIRST_CHILD] = block;
  }

  #unlink(block: BlockRef): void {
    const at = block << SHIFT;
    const parent = this.#records[at + PARENT]!;
    if (parent === 0) return;
    const next = this.#records[at + NEXT]!;
    const previous = this.#records[at + PREVIOUS]!;
    if (previous === 0) this.#records[(parent << SHIFT) + FIRST_CHILD] = next;
    else this.#records[(previous << SHIFT) + NEXT] = next;
    if (next !== 0) this.#records[(next << SHIFT) + PREVIOUS] = previous;
    this.#records[at + PARENT] = this.#records[at + NEXT] = this.#records[at + PREVIOUS] = 0;
  }

  #release(block: BlockRef): void {
    this.#records[(block << SHIFT) + STATE] = 0;
    this.#records[(block << SHIFT) + NEXT] = this.#free;
    this.#free = block;
  }

  /** Only when every record is in use. */
  #grow(): boolean {
    const capacity = CAPACITIES[this.#step + 1];
    if (capacity === undefined) return false;
    const used = this.#frontier - 1;
    const records = new Uint32Array((capacity + 1) << SHIFT);
    records.set(this.#records);
    this.#records = records;
    this.#table = this.#tableOf(capacity);
    this.#table.insertAll(1, used);
    this.#step++;
    return true;
  }

  #tableOf(capacity: number): HashTable {
    return new HashTable({ lanes: this.#records, shift: SHIFT, capacity, seed: this.#seed });
  }
}

/** Undoes itself. */
function keyHi(group: number, hi: number): number {
  return (hi ^ Math.imul(group + 1, 0x9e3779b1)) >>> 0;
}
