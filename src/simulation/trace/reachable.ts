import type { TraceRequest } from './trace-request.ts';

/**
 * What one cache without bounds that all pods share would have of each prompt: the most that any routing can reach. Grows with the distinct
 * ids of the trace, some 40 bytes each.
 */
export class ReachableTokens {
  /** By id: the most of its tokens that some prompt had, where that was not all of them. */
  readonly #partial = new Map<number, number>();
  readonly #whole = new Set<number>();
  readonly #blockSizeTokens: number;

  constructor(blockSizeTokens: number) {
    this.#blockSizeTokens = blockSizeTokens;
  }

  /** Of this prompt; whole blocks of the engine, and never its last token. It is in the cache afterwards. */
  add({ inputTokens, tokensPerId, hashIds }: TraceRequest): number {
    let held = 0;
    let isPrefix = true;
    for (let i = 0; i < hashIds.length; i++) {
      const id = hashIds[i]!;
      const tokens = Math.min(tokensPerId, inputTokens - i * tokensPerId);
      const known = this.#whole.has(id) ? tokensPerId : (this.#partial.get(id) ?? 0);
      if (isPrefix) held += Math.min(known, tokens);
      if (known < tokens) isPrefix = false;
      if (tokens === tokensPerId) {
        this.#whole.add(id);
        this.#partial.delete(id);
      } else if (tokens > known) this.#partial.set(id, tokens);
    }
    const size = this.#blockSizeTokens;
    return size * Math.floor(Math.min(held, inputTokens - 1) / size);
  }
}
