/** What a workload costs where no socket is: the same messages, again and again. */

import { createCacheState } from '../../src/cache/cache-state.ts';
import { decodeBatch } from '../../src/events/decoding/decoder.ts';
import type { FeedFact } from '../../src/events/feed-fact.ts';
import { RankIngest } from '../../src/events/ingest/rank-ingest.ts';
import { Publisher } from '../../src/events/publisher.ts';
import { DEFAULT_LIMITS } from '../../src/events/publisher-limits.ts';
import { monotonicClock, wallClock } from '../../src/time.ts';
import { HASHER } from '../../test/support/blocks.ts';
import { aWire } from '../../test/support/wire.ts';
import { assertHolds, CACHE, POD } from './cache.ts';
import { cpuSeconds } from './clock.ts';
import type { Batch, Workload } from './workload.ts';

/** Seconds of CPU time. */
export function decodeOnly({ cycle }: Workload, cycles: number): number {
  const before = cpuSeconds();
  for (let i = 0; i < cycles; i++) for (const { payload } of cycle) decodeBatch(payload);
  return cpuSeconds() - before;
}

/** A publisher that is handed its messages. */
export class InProcess {
  readonly #cache = createCacheState(CACHE);
  readonly #publisher: Publisher;
  #sequence = 0;
  #batches = 0;

  /** @param report gets all that happens */
  constructor({ fill }: Workload, report: (fact: FeedFact) => void = () => {}) {
    this.#publisher = new Publisher({
      feed: new RankIngest({ pod: POD, rank: 0, model: 'demo', cache: this.#cache, hasher: HASHER }),
      source: { kind: 'received' },
      replayEndpoint: undefined,
      limits: { ...DEFAULT_LIMITS, maxBehindMs: Number.POSITIVE_INFINITY },
      now: monotonicClock,
      wallClock,
      sleep: () => Promise.reject(new Error('nothing has to wait')),
      wire: aWire(),
      onRelease: () => {},
      onFact: fact => {
        report({ pod: POD, rank: 0, ...fact });
        if (fact.kind === 'batch') this.#batches++;
      },
    });
    this.#receive(fill);
  }

  /** Seconds of CPU time. */
  run(workload: Workload, cycles: number): number {
    const before = cpuSeconds();
    for (let i = 0; i < cycles; i++) this.#receive(workload.cycle);
    const spent = cpuSeconds() - before;
    assertHolds(this.#cache, workload);
    if (this.#batches !== this.#sequence) throw new Error('not all batches were applied');
    return spent;
  }

  #receive(batches: readonly Batch[]): void {
    for (const { payload } of batches)
      this.#publisher.receive({ sequence: this.#sequence++, payload, waited: false });
  }
}
