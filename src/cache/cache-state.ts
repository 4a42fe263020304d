import { RunIndex } from '../prefix-index/run-index.ts';
import { type Clock, monotonicClock } from '../time.ts';
import { ContextCatalog } from './context-catalog.ts';
import { Holders } from './holders.ts';
import { RoutingHistory } from './routing-history.ts';

export interface CacheStateOptions {
  /** Bytes of memory for the index. */
  readonly capacityBytes: number;
  /** Most (block, pod) pairs of what was routed where. */
  readonly historyEntries: number;
  /** How long a routed prompt counts as held by its pod. */
  readonly historyTtlMs: number;
  /** Any 32-bit number that engines do not know. */
  readonly seed: number;
  /** Monotonic; default: the process's. */
  readonly now?: Clock;
}

/** All that is believed about who holds what. */
export interface CacheState {
  readonly index: RunIndex;
  readonly holders: Holders;
  readonly catalog: ContextCatalog;
  readonly history: RoutingHistory;
  /** The pod is gone: nothing of it may ever match again. */
  purge(pod: string): void;
}

export function createCacheState(options: CacheStateOptions): CacheState {
  const { capacityBytes, historyEntries, historyTtlMs, seed, now = monotonicClock } = options;
  const holders = new Holders();
  const catalog = new ContextCatalog();
  const index = new RunIndex({ capacityBytes, seed });
  const history = new RoutingHistory({
    index,
    holders,
    timeToLiveMs: historyTtlMs,
    capacityEntries: historyEntries,
    now,
  });
  return {
    holders,
    catalog,
    index,
    history,
    purge(pod) {
      history.forget(pod);
      catalog.forgetServed(pod);
      catalog.setReuse(pod, 'whole_prefix');
      for (const holder of holders.of(pod)) {
        index.clear(holder);
        catalog.forget(holder);
      }
      holders.releaseAll(pod);
    },
  };
}
