import { engineEvents, type KvEvent } from './decoding/decoding.ts';
import type { PublisherFact } from './feed-fact.ts';
import type { Applied } from './ingest/ingest.ts';

export type AppliedFact = PublisherFact & { readonly kind: 'applied' };

/** What became of the events of one batch: a fact for each kind and outcome, as events come in numbers. */
export class BatchOutcome {
  readonly #facts: { -readonly [Field in keyof AppliedFact]: AppliedFact[Field] }[] = [];

  get facts(): readonly AppliedFact[] {
    return this.#facts;
  }

  add(event: KvEvent, applied: Applied): void {
    const fact = this.#factOf(event.kind, applied.kind);
    fact.events += engineEvents(event);
    switch (applied.kind) {
      case 'stored':
        fact.blocks += applied.blocks + applied.attached;
        break;
      case 'removed':
        fact.blocks += applied.blocks;
        break;
      case 'orphaned':
        fact.blocks += applied.blocks;
        fact.dropped += applied.dropped;
    }
  }

  #factOf(event: KvEvent['kind'], outcome: Applied['kind']) {
    for (const fact of this.#facts) if (fact.event === event && fact.outcome === outcome) return fact;
    const fact = { kind: 'applied' as const, event, outcome, events: 0, blocks: 0, dropped: 0 };
    this.#facts.push(fact);
    return fact;
  }
}
