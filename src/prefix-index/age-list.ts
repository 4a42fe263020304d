/** What can stand in an AgeList; the links are the list's own. */
export interface Aged {
  older: Aged | undefined;
  newer: Aged | undefined;
}

/**
 * Items from oldest to newest, linked through themselves: every step takes constant time. (A Set keeps the order too, but
 * finding its first element scans over all that were deleted before it.)
 */
export class AgeList<T extends Aged> {
  #oldest: T | undefined;
  #newest: T | undefined;
  #size = 0;

  get oldest(): T | undefined {
    return this.#oldest;
  }

  get size(): number {
    return this.#size;
  }

  /** Adds an item that stands in no list. */
  append(item: T): void {
    item.older = this.#newest;
    item.newer = undefined;
    if (this.#newest) this.#newest.newer = item;
    else this.#oldest = item;
    this.#newest = item;
    this.#size++;
  }

  /** Takes out an item that stands in this list. */
  remove(item: T): void {
    const { older, newer } = item;
    if (older) older.newer = newer;
    else this.#oldest = newer as T | undefined;
    if (newer) newer.older = older;
    else this.#newest = older as T | undefined;
    this.#size--;
  }
}
