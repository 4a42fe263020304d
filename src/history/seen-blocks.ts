import type { MooncakeLine } from '../simulation/trace/mooncake.ts';

type Prompt = NonNullable<MooncakeLine['prompt']>;

/** A block of prompts, and with it all before it, as it was seen. */
export interface SeenBlock {
  readonly id: number;
  /** Of prompts from their beginning to its end. */
  readonly depthTokens: number;
  /** Of its own: of the last block of a prompt there may be few. */
  tokens: number;
  lastMs: number;
  /** Tokens that were new when it was last seen, since the beginning. */
  newTokens: number;
  /** Requests that had all before it and this as the last block that was known. */
  requests: number;
  /** Tokens of these. */
  savedTokens: number;
  /** Where they went. */
  pods: Set<string> | undefined;
}

/** What a prompt has in common with those before it. */
export interface Reuse {
  /** What one cache without bounds that all pods share would have had; never all of a prompt. */
  readonly tokens: number;
  /** The last block of it. */
  readonly last: SeenBlock | undefined;
}

/** What becomes of each block that is used again. */
export type OnReused = (tokens: number, sinceMs: number, newTokensSince: number) => void;

/** The blocks of a model's prompts, those that were seen last: bounded. */
export class SeenBlocks {
  /** Those seen longest ago first. */
  readonly #blocks = new Map<number, SeenBlock>();
  readonly #maxBlocks: number;
  #newTokens = 0;
  #forgotten = 0;

  constructor(maxBlocks: number) {
    this.#maxBlocks = maxBlocks;
  }

  /** Blocks that were forgotten as there were too many. */
  get forgotten(): number {
    return this.#forgotten;
  }

  values(): Iterable<SeenBlock> {
    return this.#blocks.values();
  }

  add({ inputTokens, tokensPerId, hashIds }: Prompt, atMs: number, onReused: OnReused): Reuse {
    let held = 0;
    let last: SeenBlock | undefined;
    for (const [i, id] of hashIds.entries()) {
      const block = this.#blocks.get(id);
      if (block === undefined) break;
      const tokens = Math.min(tokensPerId, inputTokens - i * tokensPerId);
      const known = Math.min(block.tokens, tokens);
      onReused(known, atMs - block.lastMs, this.#newTokens - block.newTokens);
      held += known;
      last = block;
      if (known < tokens) break;
    }
    const tokens = Math.min(held, inputTokens - 1);
    this.#newTokens += inputTokens - tokens;
    // Its beginning last: that is forgotten last.
    for (let i = hashIds.length - 1; i >= 0; i--) {
      const depthTokens = Math.min((i + 1) * tokensPerId, inputTokens);
      this.#see(hashIds[i]!, depthTokens, depthTokens - i * tokensPerId, atMs);
    }
    return { tokens, last };
  }

  #see(id: number, depthTokens: number, tokens: number, atMs: number): void {
    const block = this.#blocks.get(id);
    if (block === undefined) {
      const unused = { requests: 0, savedTokens: 0, pods: undefined };
      this.#blocks.set(id, { id, depthTokens, tokens, lastMs: atMs, newTokens: this.#newTokens, ...unused });
      if (this.#blocks.size > this.#maxBlocks) {
        this.#blocks.delete(this.#blocks.keys().next().value!);
        this.#forgotten++;
      }
      return;
    }
    block.tokens = Math.max(block.tokens, tokens);
    block.lastMs = atMs;
    block.newTokens = this.#newTokens;
    this.#blocks.delete(id);
    this.#blocks.set(id, block);
  }
}
