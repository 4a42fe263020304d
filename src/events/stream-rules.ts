import { decodeBatch } from './decoding/decoding.ts';
import type { PublisherLimits } from './publisher-limits.ts';
import type { PublisherRules } from './stream/stream.ts';

/** A batch without events is never longer: a time, an empty list and a rank with their names. */
const MAX_EMPTY_BYTES = 96;

/** What the machine of `stream/` has to know of a publisher whose payloads are bytes. */
export function rulesOf(limits: PublisherLimits, replay: 'available' | 'none'): PublisherRules<Uint8Array> {
  return {
    replay,
    maxPendingMessages: limits.maxHeldMessages,
    maxPendingBytes: limits.maxHeldBytes,
    maxAttempts: limits.maxReplayAttempts,
    maxRequests: limits.maxReplaysInARow,
    same: (a, b) => Buffer.compare(a, b) === 0,
    isEmpty,
  };
}

function isEmpty(payload: Uint8Array): boolean {
  if (payload.length > MAX_EMPTY_BYTES) return false;
  const batch = decodeBatch(payload);
  return batch.kind === 'batch' && batch.whole && batch.events.length + batch.skipped.length === 0;
}
