import type { CacheState, CacheStateOptions } from '../../src/cache/cache-state.ts';
import { chainOf } from '../../test/support/blocks.ts';
import { prefixOf } from '../../test/support/conversations.ts';
import { BLOCK_SIZE_TOKENS } from '../support/trace.ts';
import type { Workload } from './workload.ts';

export const POD = 'bench';
export const CACHE: CacheStateOptions = {
  ...{ capacityBytes: 1 << 26, historyEntries: 1_000, historyTtlMs: 60_000, seed: 12_345 },
};

/** Throws unless the index has of every chain what the engine's cache has, and nothing else. */
export function assertHolds({ index, holders }: CacheState, { cacheBlocks, chains }: Workload): void {
  const holder = holders.find(POD, { kind: 'gpu', rank: 0 })!;
  if (index.held(holder) !== cacheBlocks)
    throw new Error(`${index.held(holder)} blocks are held, not ${cacheBlocks}`);
  for (const { chain, depth } of chains) {
    const found = index.find(chainOf(prefixOf(chain.at(-1)!), BLOCK_SIZE_TOKENS)).depthOf(holder);
    if (found !== depth) throw new Error(`of a chain ${found} blocks are found, not ${depth}`);
  }
}
