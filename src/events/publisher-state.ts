/**
 * What is known about one publisher's stream, as values: a pure machine without I/O and without a clock.
 *
 * A publisher numbers its batches from 0 and starts at 0 again when its process starts anew; nothing else on the wire tells
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
import type { Held, Message } from './held-messages.ts';

export type { Message } from './held-messages.ts';

/**
 * Why the holder is known in part only.
 * - `no_replay`: batches were missed and the publisher is not known to replay;
 * - `replay_failed`: it did not replay when asked;
 * - `evicted`: they were no longer in its replay buffer;
 * - `hole`: its replays left out the same batches again and again;
 * - `overflow`: we could not keep up;
 * - `damaged`: a batch could not be decoded.
 */
export type ColdReason = 'no_replay' | 'replay_failed' | 'evicted' | 'hole' | 'overflow' | 'damaged';

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
 * `heard` is the live stream's own watermark, one above the last live sequence: a replay may be ahead of the live stream, and
 * then a live message below `next` is no restart. undefined: nothing was heard that could be compared with.
 */
export type PublisherState<P> = Connecting<P> | Live<P> | Replaying<P> | Cold<P>;

/** Not connected, or nothing heard yet. */
export interface Connecting<P> {
  readonly kind: 'connecting';
  /** After a loss, what arrives does not count before the word that the next connection is there. */
  readonly after: 'start' | 'loss';
  /** From before the connection was lost. */
  readonly known: Known<P> | undefined;
  readonly heard: number | undefined;
}

/** What we believe is what the publisher said up to `next`. */
export interface Live<P> {
  readonly kind: 'live';
  readonly next: number;
  readonly last: P | undefined;
  readonly heard: number | undefined;
}

/** As live, but only what was said since we forgot: less is believed than is true. */
export interface Cold<P> {
  readonly kind: 'cold';
  /** undefined: whatever comes first. */
  readonly next: number | undefined;
  readonly last: P | undefined;
  readonly heard: number | undefined;
  readonly why: ColdReason;
}

/** Live messages wait until the publisher has said again what we missed. */
export interface Replaying<P> {
  readonly kind: 'replaying';
  readonly why: ReplayReason;
  /** The first sequence that was asked for. 0 starts anew; otherwise it is the last batch of `known`, to be compared. */
  readonly from: number;
  readonly known: Known<P> | undefined;
  /** Whether `known` belongs to what is being replayed. */
  readonly confirmed: boolean;
  readonly heard: number | undefined;
  readonly held: Held<P>;
  /** Requests since the run last grew, this one included. */
  readonly attempts: number;
}

export type ReplayReason =
  | 'first_contact'
  | 'gap'
  | 'restart'
  /** The connection was lost: was anything missed, and is it the same process? */
  | 'reconnected'
  /** The first live message is older than what was replayed: same question. */
  | 'unverified'
  /** The replay itself left something out, or did not come to its end. */
  | 'hole'
  /** Another try, from cold. */
  | 'retry';

export type PublisherInput<P> =
  | { readonly kind: 'live'; readonly message: Message<P> }
  /** These three are about the replay that was requested last; the shell must not pass on those of an older one. */
  | { readonly kind: 'replayed'; readonly message: Message<P> }
  | { readonly kind: 'replay_ended' }
  | { readonly kind: 'replay_failed'; readonly may: 'continue' | 'not_continue' }
  | { readonly kind: 'connected' }
  | { readonly kind: 'disconnected' }
  /** The connection has been lost for too long. */
  | { readonly kind: 'expired' }
  /** We are too far behind. */
  | { readonly kind: 'overflow' }
  /** Both are said while the batch is being applied, before the actions that follow it are carried out. */
  | { readonly kind: 'damaged' }
  | { readonly kind: 'cleared' }
  /** It is time for another replay, if the state is cold and one could help. */
  | { readonly kind: 'retry' };

export type ForgetReason =
  | 'gap'
  | 'restart'
  | 'unverified'
  | 'evicted'
  | 'hole'
  | 'replay_failed'
  | 'overflow'
  | 'damaged'
  | 'relearned';

/** To be carried out in order. In one step's list no `forget` follows an `apply`. */
export type PublisherAction<P> =
  | { readonly kind: 'apply'; readonly message: Message<P>; readonly from: 'live' | 'held' | 'replay' }
  | { readonly kind: 'forget'; readonly why: ForgetReason }
  /** A replay under way is ended first. */
  | { readonly kind: 'request_replay'; readonly from: number; readonly why: ReplayReason }
  /** What it still sends is not wanted. */
  | { readonly kind: 'end_replay' }
  /** `covered`: a replay had it already; `void`: it cannot be told what it continues. */
  | {
      readonly kind: 'drop';
      readonly why: 'duplicate' | 'covered' | 'void' | 'overflow';
      readonly messages: number;
    }
  | { readonly kind: 'gap'; readonly missed: number };

export interface PublisherRules<P> {
  readonly replay: 'available' | 'none';
  readonly maxHeldMessages: number;
  readonly maxHeldBytes: number;
  /** Replays that may be asked for in a row without any of them adding a batch. */
  readonly maxAttempts: number;
  /** Whether two payloads are the same bytes. */
  readonly same: (a: P, b: P) => boolean;
}

export interface Step<P> {
  readonly state: PublisherState<P>;
  readonly actions: readonly PublisherAction<P>[];
}

export const INITIAL: Connecting<never> = {
  kind: 'connecting',
  after: 'start',
  known: undefined,
  heard: undefined,
};
