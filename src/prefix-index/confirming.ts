import type { HolderId } from '../domain.ts';
import { ANY_RANK, type Holders } from './holders.ts';
import type { PrefixIndex } from './prefix-index.ts';

/**
 * The index as the event feed writes to it. What was only expected of an engine (the history of what was routed there)
 * ends when the engine says that the block is gone.
 */
export function confirming(index: PrefixIndex, history: PrefixIndex, holders: Holders): PrefixIndex {
  function expectedOf(holder: HolderId): HolderId | undefined {
    const pod = holders.get(holder)?.pod;
    return pod === undefined ? undefined : holders.find(pod, ANY_RANK);
  }
  return {
    store: (holder, chain) => index.store(holder, chain),
    remove(holder, block) {
      index.remove(holder, block);
      const expected = expectedOf(holder);
      if (expected !== undefined) history.remove(expected, block);
    },
    clear(holder) {
      index.clear(holder);
      const expected = expectedOf(holder);
      if (expected !== undefined) history.clear(expected);
    },
    match: chain => index.match(chain),
    size: () => index.size(),
  };
}
