/** What others may use of this folder: frames in, events out. The wire format is described in `decoder.ts`. */
export { type DecodedBatch, decodeBatch, MALFORMED_KINDS, type MalformedKind, readRank } from './decoder.ts';
export { SKIPPED_KINDS, type SkippedKind } from './event-decoder.ts';
export { each, hashAt } from './hash-list.ts';
export {
  type CacheGroup,
  type EngineHash,
  type EngineHashes,
  engineEvents,
  type KvEvent,
  type Medium,
  type RemovedEvent,
  type StoredEvent,
} from './kv-event.ts';
