/**
 * A paged KV cache that behaves like vLLM's block pool: full blocks only, prefix reuse, lazy eviction. Pure: no I/O, no
 * clock. Whatever it does is also announced as events, in order.
 */
import { type CacheContext, type ChainNode, chainNode, prefixOf } from './block-hash.ts';
import { BlockPool, type FreedPartialBlock } from './block-pool.ts';

export type { CacheContext } from './block-hash.ts';

export type CacheEvent =
  | {
      /** Blocks of one request that became full in one step. */
      readonly kind: 'stored';
      readonly hashes: readonly bigint[];
      readonly parent: bigint | null;
      /** Token ids of all `hashes`, concatenated. */
      readonly tokenIds: readonly number[];
      readonly lora: string | undefined;
      /** One per hash. */
      readonly extraKeys: readonly (readonly string[] | null)[];
    }
  /** One physical copy has gone; others of the same hash may remain. */
  | { readonly kind: 'removed'; readonly hash: bigint }
  | { readonly kind: 'cleared' };

export interface KvCacheOptions {
  readonly blockSizeTokens: number;
  /** Usable blocks: vLLM's `num_gpu_blocks` less one, which it keeps as a null block. */
  readonly blocks: number;
  /** Goes into the root of every chain; engines of different seeds have different hashes. */
  readonly hashSeed: string;
  readonly freedPartialBlock: FreedPartialBlock;
}

/** The blocks of one running request. Made by `allocate`, only for the cache's own methods. */
export interface Sequence {
  readonly context: CacheContext;
  /** Prompt and generated token ids; the owner appends to it. */
  readonly tokenIds: number[];
  /** Leading tokens that were found in the cache: a multiple of the block size. */
  readonly cachedTokens: number;
  /** Physical block ids. */
  readonly blocks: number[];
  /** The full blocks stored so far; `chain[i]` is in `blocks[i]`. */
  readonly chain: ChainNode[];
}

/** A resident hash. */
export interface ResidentBlock {
  readonly hash: bigint;
  readonly parent: bigint | null;
  /** Position in its chain, 0 at the root. */
  readonly index: number;
  readonly lora: string | undefined;
  readonly salt: string | undefined;
  readonly extraKeys: readonly string[] | null;
  readonly tokenIds: readonly number[];
  /** Physical copies, at least 1. */
  readonly copies: number;
  /** Token ids of the whole prefix, this block included. */
  prefix(): number[];
}

/** What may be read of a cache: the truth that an index is compared with. */
export interface ReadableKvCache {
  readonly blockSizeTokens: number;
  /** Usable blocks in all. */
  readonly capacityBlocks: number;
  /** Blocks that running requests hold. */
  readonly usedBlocks: number;
  /** Physical blocks with cached content, used or not. */
  readonly residentCount: number;
  /** How many leading full blocks of `tokenIds` are resident. */
  heldPrefixBlocks(tokenIds: readonly number[], context?: CacheContext): number;
  /** Every resident hash once, in no particular order. */
  residentBlocks(): ResidentBlock[];
  /** The resident blocks that no other resident block continues: their `prefix()` are the cache's longest chains. */
  residentChains(): ResidentBlock[];
}

export class KvCache implements ReadableKvCache {
  readonly blockSizeTokens: number;
  readonly capacityBlocks: number;
  readonly #hashSeed: string;
  readonly #pool: BlockPool;
  /** What a physical block holds. */
  readonly #content: (ChainNode | undefined)[];
  /** Hash → physical copies, oldest first. */
  readonly #copies = new Map<bigint, number[]>();
  #residentCount = 0;
  #events: CacheEvent[] = [];

  constructor(options: KvCacheOptions) {
    this.blockSizeTokens = options.blockSizeTokens;
    this.capacityBlocks = options.blocks;
    this.#hashSeed = options.hashSeed;
    this.#pool = new BlockPool(options.blocks, options.freedPartialBlock);
    this.#content = new Array<ChainNode | undefined>(options.blocks).fill(undefined);
  }

  get usedBlocks(): number {
    return this.capacityBlocks - this.#pool.free;
  }

  get residentCount(): number {
    return this.#residentCount;
  }

