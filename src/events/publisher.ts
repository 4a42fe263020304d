import { Backoff, type BreakerState, type Clock, type Sleep } from '../time.ts';
import { Alarm } from './alarm.ts';
import { BatchOutcome } from './batch-outcome.ts';
import { decodeBatch } from './decoder.ts';
import type { PublisherFact, StateName } from './feed-fact.ts';
import type { HolderFeed } from './holder-feed.ts';
import type { PublisherLimits } from './publisher-limits.ts';
import {
  type Cold,
  type ColdReason,
  INITIAL,
  type Live,
  type Message,
  type PublisherAction,
  type PublisherInput,
  type PublisherRules,
  type PublisherState,
  type ReplayReason,
} from './publisher-state.ts';
import { mayBeRetried, step } from './publisher-step.ts';
import type { Published } from './wire/published.ts';
import { type ReplayOutcome, replay } from './wire/replay.ts';
import { ReplayBreaker } from './wire/replay-breaker.ts';
import { type LinkEvent, type Subscription, subscribe } from './wire/subscriber.ts';
import type { Wire } from './wire/wire.ts';

export interface PublisherOptions {
  readonly feed: HolderFeed;
  /** `dialled`: we connect to it. `received`: its messages are handed in. */
  readonly source:
    | { readonly kind: 'dialled'; readonly endpoint: string; readonly topic: string }
    | { readonly kind: 'received' };
  /** undefined: it does not replay. */
  readonly replayEndpoint: string | undefined;
  readonly limits: PublisherLimits;
  /** Monotonic. */
  readonly now: Clock;
  /** For the lag behind the publisher's clock, and the times of errors. */
  readonly wallClock: Clock;
  readonly sleep: Sleep;
  readonly wire: Wire;
  readonly onFact: (fact: PublisherFact) => void;
  /** A payload that came earlier is not needed any more. Not called for each. */
  readonly onRelease: (payload: Uint8Array) => void;
}

export interface PublisherError {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly what: string;
}

export interface PublisherSnapshot {
  readonly state: StateName;
  readonly why: ColdReason | ReplayReason | undefined;
  readonly circuit: BreakerState;
  /** Of the last batch that counts as applied. */
  readonly sequence: number | undefined;
  readonly lagSeconds: number | undefined;
  readonly blocks: number;
  /** Blocks that wait for their parent. */
  readonly orphans: number;
  /** Live messages that wait for a replay. */
  readonly held: number;
  readonly gaps: number;
  readonly replays: number;
  readonly restarts: number;
  /** Oldest first. */
  readonly lastErrors: readonly PublisherError[];
}

const MAX_ERRORS = 5;

/** What came before is as good as if the replay had ended. */
const SILENT: ReadonlySet<ReplayOutcome | 'circuit_open'> = new Set<ReplayOutcome>([
  'idle',
  'unreachable',
  'lost',
]);

/** Keeps one holder true to its publisher: the machine of `publisher-state`, with sockets and time. */
export class Publisher {
  readonly #options: PublisherOptions;
  readonly #rules: PublisherRules<Uint8Array>;
  readonly #breaker: ReplayBreaker;
  readonly #stopping = new AbortController();
  readonly #subscription: Subscription | undefined;
  readonly #underWay = new Set<Promise<void>>();
  readonly #errors: PublisherError[] = [];
  readonly #counts = { gaps: 0, replays: 0, restarts: 0 };
  #state: PublisherState<Uint8Array> = INITIAL;
  #announced: PublisherState<Uint8Array> = INITIAL;
  #replay: AbortController | undefined;
  #isLinked = false;
  /** What is known outlives its connection by some time. */
  readonly #expiry: Alarm;
  readonly #retry: Alarm;
  readonly #backoff: Backoff;
  #lagSeconds: number | undefined;
  /** From the engine's wall clock to our monotonic one: only its changes mean something. */
  #offsetMs: number | undefined;
  /** Of a message that had not waited: two clocks' difference, and the way. */
  #offsetWhenCaughtUpMs: number | undefined;

