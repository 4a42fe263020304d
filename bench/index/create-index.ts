import { RunIndex } from '../../src/prefix-index/run-index.ts';
import type { BenchIndex } from './bench-index.ts';
import { MapOfSets } from './map-of-sets.ts';
import { RadixTree } from './radix-tree.ts';

const CAPACITY_BYTES = 1 << 29;

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
