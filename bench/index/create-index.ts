import type { BlockChain } from '../../src/domain.ts';
import type { Found, PrefixIndex } from '../../src/prefix-index/prefix-index.ts';
import { RunIndex } from '../../src/prefix-index/run-index.ts';
import { MapOfSets } from '../baselines/map-of-sets.ts';
import { RadixTree } from '../baselines/radix-tree.ts';

const CAPACITY_BYTES = 1 << 29;

export type BenchFound = Pick<Found, 'depthOf' | 'forEachLayer' | 'layers' | 'extents'>;

/** What the workloads need of an index. */
export interface BenchIndex extends Pick<PrefixIndex, 'locate' | 'store' | 'remove' | 'size'> {
  find(chain: BlockChain): BenchFound;
}

/** Ours, or a baseline: the usual radix tree of objects, and a map from blocks to sets of holders. */
export function createIndex(name: string): BenchIndex {
  switch (name) {
    case 'runs':
      return new RunIndex({ capacityBytes: CAPACITY_BYTES, seed: 12_345 });
    case 'radix-tree':
      return new RadixTree();
    case 'map-of-sets':
      return new MapOfSets();
    default:
      throw new Error(`no index is named ${name}`);
  }
}