  constructor(options: PublisherOptions) {
    const { limits, replayEndpoint, source, now, sleep } = options;
    // Facts have the pod's name alone, and another pod may have it by then.
    const onFact = (fact: PublisherFact) => {
      if (!this.#stopping.signal.aborted) options.onFact(fact);
    };
    this.#options = { ...options, onFact };
    this.#expiry = new Alarm(sleep, this.#stopping.signal);
    this.#retry = new Alarm(sleep, this.#stopping.signal);
    this.#rules = {
      replay: replayEndpoint === undefined ? 'none' : 'available',
      maxHeldMessages: limits.maxHeldMessages,
      maxHeldBytes: limits.maxHeldBytes,
      maxAttempts: limits.maxReplayAttempts,
      same: (a, b) => Buffer.compare(a, b) === 0,
    };
    this.#backoff = new Backoff({ firstMs: limits.retryAfterMs, maxMs: limits.maxRetryAfterMs });
    this.#breaker = new ReplayBreaker({
      failures: limits.breakerFailures,
      halfOpenAfterMs: limits.breakerOpenMs,
      now,
      onState: state => onFact({ kind: 'circuit', state }),
    });
    if (source.kind === 'dialled') {
      this.#subscription = subscribe({
        endpoint: source.endpoint,
        topic: source.topic,
        wire: options.wire,
        onMessage: message => this.receive(message),
        onUnreadable: why => this.#malformed(why),
        onLink: event => this.#onLink(event),
        onRetry: why => {
          this.#failed(`no connection to ${source.endpoint}: ${why}`);
          onFact({ kind: 'reconnecting', why });
        },
      });
    }
  }

  /** One live message, in the order of arrival. */
  receive({ sequence, payload, waited }: Published): void {
    this.#feed({ kind: 'live', message: { sequence, payload, bytes: payload.length } });
    const offset = this.#offsetMs;
    if (offset === undefined) return;
    if (!waited || this.#offsetWhenCaughtUpMs === undefined) this.#offsetWhenCaughtUpMs = offset;
    else if (offset - this.#offsetWhenCaughtUpMs > this.#options.limits.maxBehindMs)
      this.#feed({ kind: 'overflow' });
  }

  /** Whether all is known that its publisher will say without being heard publishing. */
  get isSettled(): boolean {
    const { kind } = this.#state;
    return kind === 'live' || kind === 'cold' || (this.#isLinked && this.#rules.replay === 'none');
  }

  snapshot(): PublisherSnapshot {
    const state = this.#state;
    const known = state.kind === 'connecting' || state.kind === 'replaying' ? state.known : state;
    return {
      state: state.kind,
      why: whyOf(state),
      circuit: this.#breaker.state,
      sequence: known?.next === undefined || known.next === 0 ? undefined : known.next - 1,
      lagSeconds: this.#lagSeconds,
      blocks: this.#options.feed.size,
      orphans: this.#options.feed.orphans,
      held: state.kind === 'replaying' ? state.held.count : 0,
      ...this.#counts,
      lastErrors: [...this.#errors],
    };
  }

  /** Nothing is applied after this is called. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#replay?.abort();
    const alarms = [this.#expiry.settled(), this.#retry.settled()];
    this.#subscription?.stop();
    await Promise.all([...alarms, ...this.#underWay]);
  }

  #onLink(event: LinkEvent): void {
    this.#isLinked = event === 'connected';
    this.#options.onFact({ kind: 'link', event });
    this.#expiry.callOff();
    this.#feed({ kind: event === 'lost' ? 'disconnected' : 'connected' });
    if (event === 'lost' && !this.#stopping.signal.aborted) {
      this.#expiry.set(this.#options.limits.maxLostMs, () => this.#feed({ kind: 'expired' }));
    }
  }

  #feed(input: PublisherInput<Uint8Array>): void {
    if (this.#stopping.signal.aborted) return;
    const before = this.#state;
    const { state, actions } = step(before, input, this.#rules);
    this.#state = state;
    if (isFollowing(before) && isFollowing(state) && before.last !== undefined && before.last !== state.last)
      this.#options.onRelease(before.last);
    for (const action of actions) {
      // Whoever is told a fact may stop us.
      if (this.#stopping.signal.aborted) return;
      this.#carryOut(action);
    }
    if (!this.#stopping.signal.aborted) this.#announce();
  }

  #carryOut(action: PublisherAction<Uint8Array>): void {
    const { feed, onFact } = this.#options;
    switch (action.kind) {
      case 'apply':
        this.#apply(action.message, action.from);
        break;
      case 'forget':
        feed.forget();
        if (action.why === 'restart') this.#counts.restarts++;
        onFact({ kind: 'forgotten', why: action.why });
        break;
      case 'request_replay':
        this.#replay?.abort();
        this.#track(this.#runReplay(action.from, action.why));
        break;
      case 'end_replay':
        this.#replay?.abort();
        this.#replay = undefined;
        break;
      case 'drop':
        onFact({ kind: 'dropped', why: action.why, messages: action.messages });
        break;
      case 'gap':
        this.#counts.gaps++;
        onFact({ kind: 'gap', missed: action.missed });
    }
  }

  #apply({ sequence, payload }: Message<Uint8Array>, from: 'live' | 'held' | 'replay'): void {
    const { feed, now, wallClock, onFact } = this.#options;
    const startedAt = performance.now();
    const batch = decodeBatch(payload);
    if (batch.kind === 'malformed' || !batch.whole) {
      this.#malformed(batch.kind === 'malformed' ? batch.why : 'broken');
      this.#feed({ kind: 'damaged' });
      return;
    }
    for (const why of batch.skipped) {
      this.#failed(`event skipped: ${why}`);
      onFact({ kind: 'skipped_event', why });
    }
    const outcome = new BatchOutcome();
    let isWhole = true;
    try {
      feed.prepare(batch.events);
      for (const event of batch.events) outcome.add(event, feed.apply(event));
    } catch (error) {
      isWhole = false;
      this.#malformed('not_applied', String(error));
    }
    for (const fact of outcome.facts) onFact(fact);
    if (this.#stopping.signal.aborted) return;
    if (!isWhole) {
      this.#feed({ kind: 'damaged' });
      return;
    }
    if (from !== 'replay') {
      this.#lagSeconds = wallClock() / 1_000 - batch.at;
      this.#offsetMs = now() - batch.at * 1_000;
    }
    const lagSeconds = from === 'replay' ? undefined : this.#lagSeconds;
    const seconds = (performance.now() - startedAt) / 1_000;
    onFact({ kind: 'batch', sequence, at: batch.at, lagSeconds, seconds, blocks: feed.size });
    if (outcome.facts.some(fact => fact.outcome === 'cleared')) this.#feed({ kind: 'cleared' });
  }

  async #runReplay(from: number, why: ReplayReason): Promise<void> {
    const { limits, now, sleep, wire, onFact, replayEndpoint } = this.#options;
    const ours = new AbortController();
    this.#replay = ours;
    const startedAt = now();
    let messages = 0;
    const request = () =>
      replay({
        endpoint: replayEndpoint!,
        wire,
        from,
        idleTimeoutMs: limits.replayIdleTimeoutMs,
        timeoutMs: limits.replayTimeoutMs,
        maxBytes: limits.maxReplayBytes,
        signal: ours.signal,
        sleep,
        now,
        onMessage: (sequence, payload) => {
          messages++;
          this.#feed({ kind: 'replayed', message: { sequence, payload, bytes: payload.length } });
        },
      });
    const outcome = await this.#breaker.run(() =>
      wire.replays.run(ours.signal, request).catch((error: unknown): ReplayOutcome => {
        if (ours.signal.aborted) return 'aborted';
        this.#failed(String(error));
        return 'error';
      }),
    );
    if (this.#stopping.signal.aborted) return;
    this.#counts.replays++;
    onFact({ kind: 'replay', why, outcome, from, messages, milliseconds: now() - startedAt });
    if (outcome !== 'ended' && outcome !== 'aborted') this.#failed(`replay from ${from}: ${outcome}`);
    if (this.#replay !== ours) return;
    this.#replay = undefined;
    this.#feed(
      outcome === 'ended'
        ? { kind: 'replay_ended' }
        : { kind: 'replay_failed', may: SILENT.has(outcome) ? 'continue' : 'not_continue' },
    );
  }

  /** Tells of a new state, and sees to it that a cold one does not stay so if a replay could help. */
  #announce(): void {
    const state = this.#state;
    const before = this.#announced;
    this.#announced = state;
    if (state.kind !== before.kind || whyOf(state) !== whyOf(before))
      this.#options.onFact({ kind: 'state', state: state.kind, why: whyOf(state) });
    if (state.kind === 'live') {
      this.#retry.callOff();
      this.#backoff.reset();
    }
    if (this.#rules.replay === 'none' || !mayBeRetried(state) || this.#retry.isSet) return;
    this.#retry.set(this.#backoff.next(), () => this.#feed({ kind: 'retry' }));
  }

  #track(task: Promise<void>): void {
    this.#underWay.add(task);
    void task.catch(this.#options.wire.onUnexpected).then(() => this.#underWay.delete(task));
  }

  #malformed(why: (PublisherFact & { readonly kind: 'malformed_message' })['why'], detail?: string): void {
    this.#failed(`message not understood: ${detail ?? why}`);
    this.#options.onFact({ kind: 'malformed_message', why });
  }

  #failed(what: string): void {
    this.#errors.push({ at: this.#options.wallClock(), what });
    if (this.#errors.length > MAX_ERRORS) this.#errors.shift();
  }
}

/** In these states nothing is held of what was received but the last payload. */
function isFollowing<P>(state: PublisherState<P>): state is Live<P> | Cold<P> {
  return state.kind === 'live' || state.kind === 'cold';
}

function whyOf(state: PublisherState<unknown>): ColdReason | ReplayReason | undefined {
  return state.kind === 'cold' || state.kind === 'replaying' ? state.why : undefined;
}
