import { HashTable } from './hash-table.ts';

/** A record: the pair, its value (in a free record: the next free one), and one word unused. */
const SHIFT = 2;
const VALUE = 2;

/** A map from pairs of numbers to a number that is not 0. Both parts and the value are unsigned 32-bit integers. */
export class PairMap {
  readonly #records: Uint32Array;
  readonly #table: HashTable;
  #free = 0;
  #frontier = 1;

  constructor(capacity: number, seed: number) {
    this.#records = new Uint32Array((capacity + 1) << SHIFT);
    this.#table = new HashTable({ lanes: this.#records, shift: SHIFT, capacity, seed });
  }

  get size(): number {
    return this.#table.size;
  }

  get isFull(): boolean {
    return this.size === (this.#records.length >> SHIFT) - 1;
  }

  /** Bytes of memory in use. */
  get bytes(): number {
    return 4 * (this.size << SHIFT) + this.#table.bytes;
  }

  /** 0 if there is none. */
  get(a: number, b: number): number {
    return this.#records[(this.#table.find(a, b) << SHIFT) + VALUE]!;
  }

  set(a: number, b: number, value: number): void {
    const records = this.#records;
    let record = this.#table.find(a, b);
    if (record !== 0) {
      records[(record << SHIFT) + VALUE] = value;
      return;
    }
    record = this.#free;
    if (record === 0) record = this.#frontier++;
    else this.#free = records[(record << SHIFT) + VALUE]!;
    records[record << SHIFT] = a;
    records[(record << SHIFT) + 1] = b;
    records[(record << SHIFT) + VALUE] = value;
    this.#table.insert(record);
  }

  delete(a: number, b: number): void {
    const record = this.#table.find(a, b);
    if (record === 0) return;
    this.#table.delete(record);
    this.#records[(record << SHIFT) + VALUE] = this.#free;
    this.#free = record;
  }

  forEach(callback: (a: number, b: number, value: number) => void): void {
    const records = this.#records;
    this.#table.forEach(record => {
      const at = record << SHIFT;
      callback(records[at]!, records[at + 1]!, records[at + VALUE]!);
    });
  }
}
