/**
 * Tokens → chained block hashes. The only hashing in the program: the read path hashes a request's tokens, the write path
 * the tokens that engines announce, and both must get the same chain.
 *
 * A block's hash is a function of the hash before it and of its own tokens, so equal hashes at one position mean equal
 * prefixes. The chain starts from a root that holds everything else the cache depends on (`rootOf`). The 64 bits live in
 * two 32-bit lanes, since JavaScript multiplies 32-bit integers natively (`Math.imul`) and has no fast 64-bit integer.
 * The mixing is of the MurmurHash3 family; it is seeded per process and never leaves it. A collision would only send a
 * request to a pod that turns out to be cold.
 */
import type {
  BlockChain,
  BlockForm,
  BlockHash,
  BlockLanes,
  CacheContext,
  KeptChains,
  MediaItem,
} from '../domain.ts';

const X_MULTIPLIER = 0xcc9e2d51;
const Y_MULTIPLIER = 0x85ebca6b;

/** What else, beside its tokens, one block depends on: multimodal identifiers and the like. Index = block in the chain. */
export type BlockExtras = readonly (string | undefined)[];

export const NO_EXTRAS: BlockExtras = [];

/** What a block depends on beside its tokens, from its extra keys, in the engine's order. Both paths must write them alike. */
export function extraOf(keys: readonly string[]): string | undefined {
  return keys.length === 0 ? undefined : `[${keys.join()}]`;
}

/**
 * Of a prompt with images and the like: each block that holds a part of an item, or is followed by one within the lookahead, depends
 * on which one it is, and on where it starts, counted from the block's own start (vLLM, v1/core/kv_cache_utils.py,
 * `_gen_mm_extra_hash_keys`, `generate_lookahead_block_hash_extra_keys`).
 */
export function mediaExtras(
  media: readonly MediaItem[],
  { sizeTokens, lookaheadTokens }: BlockForm,
): BlockExtras {
  const keys: string[][] = [];
  for (const { identifier, offset, length } of media) {
    const last = Math.floor((offset + length - 1) / sizeTokens);
    for (
      let block = Math.max(0, Math.floor((offset - lookaheadTokens) / sizeTokens));
      block <= last;
      block++
    ) {
      keys[block] ??= [];
      keys[block]!.push(JSON.stringify([identifier, offset - block * sizeTokens]));
    }
  }
  return Array.from(keys, (ofBlock = []) => extraOf(ofBlock));
}

/** The tokens that follow blocks: so many of each, one block's behind the other's. */
export interface Lookahead {
  readonly tokens: number;
  readonly ids: Uint32Array;
}

export const NO_LOOKAHEAD: Lookahead = { tokens: 0, ids: new Uint32Array() };

/** Of the full blocks of a prompt as far as enough tokens follow them. */
export function lookaheadOf(ids: Uint32Array, { sizeTokens, lookaheadTokens: tokens }: BlockForm): Lookahead {
  if (tokens === 0) return NO_LOOKAHEAD;
  const blocks = Math.max(0, Math.floor((ids.length - tokens) / sizeTokens));
  const following = new Uint32Array(blocks * tokens);
  for (let i = 0; i < following.length; i++) {
    const block = Math.floor(i / tokens);
    following[i] = ids[(block + 1) * sizeTokens + (i % tokens)]!;
  }
  return { tokens, ids: following };
}

/** Hashes blocks. Both paths must use the same one, as a chain of another seed has nothing in common with it. */
export class BlockHasher {
  readonly seed: number;

  /** @param seed any 32-bit number, the same for the whole process; who does not know it cannot make two blocks with equal hashes */
  constructor(seed: number) {
    this.seed = seed;
  }

  /** The start of every chain of one context. Chains of different contexts or forms have nothing in common. */
  root(context: CacheContext, { sizeTokens, lookaheadTokens }: BlockForm): BlockHash {
    let start = mixNumber(this.seed >>> 0, ~this.seed >>> 0, sizeTokens);
    if (lookaheadTokens > 0) start = mixNumber(start.hi, start.lo, lookaheadTokens);
    return mixTexts(start.hi, start.lo, [context.space, context.model, context.salt]);
  }

