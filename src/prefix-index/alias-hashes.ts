import { expect } from './expect.ts';
import { HashTable } from './memory/hash-table.ts';
import { PairMap } from './memory/pair-map.ts';

// A record's words. The key is the hash mixed with the holder: engines of one model have equal hashes.
const SHIFT = 3;
const KEY = 0;
const HI = 2;
const LO = 3;
const HOLDER = 4;
const POSITION = 5;
const COPIES = 6;
/** The next alias of the same holder and block; of a free record: the next free one. */
const NEXT = 7;

export interface Alias {
  readonly hi: number;
  readonly lo: number;
  /** How many physical copies the engine has under this hash. */
  readonly copies: number;
}

/**
 * Hashes that a holder has for a block beside the one under which it announced it first: engines whose hashes cover more than
 * our blocks do (vLLM 0.33 hashes tokens that follow the block as well) hold one block under several. Few blocks have any.
 * Everything but `forget` takes time proportional to the aliases of one block, or constant.
 */
export class AliasHashes {
  readonly #records: Uint32Array;
  readonly #table: HashTable;
  /** (holder, position) → its first alias. */
  readonly #first: PairMap;
  /** By holder: how many it has. */
  readonly #counts: Uint32Array;
  readonly #capacity: number;
  #free = 0;
  #frontier = 1;
  // Whose hash `next` is about.
  #hi = 0;
  #lo = 0;
  #holder = 0;
  #isOver = true;

  constructor({ capacity, maxHolders, seed }: { capacity: number; maxHolders: number; seed: number }) {
    this.#capacity = capacity;
    this.#records = new Uint32Array((capacity + 1) << SHIFT);
    this.#table = new HashTable({ lanes: this.#records, shift: SHIFT, capacity, seed });
    this.#first = new PairMap(capacity, seed);
    this.#counts = new Uint32Array(maxHolders);
  }

  /** Bytes of memory in use. */
  get bytes(): number {
    return this.#table.size * (4 << SHIFT) + this.#table.bytes + this.#first.bytes;
  }

  /** How many a holder has. */
  count(holder: number): number {
    return this.#counts[holder]!;
  }

