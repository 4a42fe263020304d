/**
 * What is known about one publisher's stream, as values: a pure machine without I/O and without a clock. A step takes a state and an
 * input and gives the next state and effects, which the shell carries out in order. At most one of them is an `apply`, and it is the
 * last one: the shell answers it with the input `applied` before any other.
 *
 * A publisher numbers its batches from 0 and starts at 0 again when its process restarts; nothing else on the wire tells
 * one process from the next. What was applied since the holder was last forgotten (`Known`) is therefore always an unbroken
 * run of batches of one process: everything that may break the run is repaired by replay, or the holder is forgotten.
 *
 * A replay that continues a run asks for the run's last batch once more and compares: other bytes under the same sequence
 * are another process's. (A batch carries the time it was made at; vLLM, SGLang and TensorRT-LLM replay the bytes that were
 * published.)
 *
 * What is taken for granted: a connection's messages arrive in order and before the word of its end, the word of the next
 * connection comes after it, and a process that starts answers replays later than we hear of the end of the one before.
 */
import { type Breaks, UNBROKEN } from './breaks.ts';
import type { Message, PendingMessages } from './pending-messages.ts';

/**
 * Why the holder is known in part only.
 * - `no_replay`: batches were missed and the publisher is not known to replay;
 * - `replay_failed`: it did not replay when asked;
 * - `evicted`: they were no longer in its replay buffer;
 * - `hole`: its replays left out the same batches again and again;
 * - `overflow`: we could not keep up;
 * - `begins_at_1`: a replay of everything begins with batch 1. Whether batch 0 was evicted or has never been (llm-d's simulator
 *   counts from 1) shows with the next batch: a full buffer moves on by it;
 * - `damaged`: a batch could not be decoded;
 * - `backing_off`: the stream broke again and again, so for some time it is not repaired;
 * - `two_publishers`: two of them take turns on one stream, so nothing is believed;
 * - `foreign_replay`: the replay is another process's, which has other bytes under the numbers that were heard.
 */
export type ColdReason =
  | 'no_replay'
  | 'replay_failed'
  | 'evicted'
  | 'begins_at_1'
  | 'hole'
  | 'overflow'
  | 'damaged'
  | 'backing_off'
  | 'two_publishers'
  | 'foreign_replay';

/** The run of batches that was applied since the holder was last forgotten. */
export interface Known<P> {
  /** The sequence that continues the run. */
  readonly next: number;
  /** The batch before `next`; undefined if the publisher has published nothing yet. */
  readonly last: P | undefined;
  /** undefined: the run is all that its publisher ever published, or began when the cache was cleared. */
  readonly cold: ColdReason | undefined;
}

/**
 * `watermark` is the live stream's own, one above the last live sequence: a replay may be ahead of the live stream, and then a live
 * message below `next` is no restart. undefined: nothing was heard that could be compared with.
 */
export type PublisherState<P> = Connecting<P> | Live<P> | Replaying<P> | Draining<P> | Cold<P>;

/** Not connected, or nothing heard yet. */
export interface Connecting<P> {
  readonly kind: 'connecting';
  /** After a loss, what arrives does not count before the word that the next connection is there. */
  readonly after: 'start' | 'loss';
  /** From before the connection was lost. */
  readonly known: Known<P> | undefined;
  readonly watermark: number | undefined;
  readonly breaks: Breaks;
}

/** What we believe is what the publisher said up to `next`. */
export interface Live<P> {
  readonly kind: 'live';
  readonly next: number;
  readonly last: P | undefined;
  readonly watermark: number | undefined;
  readonly breaks: Breaks;
}

/** As live, but only what was said since we forgot: less is believed than is true. */
export interface Cold<P> {
  readonly kind: 'cold';
  /** undefined: whatever comes first. */
  readonly next: number | undefined;
  readonly last: P | undefined;
  readonly watermark: number | undefined;
  readonly breaks: Breaks;
  readonly why: ColdReason;
}

/** Live messages wait until the publisher has said again what we missed. */
export interface Replaying<P> {
  readonly kind: 'replaying';
  readonly why: ReplayReason;
  /** The first sequence that was asked for. */
  readonly from: number;
  readonly known: Known<P> | undefined;
  /**
   * - `relearning`: whatever is replayed first begins a new run; `known` counts until then;
   * - `comparing`: nothing counts before the last batch of `known` has come, the same bytes;
   * - `probing`: `known` counts whatever comes; the question is where the replay begins;
   * - `confirmed`: `known` belongs to what is being replayed.
   */
  readonly phase: 'relearning' | 'comparing' | 'probing' | 'confirmed';
  readonly watermark: number | undefined;
  readonly breaks: Breaks;
  readonly pending: PendingMessages<P>;
  /** Requests since the run last grew, this one included. */
  readonly attempts: number;
  /** Whether this request has made the run longer. */
  readonly grew: boolean;
}

