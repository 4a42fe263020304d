import { createCacheState } from '../../src/cache/cache-state.ts';
import { EventFeed, type FeedFact } from '../../src/events/event-feed.ts';
import { HASHER } from '../../test/support/blocks.ts';
import { aPod } from '../../test/support/builders.ts';
import { assertHolds, CACHE, POD } from './cache.ts';
import { secondsNow } from './clock.ts';
import { createReport } from './metrics.ts';
import { Arrivals, type Received, type Receiving } from './session.ts';
import type { Workload } from './workload.ts';

/** The real feed and what it reports, in this process, on one engine. */
export class Receiver implements Receiving {
  readonly #cache = createCacheState(CACHE);
  readonly #arrivals = new Arrivals();
  readonly #report = createReport();
  readonly #feed: EventFeed;
  #events = 0;

  /** @param port where the engine publishes on this machine */
  constructor(port: number) {
    this.#feed = new EventFeed({
      ...{ cache: this.#cache, hasher: HASHER, topic: '' },
      limits: { maxBehindMs: Number.POSITIVE_INFINITY },
      wallClock: () => 1_000 * secondsNow(),
      onFact: fact => this.#hear(fact),
    });
    this.#feed.follow(aPod({ name: POD, kvEvents: { kind: 'zmq', port, replayPort: undefined, ranks: 1 } }));
  }

  /** That were applied. */
  get events(): number {
    return this.#events;
  }

  receive(batches: number): Promise<Received> {
    return this.#arrivals.next(batches);
  }

  /** After whole cycles only. */
  check(workload: Workload): void {
    assertHolds(this.#cache, workload);
  }

  async stop(): Promise<void> {
    await this.#feed.stop();
  }

  #hear(fact: FeedFact): void {
    this.#report(fact);
    switch (fact.kind) {
      case 'applied':
        if (fact.outcome === fact.event) this.#events += fact.events;
        else this.#arrivals.fail(`${fact.event}: ${fact.outcome}`);
        break;
      case 'batch':
        this.#arrivals.add(fact.lagSeconds!);
        break;
      case 'state':
        if (fact.state !== 'live') this.#arrivals.fail(`the publisher is ${fact.state}`);
        break;
      case 'link':
        if (fact.event === 'lost') this.#arrivals.fail('the connection is lost');
        break;
      default:
        this.#arrivals.fail(fact.kind);
    }
  }
}
