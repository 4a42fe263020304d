/** Whether engines announce what was predicted of them: joined to what is heard of them. */
import type { CacheState } from '../cache/cache-state.ts';
import type { EventFeed, FeedFact } from '../events/event-feed.ts';
import type { Listeners } from '../listeners.ts';
import { Confirmations, type ConfirmationsOptions } from '../routing/confirmations.ts';
import { monotonicClock } from '../time.ts';

export interface ConfirmingParts {
  readonly cache: CacheState;
  readonly feed: EventFeed;
  readonly facts: Listeners<FeedFact>;
  readonly report: {
    readonly confirmation: ConfirmationsOptions['onConfirmation'];
    readonly doubt: ConfirmationsOptions['onDoubt'];
  };
}

export function createConfirmations({ cache, feed, facts, report }: ConfirmingParts): Confirmations {
  const { index, holders, catalog } = cache;
  const confirmations = new Confirmations({
    ...{ index, holders, catalog },
    isFollowed: pod => pod.kvEvents.kind !== 'none' && !feed.leavesOut(pod.name),
    now: monotonicClock,
    onConfirmation: report.confirmation,
    onDoubt: report.doubt,
  });
  facts.add(fact => hearInterruption(confirmations, fact));
  return confirmations;
}

/** What was announced before it says nothing of what is held now. */
function hearInterruption(confirmations: Confirmations, fact: FeedFact): void {
  const { pod, rank } = fact;
  if (fact.kind === 'forgotten' || (fact.kind === 'applied' && fact.event === 'cleared'))
    confirmations.interrupted(pod);
  else if (fact.kind === 'link' && fact.event === 'lost') confirmations.broke(pod, rank);
  else if (fact.kind === 'link' && fact.event === 'connected') confirmations.resumed(pod, rank);
}
