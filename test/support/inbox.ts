/** Things that arrive, in order, for a test that waits for them. */
export class Inbox<T> {
  readonly all: T[] = [];
  #taken = 0;
  #arrived = Promise.withResolvers<void>();

  readonly push = (item: T): void => {
    this.all.push(item);
    this.#arrived.resolve();
    this.#arrived = Promise.withResolvers();
  };

  /** The next one that was not taken yet. */
  async next(): Promise<T> {
    while (this.#taken === this.all.length) await this.#arrived.promise;
    return this.all[this.#taken++]!;
  }

  /** All that is here counts as taken. */
  skip(): void {
    this.#taken = this.all.length;
  }

  /** The next one that is as wanted; those before it count as taken. */
  async until(wanted: (item: T) => boolean): Promise<T> {
    for (;;) {
      const item = await this.next();
      if (wanted(item)) return item;
    }
  }
}