  /** The position of a block that this holder calls so, 0 for none; `next` gives further ones. */
  find(holder: number, hi: number, lo: number): number {
    this.#isOver = this.#counts[holder] === 0;
    if (this.#isOver) return 0;
    this.#holder = holder;
    this.#hi = hi;
    this.#lo = lo;
    return this.#means(this.#table.find(keyHi(holder, hi), lo));
  }

  /** As long as nothing is added or forgotten. */
  next(): number {
    return this.#isOver ? 0 : this.#means(this.#table.next());
  }

  has(holder: number, position: number, hi: number, lo: number): boolean {
    return this.#at(holder, position, hi, lo) !== 0;
  }

  /** Without room it is not kept, and the block counts as gone too early. */
  add(holder: number, position: number, hi: number, lo: number, again: 'copy' | 'same'): void {
    const records = this.#records;
    const known = this.#at(holder, position, hi, lo);
    if (known !== 0) {
      if (again === 'copy') records[(known << SHIFT) + COPIES]!++;
      return;
    }
    this.#insert(holder, position, { hi, lo, copies: 1 });
  }

  /** One copy less. false: the holder does not call the block so. */
  remove(holder: number, position: number, hi: number, lo: number): boolean {
    const record = this.#at(holder, position, hi, lo);
    if (record === 0) return false;
    const at = record << SHIFT;
    if (--this.#records[at + COPIES]! === 0) this.#delete(record);
    return true;
  }

  /** Takes one alias of a block away; undefined if there is none. */
  take(holder: number, position: number): Alias | undefined {
    const record = this.#counts[holder] === 0 ? 0 : this.#first.get(holder, position);
    if (record === 0) return undefined;
    const at = record << SHIFT;
    const alias = {
      hi: this.#records[at + HI]!,
      lo: this.#records[at + LO]!,
      copies: this.#records[at + COPIES]!,
    };
    this.#delete(record);
    return alias;
  }

  /** The holder no longer holds these blocks. */
  forget(holder: number, first: number, count: number): void {
    for (let position = first; this.#counts[holder] !== 0 && position < first + count; position++) {
      while (this.take(holder, position) !== undefined);
    }
  }

  /** Throws what is wrong. */
  check(holds: (holder: number, position: number) => boolean): void {
    const counts = new Map<number, number>();
    let records = 0;
    this.#first.forEach((holder, position, first) => {
      expect(holds(holder, position), `holder ${holder} holds what it has an alias for`);
      for (let record = first; record !== 0; record = this.#records[(record << SHIFT) + NEXT]!) {
        const at = record << SHIFT;
        expect(this.#records[at + HOLDER] === holder, `alias ${record} is of holder ${holder}`);
        expect(this.#records[at + POSITION] === position, `alias ${record} is of position ${position}`);
        expect(this.#records[at + COPIES]! > 0, `alias ${record} has copies`);
        let found = this.find(holder, this.#records[at + HI]!, this.#records[at + LO]!);
        while (found !== 0 && found !== position) found = this.next();
        expect(found === position, `alias ${record} is found`);
        counts.set(holder, (counts.get(holder) ?? 0) + 1);
        records++;
      }
    });
    expect(this.#table.size === records, `${records} aliases`);
    for (const [holder, count] of counts) expect(this.#counts[holder] === count, `${count} of ${holder}`);
  }

  /** The record of this very hash for the block, 0 for none. */
  #at(holder: number, position: number, hi: number, lo: number): number {
    if (this.#counts[holder] === 0) return 0;
    const records = this.#records;
    let record = this.#table.find(keyHi(holder, hi), lo);
    for (; record !== 0; record = this.#table.next()) {
      const at = record << SHIFT;
      if (records[at + HOLDER] === holder && records[at + HI] === hi && records[at + POSITION] === position)
        break;
    }
    return record;
  }

  #means(reference: number): number {
    const records = this.#records;
    for (let record = reference; record !== 0; record = this.#table.next()) {
      const at = record << SHIFT;
      const isMeant =
        records[at + HOLDER] === this.#holder &&
        records[at + HI] === this.#hi &&
        records[at + LO] === this.#lo;
      if (isMeant) return records[at + POSITION]!;
    }
    return 0;
  }

  #insert(holder: number, position: number, { hi, lo, copies }: Alias): void {
    if (this.#table.size === this.#capacity) return;
    const records = this.#records;
    let record = this.#free;
    if (record === 0) record = this.#frontier++;
    else this.#free = records[(record << SHIFT) + NEXT]!;
    const at = record << SHIFT;
    records[at + KEY] = keyHi(holder, hi);
    records[at + KEY + 1] = lo;
    if (!this.#table.insert(record)) {
      records[at + NEXT] = this.#free;
      this.#free = record;
      return;
    }
    records[at + HI] = hi;
    records[at + LO] = lo;
    records[at + HOLDER] = holder;
    records[at + POSITION] = position;
    records[at + COPIES] = copies;
    records[at + NEXT] = this.#first.get(holder, position);
    this.#first.set(holder, position, record);
    this.#counts[holder]!++;
  }

  #delete(record: number): void {
    const records = this.#records;
    const at = record << SHIFT;
    const holder = records[at + HOLDER]!;
    const position = records[at + POSITION]!;
    const after = records[at + NEXT]!;
    const first = this.#first.get(holder, position);
    if (first !== record) {
      let before = first;
      while (records[(before << SHIFT) + NEXT] !== record) before = records[(before << SHIFT) + NEXT]!;
      records[(before << SHIFT) + NEXT] = after;
    } else if (after === 0) this.#first.delete(holder, position);
    else this.#first.set(holder, position, after);
    this.#table.delete(record);
    this.#counts[holder]!--;
    records[at + NEXT] = this.#free;
    this.#free = record;
  }
}

function keyHi(holder: number, hi: number): number {
  return (hi ^ Math.imul(holder + 1, 0x9e3779b1)) >>> 0;
}
