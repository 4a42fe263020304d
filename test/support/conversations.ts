/** What is said to engines, as chains of blocks that begin alike. Nothing is hashed, so that millions of blocks take seconds. */

export interface Block {
  /** Different of every block. */
  readonly number: bigint;
  readonly parent: Block | undefined;
  readonly tokenIds: readonly number[];
}

/** From the root on. */
export type Chain = readonly Block[];

/** All tokens from the root to the end of a block. */
export function prefixOf(block: Block): number[] {
  const tokens: number[] = [];
  for (let at: Block | undefined = block; at !== undefined; at = at.parent) tokens.unshift(...at.tokenIds);
  return tokens;
}

const OPEN_CONVERSATIONS = 400;
const MAX_BLOCKS = 24;
/** What is said in one turn. */
const MAX_FRESH_BLOCKS = 8;

/** They begin alike, leave one another, go on for some time, and are forgotten. */
export class Conversations {
  readonly #random: () => number;
  readonly #blockSizeTokens: number;
  readonly #open: Chain[] = [];
  #blocks = 0n;

  constructor(random: () => number, blockSizeTokens: number) {
    this.#random = random;
    this.#blockSizeTokens = blockSizeTokens;
    while (this.#open.length < OPEN_CONVERSATIONS) this.#open.push(this.#extended([]));
  }

  get open(): readonly Chain[] {
    return this.#open;
  }

  /** One of them, longer than before; or a new one in its place. */
  turn(): Chain {
    const which = this.#below(OPEN_CONVERSATIONS);
    const before = this.#open[which]!;
    const goesOn = this.#random() < 0.5 && before.length + MAX_FRESH_BLOCKS <= MAX_BLOCKS;
    const chain = this.#extended(goesOn ? before : this.#beginning());
    this.#open[which] = chain;
    return chain;
  }

  /** Blocks of another one, mostly. */
  #beginning(): Chain {
    if (this.#random() < 0.1) return [];
    const other = this.#open[this.#below(OPEN_CONVERSATIONS)]!;
    return other.slice(0, 1 + this.#below(Math.min(other.length, MAX_BLOCKS - MAX_FRESH_BLOCKS)));
  }

  #extended(before: Chain): Chain {
    const chain = [...before];
    for (let left = 1 + this.#below(MAX_FRESH_BLOCKS); left > 0; left--) {
      const tokenIds = Array.from({ length: this.#blockSizeTokens }, () => this.#below(100_000));
      chain.push({ number: ++this.#blocks, parent: chain.at(-1), tokenIds });
    }
    return chain;
  }

  #below(bound: number): number {
    return Math.floor(this.#random() * bound);
  }
}
