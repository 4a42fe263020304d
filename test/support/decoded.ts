/** What the decoder makes of a batch that it must be able to read. */
import { assert } from 'chai';
import { type DecodedBatch, decodeBatch } from '../../src/events/decoding/decoder.ts';
import type { KvEvent, StoredEvent } from '../../src/events/decoding/kv-event.ts';
import { batchOf } from './kv-events.ts';

type Batch = Extract<DecodedBatch, { kind: 'batch' }>;

/** Fails unless it is whole. */
export function decoded(payload: Uint8Array): Batch {
  const batch = decodeBatch(payload);
  if (batch.kind === 'malformed') assert.fail(batch.why);
  assert.isTrue(batch.whole);
  return batch;
}

/** The only event of a batch of these, nothing being skipped. */
export function only(...events: readonly unknown[]): KvEvent {
  const batch = decoded(batchOf(...events));
  assert.deepEqual(batch.skipped, []);
  assert.lengthOf(batch.events, 1);
  return batch.events[0]!;
}

export function storedEvent(event: KvEvent | undefined): StoredEvent {
  if (event?.kind !== 'stored') assert.fail(`${event?.kind} instead of stored`);
  return event;
}
