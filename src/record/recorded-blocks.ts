import { mixTokens } from '../prompt/blocks.ts';
import type { PrefixFound } from '../routing/route.ts';

/** Far more than any context has, in blocks of a size that makes sense: a line with more would be one that nobody reads. */
const MAX_BLOCKS = 1 << 17;
const MAX_TOKENS = 1 << 24;

/**
 * A prompt in blocks of `blockTokens`: of each a hash that covers the prompt up to its end, as two lanes. The last block may have fewer tokens.
 * The look-up has hashed the prompt already, in the engine's blocks: the hash at a place where such a block ends is taken from there, and only
 * tokens after it are mixed in. undefined: there are none,
 * or too many.
 */
export function recordedBlocks(
  ids: Uint32Array,
  { root, chain }: ReturnType<PrefixFound['finest']>,
  blockTokens: number,
): Uint32Array | undefined {
  const count = Math.ceil(ids.length / blockTokens);
  if (count === 0 || count > MAX_BLOCKS || ids.length > MAX_TOKENS) return undefined;
  const { blockSizeTokens: size, length, lanes } = chain;
  const hashes = new Uint32Array(2 * count);
  let { hi, lo } = root as { hi: number; lo: number };
  /** Tokens that (`hi`, `lo`) covers. */
  let covered = 0;
  for (let block = 0; block < count; block++) {
    const end = Math.min((block + 1) * blockTokens, ids.length);
    const depth = Math.min(Math.floor(end / size), length);
    if (depth * size > covered) {
      hi = lanes[2 * depth - 2]!;
      lo = lanes[2 * depth - 1]!;
      covered = depth * size;
    }
    if (covered < end) ({ hi, lo } = mixTokens(hi, lo, ids.subarray(covered, end)));
    covered = end;
    hashes[2 * block] = hi;
    hashes[2 * block + 1] = lo;
  }
  return hashes;
}