/**
 * The replay is over. The live messages that waited for it are applied, one with each `next`, which gives everything else its turn;
 * those that come meanwhile wait behind them.
 */
export interface Draining<P> {
  readonly kind: 'draining';
  readonly known: Known<P>;
  readonly watermark: number | undefined;
  readonly breaks: Breaks;
  /** Not empty. */
  readonly pending: PendingMessages<P>;
  /** As while replaying, of the last request. */
  readonly attempts: number;
  readonly grew: boolean;
}

export type ReplayReason =
  | 'first_contact'
  | 'gap'
  | 'restart'
  /** The connection was lost: was anything missed, and is it the same process? */
  | 'reconnected'
  /** The first live message is older than what was replayed: same question, from that message on. */
  | 'unverified'
  /** Does its buffer still begin with batch 1? */
  | 'begins_at_1'
  /** The replay itself left something out, or did not come to its end. */
  | 'hole'
  /** Another try, from cold. */
  | 'retry';

export type PublisherInput<P> =
  /** `denied`: the replay that was requested last had other bytes under this number. */
  | { readonly kind: 'live'; readonly message: Message<P>; readonly denied: boolean }
  /** These three are about the replay that was requested last; the shell must not pass on those of an older one. */
  | {
      readonly kind: 'replayed';
      readonly message: Message<P>;
      /** Other bytes were heard live under this number, since the stream last broke. */
      readonly denied: boolean;
    }
  | { readonly kind: 'replay_ended' }
  | { readonly kind: 'replay_failed'; readonly may: 'continue' | 'not_continue' }
  | { readonly kind: 'connected' }
  | { readonly kind: 'disconnected' }
  /** The connection has been lost for too long. */
  | { readonly kind: 'expired' }
  /** We are too far behind. */
  | { readonly kind: 'overflow' }
  /** The answer to the `apply` of the step before. */
  | { readonly kind: 'applied'; readonly outcome: BatchApplied }
  /** The next one of the messages that wait, while draining. */
  | { readonly kind: 'next' }
  /** Nothing has been requested for some time. */
  | { readonly kind: 'calm' }
  /** It is time for another replay, if the state is cold and one could help. */
  | { readonly kind: 'retry' };

/**
 * What became of a batch.
 * - `cleared`: applied, and from its last clear on everything is known;
 * - `damaged`: it could not be read, so what it said is not known;
 * - `failed`: nor is it known how much of it was applied, by a fault of ours.
 */
export type BatchApplied = 'ok' | 'cleared' | 'damaged' | 'failed';

export type ForgetReason =
  | 'gap'
  | 'restart'
  | 'unverified'
  | 'evicted'
  | 'hole'
  | 'replay_failed'
  | 'overflow'
  | 'damaged'
  | 'backing_off'
  | 'two_publishers'
  | 'foreign_replay'
  | 'relearned';

/** `pending`: it was heard live, and has waited. */
export type MessageOrigin = 'live' | 'pending' | 'replay';

/** To be carried out in order. */
export type PublisherEffect<P> =
  /** The last of its step. */
  | { readonly kind: 'apply'; readonly message: Message<P>; readonly from: MessageOrigin }
  | { readonly kind: 'forget'; readonly why: ForgetReason }
  /** A replay under way is ended first. The last of its step. */
  | { readonly kind: 'request_replay'; readonly from: number; readonly why: ReplayReason }
  /** What it still sends is not wanted. */
  | { readonly kind: 'end_replay' }
  /** `covered`: a replay had it already; `void`: what it continues is not known. */
  | {
      readonly kind: 'drop';
      readonly why: 'duplicate' | 'covered' | 'void' | 'overflow';
      readonly messages: number;
    }
  | { readonly kind: 'gap'; readonly missed: number };

export interface PublisherRules<P> {
  readonly replay: 'available' | 'none';
  readonly maxPendingMessages: number;
  readonly maxPendingBytes: number;
  /** Replays that may be asked for in a row without any of them adding a batch. */
  readonly maxAttempts: number;
  /** Replays that may be asked for before the stream is steady or calm again. */
  readonly maxRequests: number;
  /** Whether two payloads are the same bytes. */
  readonly same: (a: P, b: P) => boolean;
  /** Whether it is a batch without events. */
  readonly isEmpty: (payload: P) => boolean;
}

export interface Step<P> {
  readonly state: PublisherState<P>;
  readonly effects: readonly PublisherEffect<P>[];
}

export const INITIAL: Connecting<never> = {
  kind: 'connecting',
  after: 'start',
  known: undefined,
  watermark: undefined,
  breaks: UNBROKEN,
};
