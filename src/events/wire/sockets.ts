/** What others may use of this folder: ZeroMQ's wire protocol, received. */
export { canonicalAddress } from './address.ts';
export { type BoundSubscription, bindSubscriber, type Caller } from './bound-subscriber.ts';
export type { ConnectionEnd } from './connection.ts';
export { connectionLimit } from './connection-limit.ts';
export { type Published, releaseMemory, type UnreadableMessage } from './published.ts';
export { type ReplayOutcome, replay } from './replay.ts';
export { ReplayBreaker } from './replay-breaker.ts';
export { type LinkEvent, type Subscription, subscribe } from './subscriber.ts';
export { ITEM_BYTES, Lane, type Turns } from './turns.ts';
export { createWire, type Wire } from './wire.ts';
