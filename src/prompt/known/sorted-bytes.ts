/**
 * Entries by their bytes, in their order, so that those with the longest common beginning are neighbours: a search takes a comparison
 * for each doubling of the number of entries. Bounded; what was used longest ago is evicted.
 */

export interface Entry {
  readonly bytes: Buffer;
  /** What it takes, its bytes included. To put an entry in its place takes time by their number: many small ones are no use. */
  readonly costBytes: number;
}

/** No entry may take more than this share. */
const MAX_SHARE = 1 / 8;

export class SortedBytes<T extends Entry> {
  readonly #maxBytes: number;
  #sorted: T[] = [];
  /** What was used longest ago first. */
  readonly #byUse = new Set<T>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** What the entries take. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The entries before and behind where these bytes belong, or have their place. */
  neighbours(bytes: Buffer, start: number, end: number): readonly [T | undefined, T | undefined] {
    const at = this.#placeOf(bytes, start, end);
    return [this.#sorted[at - 1], this.#sorted[at]];
  }

  /** Nothing happens where it was evicted. */
  use(entry: T): void {
    if (this.#byUse.delete(entry)) this.#byUse.add(entry);
  }

  /** Whether an entry may take so much. */
  takes(costBytes: number): boolean {
    return costBytes <= this.#maxBytes * MAX_SHARE;
  }

  /**
   * Nothing happens where there is one with the same bytes.
   * @param entry that it `takes`
   * @param instead one that is of no use any more; undefined: there is none
   */
  add(entry: T, instead?: T): void {
    const { bytes, costBytes } = entry;
    if (instead !== undefined && this.#byUse.has(instead)) {
      this.#sorted.splice(this.#placeOf(instead.bytes, 0, instead.bytes.length), 1);
      this.#forget(instead);
    }
    const at = this.#placeOf(bytes, 0, bytes.length);
    if (this.#sorted[at]?.bytes.equals(bytes)) return;
    this.#sorted.splice(at, 0, entry);
    this.#byUse.add(entry);
    this.#bytes += costBytes;
    this.#trim();
  }

  /** One pass for all that go: a large entry takes the place of many. */
  #trim(): void {
    if (this.#bytes <= this.#maxBytes) return;
    for (const oldest of this.#byUse) {
      if (this.#bytes <= this.#maxBytes) break;
      this.#forget(oldest);
    }
    this.#sorted = this.#sorted.filter(entry => this.#byUse.has(entry));
  }

  #forget(entry: T): void {
    this.#byUse.delete(entry);
    this.#bytes -= entry.costBytes;
  }

  /** Of the first that does not come before these bytes. */
  #placeOf(bytes: Buffer, start: number, end: number): number {
    let [from, to] = [0, this.#sorted.length];
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (this.#sorted[middle]!.bytes.compare(bytes, start, end) < 0) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}
