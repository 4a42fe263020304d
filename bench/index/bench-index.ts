import type { BlockChain } from '../../src/domain.ts';
import type { Found, PrefixIndex } from '../../src/prefix-index/prefix-index.ts';

export type BenchFound = Pick<Found, 'depthOf' | 'forEachLayer' | 'layers' | 'extents'>;

/** What the workloads need of an index. */
export interface BenchIndex extends Pick<PrefixIndex, 'locate' | 'store' | 'remove' | 'size'> {
  find(chain: BlockChain): BenchFound;
}