  /**
   * Hashes the full blocks of `ids`, chained from `parent` (a root, or the hash of the block before the first one). Tokens
   * after the last full block are left out.
   *
   * The tokens of each block make a digest by themselves, which then enters the chain: digests do not wait for one another, so
   * that a processor works on several at once. They start from the seed.
   * @param lookahead the tokens that follow each block; as many blocks as those are of are hashed at the most
   */
  chain(
    parent: BlockHash,
    ids: Uint32Array,
    blockSizeTokens: number,
    extras: BlockExtras = NO_EXTRAS,
    lookahead: Lookahead = NO_LOOKAHEAD,
  ): BlockChain {
    const { tokens: followers, ids: followerIds } = lookahead;
    const full = Math.floor(ids.length / blockSizeTokens);
    const length = followers === 0 ? full : Math.min(full, Math.floor(followerIds.length / followers));
    const lanes = new Uint32Array(2 * length) as BlockLanes;
    const startX = avalanche(this.seed);
    const startY = avalanche(~this.seed);
    let hi = parent.hi | 0;
    let lo = parent.lo | 0;
    for (let block = 0, token = 0; block < length; block++) {
      const extra = extras[block];
      if (extra !== undefined) {
        const mixed = mixTexts(hi >>> 0, lo >>> 0, [extra]);
        hi = mixed.hi | 0;
        lo = mixed.lo | 0;
      }
      if (followers > 0) {
        const mixed = mixTokens(hi, lo, followerIds.subarray(block * followers, (block + 1) * followers));
        hi = mixed.hi | 0;
        lo = mixed.lo | 0;
      }
      let x = startX;
      let y = startY;
      const end = token + blockSizeTokens;
      for (; token + 1 < end; token += 2) {
        x = Math.imul(x ^ ids[token]!, X_MULTIPLIER);
        y = Math.imul(y ^ ids[token + 1]!, Y_MULTIPLIER);
        x = (((x << 15) | (x >>> 17)) + y) | 0;
        y = (((y << 13) | (y >>> 19)) + x) | 0;
      }
      if (token < end) x = Math.imul(x ^ ids[token++]!, X_MULTIPLIER);
      // The same round once more, with the digest in the place of two tokens.
      hi = Math.imul(hi ^ x, X_MULTIPLIER);
      lo = Math.imul(lo ^ y, Y_MULTIPLIER);
      hi = (((hi << 15) | (hi >>> 17)) + lo) | 0;
      lo = (((lo << 13) | (lo >>> 19)) + hi) | 0;
      hi = avalanche(hi);
      lo = avalanche(lo + hi);
      lanes[2 * block] = hi;
      lanes[2 * block + 1] = lo;
    }
    return { blockSizeTokens, length, lanes };
  }
}

/** The chain of a prompt of which the first blocks' hashes may be kept from another one that begins alike. */
export function chainWithKept(
  hasher: Pick<BlockHasher, 'chain'>,
  root: BlockHash,
  ids: Uint32Array,
  blockSizeTokens: number,
  kept: KeptChains,
): BlockChain {
  const most = Math.floor(ids.length / blockSizeTokens);
  const first = kept.firstBlocks(root, blockSizeTokens).subarray(0, 2 * most);
  const known = { blockSizeTokens, length: first.length / 2, lanes: first as BlockLanes };
  if (known.length === most) return known;
  const parent = known.length === 0 ? root : blockAt(known, known.length - 1);
  const rest = hasher.chain(parent, ids.subarray(known.length * blockSizeTokens), blockSizeTokens);
  const lanes = new Uint32Array(2 * most) as BlockLanes;
  lanes.set(first);
  lanes.set(rest.lanes, first.length);
  const chain = { blockSizeTokens, length: most, lanes };
  kept.keep(root, chain);
  return chain;
}

/** The hash of block `position` of a chain. */
export function blockAt(chain: BlockChain, position: number): BlockHash {
  return { hi: chain.lanes[2 * position]!, lo: chain.lanes[2 * position + 1]! } as BlockHash;
}

/** MurmurHash3's 32-bit finalizer: a bijection in which every input bit reaches every output bit. */
function avalanche(value: number): number {
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return value ^ (value >>> 16);
}

/** A hash and some tokens after what it covers. Kept out of the loop over blocks, which most engines never leave for it. */
export function mixTokens(
  hi: number,
  lo: number,
  tokens: Uint32Array,
): { readonly hi: number; readonly lo: number } {
  for (const token of tokens) {
    hi = avalanche(hi ^ token);
    lo = avalanche((lo + token) ^ hi);
  }
  return { hi, lo };
}

/** Of each its length first, so that no two lists of texts run together. */
function mixTexts(hi: number, lo: number, texts: readonly string[]): BlockHash {
  for (const text of texts) {
    for (let i = -1; i < text.length; i++) {
      const value = i < 0 ? text.length : text.charCodeAt(i);
      hi = avalanche(hi ^ value);
      lo = avalanche((lo + value) ^ hi);
    }
  }
  return { hi: hi >>> 0, lo: lo >>> 0 } as BlockHash;
}

function mixNumber(hi: number, lo: number, value: number): { readonly hi: number; readonly lo: number } {
  const mixed = avalanche(hi ^ value);
  return { hi: mixed >>> 0, lo: avalanche((lo + value) ^ mixed) >>> 0 };
}
