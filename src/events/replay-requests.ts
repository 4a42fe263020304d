import type { BreakerState, Clock, Sleep } from '../time.ts';
import type { PublisherFact } from './feed-fact.ts';
import type { PublisherErrors } from './publisher-errors.ts';
import type { PublisherLimits } from './publisher-limits.ts';
import type { Message, PublisherInput, ReplayReason } from './stream/stream.ts';
import { ReplayBreaker, type ReplayOutcome, replay, type Wire } from './wire/sockets.ts';

export interface ReplayRequestsOptions {
  /** undefined: none is ever requested. */
  readonly endpoint: string | undefined;
  readonly limits: PublisherLimits;
  readonly wire: Wire;
  readonly now: Clock;
  readonly sleep: Sleep;
  readonly errors: PublisherErrors;
  readonly onFact: (fact: PublisherFact) => void;
  /** What the replay that was requested last brings. */
  readonly onReplayed: (message: Message<Uint8Array>) => void;
  readonly onEnd: (input: PublisherInput<Uint8Array>) => void;
}

/** What came before is as good as if the replay had ended. */
const SILENT: ReadonlySet<ReplayOutcome | 'circuit_open'> = new Set<ReplayOutcome>([
  'idle',
  'unreachable',
  'lost',
]);

/** Runs the replays of one publisher, one at a time. */
export class ReplayRequests {
  readonly #options: ReplayRequestsOptions;
  readonly #breaker: ReplayBreaker;
  readonly #underWay = new Set<Promise<void>>();
  #current: AbortController | undefined;
  #isStopped = false;
  #count = 0;

  constructor(options: ReplayRequestsOptions) {
    const { limits, now, onFact } = options;
    this.#options = options;
    this.#breaker = new ReplayBreaker({
      failures: limits.breakerFailures,
      halfOpenAfterMs: limits.breakerOpenMs,
      now,
      onState: state => onFact({ kind: 'circuit', state }),
    });
  }

  get circuit(): BreakerState {
    return this.#breaker.state;
  }

  /** How many have come to an end, of whichever kind. */
  get count(): number {
    return this.#count;
  }

  /** Ends the one that is under way. */
  request(from: number, why: ReplayReason): void {
    this.end();
    const task = this.#run(from, why);
    this.#underWay.add(task);
    void task.catch(this.#options.wire.onUnexpected).then(() => this.#underWay.delete(task));
  }

  /** Nothing more of the one that is under way is handed on. */
  end(): void {
    this.#current?.abort();
    this.#current = undefined;
  }

  /** Nothing is handed on after this is called. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.end();
    await Promise.all(this.#underWay);
  }

  async #run(from: number, why: ReplayReason): Promise<void> {
    const { limits, now, sleep, wire, errors, onFact, onReplayed, onEnd, endpoint } = this.#options;
    const ours = new AbortController();
    this.#current = ours;
    const startedAt = now();
    let messages = 0;
    const request = () =>
      replay({
        endpoint: endpoint!,
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
          onReplayed({ sequence, payload, bytes: payload.length });
        },
      });
    const outcome = await this.#breaker.run(() =>
      wire.replays.run(ours.signal, request).catch((error: unknown): ReplayOutcome => {
        if (ours.signal.aborted) return 'aborted';
        errors.add(String(error));
        return 'error';
      }),
    );
    if (this.#isStopped) return;
    this.#count++;
    onFact({ kind: 'replay', why, outcome, from, messages, milliseconds: now() - startedAt });
    if (outcome !== 'ended' && outcome !== 'aborted') errors.add(`replay from ${from}: ${outcome}`);
    if (this.#current !== ours) return;
    this.#current = undefined;
    onEnd(
      outcome === 'ended'
        ? { kind: 'replay_ended' }
        : { kind: 'replay_failed', may: SILENT.has(outcome) ? 'continue' : 'not_continue' },
    );
  }
}
