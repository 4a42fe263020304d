import type { BlockChain, BlockHash, HolderId, Matches } from '../domain.ts';

/**
 * Block hash → holders; the longest held prefix of a chain, per holder. Synchronous, no I/O.
 * Implementations answer to one contract suite, `describePrefixIndex` in `test/support`.
 */
export interface PrefixIndex {
  /** The holder holds these blocks. Known ones stay as they are; `store` twice, `remove` once: not held. */
  store(holder: HolderId, chain: BlockChain): void;
  /** The holder no longer holds this block. Blocks behind it stay known, but a match ends before the hole. */
  remove(holder: HolderId, block: BlockHash): void;
  /** The holder holds nothing any more. */
  clear(holder: HolderId): void;
  /**
   * For each holder of the first block: how many blocks from the start it holds without a hole.
   * Deepest layer first; within a layer in no particular order.
   */
  match(chain: BlockChain): Matches;
  /** Distinct blocks, and (block, holder) pairs. */
  size(): IndexSize;
}

export interface IndexSize {
  readonly blocks: number;
  readonly entries: number;
}
