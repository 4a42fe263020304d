/** Doorway: what others may use of the publisher state machine. */
export { Fingerprints } from './fingerprints.ts';
export type { Message } from './pending-messages.ts';
export { mayBeRetried } from './retry.ts';
export {
  type BatchApplied,
  type ColdReason,
  type ForgetReason,
  INITIAL,
  type MessageOrigin,
  type PublisherEffect,
  type PublisherInput,
  type PublisherRules,
  type PublisherState,
  type ReplayReason,
} from './state.ts';
export { step } from './step.ts';
