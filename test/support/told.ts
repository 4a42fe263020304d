import type { PublisherFact } from '../../src/events/feed-fact.ts';

/** How often what a fact tells of has happened. */
export function timesOf(fact: PublisherFact): number {
  return fact.kind === 'applied' ? fact.events : 1;
}
