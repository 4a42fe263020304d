import type { Clock } from '../time.ts';
import type { BatchApplication } from './batch-application.ts';
import type { PublisherFact } from './feed-fact.ts';
import type { RankIngest } from './ingest/ingest.ts';
import { fingerprintOf } from './payload-fingerprint.ts';
import { whyOf } from './publisher-snapshot.ts';
import type { ReplayRequests } from './replay-requests.ts';
import {
  type BatchApplied,
  Fingerprints,
  INITIAL,
  type Message,
  type PublisherEffect,
  type PublisherInput,
  type PublisherRules,
  type PublisherState,
  step,
} from './stream/stream.ts';
import { ITEM_BYTES, Lane, type Turns } from './wire/sockets.ts';

type Input = PublisherInput<Uint8Array>;
type State = PublisherState<Uint8Array>;

export interface StreamDriverOptions {
  readonly rules: PublisherRules<Uint8Array>;
  /** Milliseconds without a request after which the stream counts as calm. */
  readonly calmAfterMs: number;
  /** Monotonic. */
  readonly now: Clock;
  readonly feed: RankIngest;
  readonly application: BatchApplication;
  readonly replays: ReplayRequests;
  readonly turns: Turns;
  /** Aborted: nothing is applied any more. */
  readonly stopping: AbortSignal;
  readonly onFact: (fact: PublisherFact) => void;
  /** A payload that came earlier is not needed any more. Not called for each. */
  readonly onRelease: (payload: Uint8Array) => void;
  /** After each input, when its effects have been carried out. */
  readonly onState: (state: State) => void;
}

/** The answers to an `apply`, made once: one goes with each batch. */
const ANSWERS: Readonly<Record<BatchApplied, Input>> = {
  ok: { kind: 'applied', outcome: 'ok' },
  cleared: { kind: 'applied', outcome: 'cleared' },
  damaged: { kind: 'applied', outcome: 'damaged' },
  failed: { kind: 'applied', outcome: 'failed' },
};
const NEXT: Input = { kind: 'next' };
const CALM: Input = { kind: 'calm' };

/** Feeds the machine of `stream/` and does what it says, one input after the other. */
export class StreamDriver {
  readonly counts = { gaps: 0, restarts: 0 };
  readonly #options: StreamDriverOptions;
  /** Messages that have waited for a replay are applied in turn with what other publishers send. */
  readonly #draining: Lane<Input>;
  #state: State = INITIAL;
  #announced: State = INITIAL;
  /** undefined: not since it was calm. */
  #requestedAt: number | undefined;
  /** undefined: there is nothing to compare with what was heard. */
  readonly #fingerprints: Fingerprints<Uint8Array> | undefined;

  constructor(options: StreamDriverOptions) {
    this.#options = options;
    if (options.rules.replay === 'available') this.#fingerprints = new Fingerprints(fingerprintOf);
    this.#draining = new Lane(options.turns, {
      handle: input => this.feed(input),
      maxBytes: ITEM_BYTES,
      onRoom: () => {},
    });
  }

  get state(): State {
    return this.#state;
  }

  live(message: Message<Uint8Array>): void {
    const denied = this.#fingerprints?.heard(message.sequence, message.payload) ?? false;
    this.feed({ kind: 'live', message, denied });
  }

  replayed(message: Message<Uint8Array>): void {
    const denied = this.#fingerprints?.replayed(message.sequence, message.payload) ?? false;
    this.feed({ kind: 'replayed', message, denied });
  }

  feed(input: Input): void {
    const { stopping, onState, now, calmAfterMs } = this.#options;
    if (this.#requestedAt !== undefined && now() - this.#requestedAt >= calmAfterMs) {
      this.#requestedAt = undefined;
      this.#step(CALM);
    }
    if (input.kind === 'connected' || input.kind === 'disconnected') this.#fingerprints?.linkChanged();
    const applied = this.#step(input);
    if (applied !== undefined) this.#step(ANSWERS[applied]);
    if (stopping.aborted) return;
    this.#announce();
    if (this.#state.kind === 'draining' && this.#draining.length === 0) this.#draining.push(NEXT, ITEM_BYTES);
    onState(this.#state);
  }

  stop(): void {
    this.#draining.close();
  }

  /** What became of the batch, if one was applied. */
  #step(input: Input): BatchApplied | undefined {
    const { rules, stopping, onRelease } = this.#options;
    if (stopping.aborted) return undefined;
    const before = this.#state;
    const { state, effects } = step(before, input, rules);
    this.#state = state;
    const needless = lastPayload(before);
    if (needless !== undefined && isFollowing(state) && state.last !== needless) onRelease(needless);
    let applied: BatchApplied | undefined;
    for (const effect of effects) {
      // A listener of facts may stop us.
      if (stopping.aborted) return undefined;
      applied = this.#carryOut(effect);
    }
    return applied;
  }

  #carryOut(effect: PublisherEffect<Uint8Array>): BatchApplied | undefined {
    const { feed, application, replays, onFact, now } = this.#options;
    switch (effect.kind) {
      case 'apply':
        return application.apply(effect.message, effect.from);
      case 'forget':
        feed.forget();
        if (effect.why === 'restart') this.counts.restarts++;
        onFact({ kind: 'forgotten', why: effect.why });
        break;
      case 'request_replay':
        this.#requestedAt = now();
        this.#fingerprints?.requested();
        replays.request(effect.from, effect.why);
        break;
      case 'end_replay':
        replays.end();
        break;
      case 'drop':
        onFact({ kind: 'dropped', why: effect.why, messages: effect.messages });
        break;
      case 'gap':
        this.counts.gaps++;
        onFact({ kind: 'gap', missed: effect.missed });
    }
    return undefined;
  }

  #announce(): void {
    const state = this.#state;
    const before = this.#announced;
    this.#announced = state;
    const why = whyOf(state);
    if (state.kind !== before.kind || why !== whyOf(before))
      this.#options.onFact({ kind: 'state', state: state.kind, why });
  }
}

/** While it follows its publisher nothing is held of what was received but the last payload. */
function isFollowing(state: State): state is State & { readonly kind: 'live' | 'cold' } {
  return state.kind === 'live' || state.kind === 'cold';
}

function lastPayload(state: State): Uint8Array | undefined {
  return isFollowing(state) ? state.last : undefined;
}
