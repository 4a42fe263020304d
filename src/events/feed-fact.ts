import type { BreakerState } from '../time.ts';
import type { KvEvent, MalformedKind, SkippedKind } from './decoding/decoding.ts';
import type { Applied } from './ingest/ingest.ts';
import type { ColdReason, ForgetReason, PublisherState, ReplayReason } from './stream/stream.ts';
import type { ConnectionEnd, LinkEvent, ReplayOutcome, UnreadableMessage } from './wire/sockets.ts';

export type StateName = PublisherState<unknown>['kind'];

/** What happened at one publisher, for metrics and logs. */
export type PublisherFact =
  | {
      readonly kind: 'applied';
      readonly event: KvEvent['kind'];
      readonly outcome: Applied['kind'];
      /** Those of one batch are reported together. */
      readonly events: number;
      /** Stored, held aside, or held no longer. */
      readonly blocks: number;
      /** Older blocks held aside that had to go for these. */
      readonly dropped: number;
    }
  | { readonly kind: 'skipped_event'; readonly why: SkippedKind }
  /** `not_applied`: a fault of ours. */
  | { readonly kind: 'malformed_message'; readonly why: UnreadableMessage | 'not_applied' | MalformedKind }
  /** What the holder holds is relearned. */
  | { readonly kind: 'forgotten'; readonly why: ForgetReason }
  | {
      readonly kind: 'batch';
      readonly sequence: number;
      /** Seconds, the engine's wall clock. */
      readonly at: number;
      /** From the engine's time to ours, both wall clocks; undefined for what was replayed. */
      readonly lagSeconds: number | undefined;
      /** What decoding it took, and applying it. */
      readonly decodeSeconds: number;
      readonly applySeconds: number;
      /** Held now. */
      readonly blocks: number;
    }
  | { readonly kind: 'state'; readonly state: StateName; readonly why: ColdReason | ReplayReason | undefined }
  | { readonly kind: 'gap'; readonly missed: number }
  | {
      readonly kind: 'dropped';
      readonly why: 'duplicate' | 'covered' | 'void' | 'overflow';
      readonly messages: number;
    }
  | {
      readonly kind: 'replay';
      readonly why: ReplayReason;
      readonly outcome: ReplayOutcome | 'circuit_open';
      readonly from: number;
      readonly messages: number;
      readonly milliseconds: number;
    }
  | { readonly kind: 'link'; readonly event: LinkEvent }
  /** There is no connection; another one will be tried. */
  | { readonly kind: 'reconnecting'; readonly why: ConnectionEnd }
  | { readonly kind: 'circuit'; readonly state: BreakerState };

/** `pod` is the pod's name. */
export type FeedFact = { readonly pod: string; readonly rank: number } & PublisherFact;
