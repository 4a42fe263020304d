import { engineHash } from '../../domain.ts';
import type { EngineHash, EngineHashes } from '../decoding/decoding.ts';

const WORDS = 3;
const KEPT = 256;

/**
 * The last 256 blocks of the main group that were announced alone, while it is not known whether the model has other groups. Hybrid
 * models announce the tail of a prompt that ends inside of a block as such a smaller block (vLLM's `cache_partial_block`), and it
 * takes an ordinary block to tell: it is the larger one.
 */
export class SingleBlocks {
  readonly #blocks = new Uint32Array(KEPT * WORDS);
  #noted = 0;

  get isEmpty(): boolean {
    return this.#noted === 0;
  }

  note({ lanes }: EngineHashes, blockSizeTokens: number): void {
    const at = (this.#noted++ % KEPT) * WORDS;
    this.#blocks[at] = lanes[0]!;
    this.#blocks[at + 1] = lanes[1]!;
    this.#blocks[at + 2] = blockSizeTokens;
  }

  /** Takes out all of them. Returns those that are smaller than so many tokens. */
  takeSmaller(blockSizeTokens: number): EngineHash[] {
    const smaller: EngineHash[] = [];
    for (let at = 0; at < Math.min(this.#noted, KEPT) * WORDS; at += WORDS) {
      const [hi, lo, size] = this.#blocks.subarray(at, at + WORDS) as unknown as [number, number, number];
      if (size < blockSizeTokens) smaller.push(engineHash(hi, lo));
    }
    this.clear();
    return smaller;
  }

  clear(): void {
    this.#noted = 0;
  }
}
