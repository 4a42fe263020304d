import type { BlockHash, BlockLanes } from '../../domain.ts';
import type { BlockHasher } from '../../prompt/blocks.ts';
import { writeGenerated, writePrompt } from '../trace/prompt-tokens.ts';
import type { TraceRequest } from '../trace/trace-request.ts';

/** What an engine hashes blocks with, and how many tokens they have. */
export interface BlockNaming {
  readonly hasher: BlockHasher;
  readonly root: BlockHash;
  readonly blockSizeTokens: number;
}

/** One request in an engine. */
export class Sequence {
  /** In order of arrival, over all engines. */
  readonly number: number;
  readonly request: TraceRequest;
  /** Physical blocks, from the prompt's first on. */
  blocks: number[] = [];
  /** Of those the ones whose content is cached. */
  stored = 0;
  /** Tokens whose keys and values are there, cached ones included. */
  computed = 0;
  /** Tokens that the step under way computes. */
  scheduled = 0;
  generated = 0;
  /** Of the prompt, found in the cache when it was first admitted; undefined: it waits. */
  cachedTokens: number | undefined = undefined;
  #content: { readonly tokens: Uint32Array; readonly lanes: BlockLanes } | undefined;

  constructor(number: number, request: TraceRequest) {
    this.number = number;
    this.request = request;
  }

  /** Tokens so far: the prompt and what was generated. */
  get length(): number {
    return this.request.inputTokens + this.generated;
  }

  get isDecoding(): boolean {
    return this.generated > 0 && this.computed === this.length - 1;
  }

  /** Its tokens, and the hashes of its blocks, with all that it is going to generate. Made when first asked for: queues may be long. */
  content({ hasher, root, blockSizeTokens }: BlockNaming): {
    readonly tokens: Uint32Array;
    readonly lanes: BlockLanes;
  } {
    if (this.#content === undefined) {
      const { inputTokens, outputTokens } = this.request;
      const tokens = new Uint32Array(inputTokens + outputTokens);
      writePrompt(this.request, tokens);
      writeGenerated(this.number, tokens.subarray(inputTokens));
      this.#content = { tokens, lanes: hasher.chain(root, tokens, blockSizeTokens).lanes };
    }
    return this.#content;
  }
}
