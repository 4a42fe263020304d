/** Chained block hashes, as vLLM makes them: each covers its parent's hash, its own tokens and its extra keys. */
import { createHash } from 'node:crypto';

/** What besides tokens decides whether two requests may share a block. */
export interface CacheContext {
  /** Name of the LoRA adapter; none for the base model. */
  readonly lora?: string | undefined;
  /** The request's `cache_salt`. */
  readonly salt?: string | undefined;
}

/** A block and, through `parent`, all that precedes it. Shared by every physical copy. */
export interface ChainNode {
  /** Unsigned 64 bits. */
  readonly hash: bigint;
  /** None at the root. */
  readonly parent: ChainNode | undefined;
  /** Position in the chain, 0 at the root. */
  readonly index: number;
  /** Exactly one block of token ids. */
  readonly tokenIds: readonly number[];
  readonly context: CacheContext;
  /** As in the events (vLLM #27577, #33304): the adapter's name on every block, the salt on the first; else null. */
  readonly extraKeys: readonly string[] | null;
}

function extraKeysOf(context: CacheContext, index: number): readonly string[] | null {
  const keys: string[] = [];
  if (context.lora !== undefined) keys.push(context.lora);
  if (context.salt !== undefined && index === 0) keys.push(context.salt);
  return keys.length === 0 ? null : keys;
}

/** Makes the node after `parent`. The hash is the last 8 bytes of a SHA-256, big-endian, like vLLM's integer hashes. */
export function chainNode(
  seed: string,
  parent: ChainNode | undefined,
  tokenIds: readonly number[],
  context: CacheContext,
): ChainNode {
  const index = parent === undefined ? 0 : parent.index + 1;
  const extraKeys = extraKeysOf(context, index);
  const digest = createHash('sha256')
    .update(parent === undefined ? `root:${seed}` : parent.hash.toString(16))
    .update(Uint32Array.from(tokenIds))
    // Tagged by position, as vLLM hashes them since 0.31: an adapter named like a salt shares nothing with it.
    .update(JSON.stringify([context.lora, index === 0 ? context.salt : undefined]))
    .digest();
  return { hash: digest.readBigUInt64BE(24), parent, index, tokenIds, context, extraKeys };
}

/** Token ids of the whole prefix up to and including `node`. */
export function prefixOf(node: ChainNode): number[] {
  const nodes: ChainNode[] = [];
  for (let at: ChainNode | undefined = node; at !== undefined; at = at.parent) nodes.push(at);
  return nodes.reverse().flatMap(each => each.tokenIds);
}
