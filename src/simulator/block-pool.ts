import { FreeQueue } from './free-queue.ts';

/** Where a freed block without cached content queues: vLLM 0.32 takes it first, 0.23 treats it like any other. */
export type FreedPartialBlock = 'taken-first' | 'taken-in-turn';

/**
 * Physical blocks, who holds them, and in which order free ones are taken: vLLM's block pool without the contents. A freed block keeps
 * its content until it is taken again; what was freed longest ago is taken first, a sequence's tail before its head.
 */
export class BlockPool {
  readonly blocks: number;
  readonly #free: FreeQueue;
  readonly #references: Uint32Array;
  readonly #partialFirst: boolean;

  constructor(blocks: number, freedPartialBlock: FreedPartialBlock) {
    this.blocks = blocks;
    this.#free = new FreeQueue(blocks);
    this.#references = new Uint32Array(blocks);
    this.#partialFirst = freedPartialBlock === 'taken-first';
  }

  /** Blocks that no request holds. */
  get free(): number {
    return this.#free.size;
  }

  isFree(block: number): boolean {
    return this.#references[block] === 0;
  }

  /** One more request holds it. */
  hold(block: number): void {
    if (this.#references[block] === 0) this.#free.remove(block);
    this.#references[block]!++;
  }

  /** The next free block, held once from now on; whatever it has in it is to be forgotten. One must be free. */
  take(): number {
    const block = this.#free.shift()!;
    this.#references[block] = 1;
    return block;
  }

  /** One request less holds each of these blocks of a sequence, given from its head to its tail. */
  release(sequence: readonly number[], isCached: (block: number) => boolean): void {
    const partial: number[] = [];
    for (let i = sequence.length - 1; i >= 0; i--) {
      const block = sequence[i]!;
      this.#references[block]!--;
      if (this.#references[block] !== 0) continue;
      if (this.#partialFirst && !isCached(block)) partial.push(block);
      else this.#free.append(block);
    }
    for (const block of partial.reverse()) this.#free.prepend(block);
  }
}
