/**
 * A text in pieces that follow each other. A string of 200 kB that was put together of a thousand is copied before anything can be
 * looked up in it, which takes longer than comparing it piece by piece.
 */
export class ChunkedText {
  readonly length: number;
  readonly #chunks: readonly string[];
  /** Where the next look probably is: a chunk, and how much stands before it. */
  #index = 0;
  #start = 0;

  constructor(chunks: readonly string[]) {
    this.#chunks = chunks;
    this.length = chunks.reduce((sum, { length }) => sum + length, 0);
  }

  /** The whole. */
  toString(): string {
    return this.#chunks.join('');
  }

  slice(from: number, to = this.length): string {
    let text = '';
    for (let at = from; at < Math.min(to, this.length); at = from + text.length) {
      const chunk = this.#chunkAt(at);
      text += chunk.slice(at - this.#start, to - this.#start);
    }
    return text;
  }

  /** Whether `part` stands at `from`. */
  hasAt(part: string, from: number): boolean {
    const to = from + part.length;
    if (to > this.length) return false;
    // Slices are compared at once: `startsWith` takes a character at a time.
    for (let at = from; at < to; ) {
      const chunk = this.#chunkAt(at);
      const end = Math.min(this.#start + chunk.length, to);
      if (chunk.slice(at - this.#start, end - this.#start) !== part.slice(at - from, end - from))
        return false;
      at = end;
    }
    return true;
  }

  /** The chunk that has the character at `at`; `#start` is where it begins. */
  #chunkAt(at: number): string {
    while (at < this.#start) this.#start -= this.#chunks[--this.#index]!.length;
    for (;;) {
      const chunk = this.#chunks[this.#index]!;
      if (at < this.#start + chunk.length) return chunk;
      this.#start += chunk.length;
      this.#index++;
    }
  }
}
