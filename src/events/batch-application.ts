import { monotonicClock } from '../time.ts';
import { BatchOutcome } from './batch-outcome.ts';
import { decodeBatch } from './decoding/decoding.ts';
import type { PublisherFact } from './feed-fact.ts';
import type { RankIngest } from './ingest/ingest.ts';
import type { Lag } from './lag.ts';
import type { PublisherErrors } from './publisher-errors.ts';
import type { BatchApplied, Message, MessageOrigin } from './stream/stream.ts';

export interface BatchApplicationOptions {
  readonly feed: RankIngest;
  readonly lag: Lag;
  readonly errors: PublisherErrors;
  readonly onFact: (fact: PublisherFact) => void;
}

/** Takes a batch from its bytes to the index, and tells what became of it. Never throws. */
export class BatchApplication {
  readonly #options: BatchApplicationOptions;

  constructor(options: BatchApplicationOptions) {
    this.#options = options;
  }

  apply({ sequence, payload }: Message<Uint8Array>, from: MessageOrigin): BatchApplied {
    const { feed, lag, errors, onFact } = this.#options;
    const startedAt = monotonicClock();
    const batch = decodeBatch(payload);
    const decodedAt = monotonicClock();
    if (batch.kind === 'malformed' || !batch.whole) {
      errors.malformed(batch.kind === 'malformed' ? batch.why : 'broken');
      return 'damaged';
    }
    for (const why of batch.skipped) {
      errors.add(`event skipped: ${why}`);
      onFact({ kind: 'skipped_event', why });
    }
    const outcome = new BatchOutcome();
    let failed = false;
    try {
      feed.prepare(batch.events);
      for (const event of batch.events) outcome.add(event, feed.apply(event));
    } catch (error) {
      failed = true;
      errors.malformed('not_applied', String(error));
    }
    for (const fact of outcome.facts) onFact(fact);
    if (failed) return 'failed';
    const lagSeconds = from === 'replay' ? undefined : lag.applied(batch.at);
    const decodeSeconds = (decodedAt - startedAt) / 1_000;
    const applySeconds = (monotonicClock() - decodedAt) / 1_000;
    const times = { lagSeconds, decodeSeconds, applySeconds };
    onFact({ kind: 'batch', sequence, at: batch.at, ...times, blocks: feed.size });
    return outcome.facts.some(fact => fact.outcome === 'cleared') ? 'cleared' : 'ok';
  }
}