  /**
   * Takes the blocks that a request needs for its tokens so far, reusing what is cached. At least the last token is
   * always computed, so a prompt of exactly n cached blocks reuses n - 1. Undefined, and nothing changed, if too few are
   * free.
   */
  allocate(tokenIds: readonly number[], context: CacheContext = {}): Sequence | undefined {
    const reusable = Math.floor((tokenIds.length - 1) / this.blockSizeTokens);
    const hits = this.#findPrefix(tokenIds, context, reusable);
    const needed = Math.ceil(tokenIds.length / this.blockSizeTokens) - hits.length;
    const hitsInQueue = hits.filter(({ block }) => this.#pool.isFree(block)).length;
    if (needed + hitsInQueue > this.#pool.free) return undefined;
    for (const { block } of hits) this.#pool.hold(block);
    const sequence: Sequence = {
      context,
      tokenIds: [...tokenIds],
      cachedTokens: hits.length * this.blockSizeTokens,
      blocks: hits.map(({ block }) => block),
      chain: hits.map(({ node }) => node),
    };
    for (let i = 0; i < needed; i++) sequence.blocks.push(this.#take());
    return sequence;
  }

  /** Makes room for the first `tokens` tokens. False, and nothing changed, if too few blocks are free. */
  reserve(sequence: Sequence, tokens: number): boolean {
    const needed = Math.ceil(tokens / this.blockSizeTokens) - sequence.blocks.length;
    if (needed > this.#pool.free) return false;
    for (let i = 0; i < needed; i++) sequence.blocks.push(this.#take());
    return true;
  }

  /** Caches every block that is full now that the first `computedTokens` tokens are computed: one `stored` event. */
  store(sequence: Sequence, computedTokens: number): void {
    const { chain, context, tokenIds } = sequence;
    const size = this.blockSizeTokens;
    const first = chain.length;
    for (let i = first; i < Math.floor(computedTokens / size); i++) {
      const node = chainNode(this.#hashSeed, chain.at(-1), tokenIds.slice(i * size, (i + 1) * size), context);
      chain.push(node);
      this.#cache(sequence.blocks[i]!, node);
    }
    const stored = chain.slice(first);
    if (stored.length === 0) return;
    this.#events.push({
      kind: 'stored',
      hashes: stored.map(node => node.hash),
      parent: stored[0]!.parent?.hash ?? null,
      tokenIds: stored.flatMap(node => node.tokenIds),
      lora: context.lora,
      extraKeys: stored.map(node => node.extraKeys),
    });
  }

  /** Gives a request's blocks back, tail first, so that the tail is evicted first. Cached content stays until then. */
  free(sequence: Sequence): void {
    this.#pool.release(sequence.blocks.splice(0), block => this.#content[block] !== undefined);
  }

  /** Forgets all content. Refused (false, no event) while a request holds blocks. */
  reset(): boolean {
    if (this.usedBlocks > 0) return false;
    this.#content.fill(undefined);
    this.#copies.clear();
    this.#residentCount = 0;
    this.#events.push({ kind: 'cleared' });
    return true;
  }

  /** What happened since the last call, in order. */
  drainEvents(): CacheEvent[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  heldPrefixBlocks(tokenIds: readonly number[], context: CacheContext = {}): number {
    return this.#findPrefix(tokenIds, context, Math.floor(tokenIds.length / this.blockSizeTokens)).length;
  }

  residentBlocks(): ResidentBlock[] {
    return [...this.#copies.values()].map(copies => {
      const node = this.#content[copies[0]!]!;
      return {
        hash: node.hash,
        parent: node.parent?.hash ?? null,
        index: node.index,
        lora: node.context.lora,
        salt: node.context.salt,
        extraKeys: node.extraKeys,
        tokenIds: node.tokenIds,
        copies: copies.length,
        prefix: () => prefixOf(node),
      };
    });
  }

  residentChains(): ResidentBlock[] {
    const blocks = this.residentBlocks();
    const continued = new Set(blocks.map(block => block.parent));
    return blocks.filter(block => !continued.has(block.hash));
  }

  #findPrefix(tokenIds: readonly number[], context: CacheContext, mostBlocks: number) {
    const found: { block: number; node: ChainNode }[] = [];
    const size = this.blockSizeTokens;
    for (let i = 0; i < mostBlocks; i++) {
      const tokens = tokenIds.slice(i * size, (i + 1) * size);
      const { hash } = chainNode(this.#hashSeed, found.at(-1)?.node, tokens, context);
      const block = this.#copies.get(hash)?.[0];
      if (block === undefined) break;
      found.push({ block, node: this.#content[block]! });
    }
    return found;
  }

  /** The next free block; evicts its content, if it has any. */
  #take(): number {
    const block = this.#pool.take();
    const node = this.#content[block];
    if (node === undefined) return block;
    this.#content[block] = undefined;
    this.#residentCount--;
    const remaining = this.#copies.get(node.hash)!.filter(copy => copy !== block);
    if (remaining.length === 0) this.#copies.delete(node.hash);
    else this.#copies.set(node.hash, remaining);
    this.#events.push({ kind: 'removed', hash: node.hash });
    return block;
  }

  #cache(block: number, node: ChainNode): void {
    this.#content[block] = node;
    this.#residentCount++;
    const copies = this.#copies.get(node.hash);
    if (copies === undefined) this.#copies.set(node.hash, [block]);
    else copies.push(block);
  }
}
