import { BlockSets } from './block-sets.ts';
import { confirming } from './confirming.ts';
import { ContextCatalog } from './context-catalog.ts';
import { Holders } from './holders.ts';
import type { PrefixIndex } from './prefix-index.ts';

export interface CacheStateOptions {
  /** Most (block, holder) pairs of what engines announced. */
  readonly indexEntries: number;
  /** Most (block, holder) pairs of what was routed where. */
  readonly historyEntries: number;
  /** How long a routed prompt counts as held by its pod. */
  readonly historyTtlMs: number;
}

/** All that is believed about who holds what. */
export interface CacheState {
  readonly holders: Holders;
  readonly catalog: ContextCatalog;
  /** What engines announced; the event feed writes to it through `fed`. */
  readonly index: PrefixIndex;
  readonly fed: PrefixIndex;
  /** What was routed where. */
  readonly history: PrefixIndex;
  /** The pod is gone: nothing of it may ever match again. */
  purge(pod: string): void;
}

export function createCacheState(options: CacheStateOptions): CacheState {
  const holders = new Holders();
  const catalog = new ContextCatalog();
  const index = new BlockSets({
    capacityEntries: options.indexEntries,
    timeToLiveMs: Number.POSITIVE_INFINITY,
  });
  const history = new BlockSets({
    capacityEntries: options.historyEntries,
    timeToLiveMs: options.historyTtlMs,
  });
  return {
    holders,
    catalog,
    index,
    fed: confirming(index, history, holders),
    history,
    purge(pod) {
      for (const holder of holders.of(pod)) {
        index.clear(holder);
        history.clear(holder);
        catalog.forget(holder);
      }
      holders.release(pod);
    },
  };
}
