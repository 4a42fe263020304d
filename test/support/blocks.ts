/** Small chains and holders for tests of what deals in blocks. */
import {
  type BlockChain,
  type BlockForm,
  type BlockHash,
  type BlockLanes,
  type CacheContext,
  type EngineHash,
  type EngineLanes,
  engineHash,
  type HolderId,
  type Matches,
} from '../../src/domain.ts';
import type { PrefixIndex } from '../../src/prefix-index/prefix-index.ts';
import { BlockHasher } from '../../src/prompt/blocks.ts';
import type { PromptChain } from '../../src/routing/prefix-lookup.ts';

export const SEED = 7;
export const HASHER = new BlockHasher(SEED);

/** Of blocks whose hashes cover nothing after them. */
export function blockForm(sizeTokens: number, lookaheadTokens = 0): BlockForm {
  return { sizeTokens, lookaheadTokens };
}

export function holder(id: number): HolderId {
  return id as HolderId;
}

export function aContext(given: Partial<CacheContext> = {}): CacheContext {
  return { space: 'engine', model: 'demo', salt: '', ...given };
}

/** `count` token ids, each different from those of another `start`. */
export function tokenIds(count: number, start = 0): Uint32Array {
  return Uint32Array.from({ length: count }, (_, position) => start * 100_000 + position);
}

export function chainOf(
  ids: Iterable<number>,
  blockSizeTokens = 1,
  context: Partial<CacheContext> = {},
): BlockChain {
  const root = HASHER.root(aContext(context), blockForm(blockSizeTokens));
  return HASHER.chain(root, Uint32Array.from(ids), blockSizeTokens);
}

/** The part of a chain from block `start` to before block `end`. */
export function slice(chain: BlockChain, start: number, end = chain.length): BlockChain {
  const lanes = chain.lanes.slice(2 * start, 2 * end) as BlockLanes;
  return { blockSizeTokens: chain.blockSizeTokens, length: lanes.length / 2, lanes };
}

/** What an engine might call these blocks; each scheme is another engine's. */
export function engineHashesOf({ lanes }: BlockChain, scheme = 0): EngineLanes {
  return lanes.map((lane, i) =>
    scheme === 0 ? lane ^ 0x5bd1e995 : Math.imul(lane, 2 * scheme + 1) + i,
  ) as EngineLanes;
}

export function engineHashIn(lanes: EngineLanes, position: number): EngineHash {
  return engineHash(lanes[2 * position]!, lanes[2 * position + 1]!);
}

/** The same of one block. */
export function engineHashAt(chain: BlockChain, position: number, scheme = 0): EngineHash {
  return engineHashIn(engineHashesOf(chain, scheme), position);
}

/** Hashes by their lanes. */
export function engineLanes(...lanes: readonly number[]): EngineLanes {
  return Uint32Array.from(lanes) as EngineLanes;
}

export function blockLanes(...lanes: readonly number[]): BlockLanes {
  return Uint32Array.from(lanes) as BlockLanes;
}

/** Whether the holder holds this very block, by its engine's name for it; whatever it holds of those before. */
export function holdsBlock(
  index: PrefixIndex,
  by: HolderId,
  engineHash: EngineHash,
  block: BlockHash,
): boolean {
  const place = index.locate(by, engineHash);
  if (place === undefined) return false;
  const { hi, lo } = index.hashAt(place);
  return hi === block.hi && lo === block.lo;
}

/** Holder → depth. Fails the shape that layers promise: deepest first, none empty, each holder in one only. */
export function depthsOf(matches: Matches): Map<number, number> {
  const depths = new Map<number, number>();
  let last = Number.POSITIVE_INFINITY;
  for (const { depth, holders } of matches) {
    if (depth >= last || depth < 1) throw new Error(`a layer of depth ${depth} after one of ${last}`);
    if (holders.length === 0) throw new Error('a layer without holders');
    last = depth;
    for (const id of holders) {
      if (depths.has(id)) throw new Error(`holder ${id} stands in two layers`);
      depths.set(id, depth);
    }
  }
  return depths;
}

/** Of a prompt that was cut into no blocks. */
export const NO_CHAIN: PromptChain = { root: HASHER.root(aContext(), blockForm(16)), chain: chainOf([], 16) };
