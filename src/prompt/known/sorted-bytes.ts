/**
 * Entries by their bytes, in their order, so that those with the longest common beginning are neighbours: a search takes a comparison
 * for each doubling of the number of entries. Bounded; what was used longest ago is evicted.
 */

export interface Entry {
  readonly bytes: Buffer;
  /** What it takes, its bytes included. */
  readonly costBytes: number;
}

/** No entry may take more than this share. */
const MAX_SHARE = 1 / 8;

export class SortedBytes<T extends Entry> {
  readonly #maxBytes: number;
  readonly #sorted: T[] = [];
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

  use(entry: T): void {
    this.#byUse.delete(entry);
    this.#byUse.add(entry);
  }

  /** @param entry whose bytes no other has */
  add(entry: T): void {
    const { bytes, costBytes } = entry;
    if (costBytes > this.#maxBytes * MAX_SHARE) return;
    this.#sorted.splice(this.#placeOf(bytes, 0, bytes.length), 0, entry);
    this.#byUse.add(entry);
    this.#bytes += costBytes;
    for (const oldest of this.#byUse) {
      if (this.#bytes <= this.#maxBytes) return;
      this.remove(oldest);
    }
  }

  /** @param entry that is kept */
  remove(entry: T): void {
    this.#sorted.splice(this.#placeOf(entry.bytes, 0, entry.bytes.length), 1);
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
