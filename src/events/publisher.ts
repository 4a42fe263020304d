import type { Clock, Sleep } from '../time.ts';
import { Alarm } from './alarm.ts';
import { BatchApplication } from './batch-application.ts';
import type { PublisherFact } from './feed-fact.ts';
import type { RankIngest } from './ingest/ingest.ts';
import { Lag } from './lag.ts';
import { PublisherErrors } from './publisher-errors.ts';
import type { PublisherLimits } from './publisher-limits.ts';
import { type PublisherSnapshot, streamSnapshot } from './publisher-snapshot.ts';
import { ReplayRequests } from './replay-requests.ts';
import { Retries } from './retries.ts';
import { StreamDriver } from './stream-driver.ts';
import { rulesOf } from './stream-rules.ts';
import { type LinkEvent, type Published, type Subscription, subscribe, type Wire } from './wire/sockets.ts';

export interface PublisherOptions {
  readonly feed: RankIngest;
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

/** Keeps one holder true to its publisher: the machine of `stream/`, with sockets and time. */
export class Publisher {
  readonly #options: PublisherOptions;
  readonly #stopping = new AbortController();
  readonly #subscription: Subscription | undefined;
  readonly #errors: PublisherErrors;
  readonly #lag: Lag;
  readonly #replays: ReplayRequests;
  readonly #driver: StreamDriver;
  /** What is known outlives its connection by some time. */
  readonly #expiry: Alarm;
  readonly #retries: Retries;
  #isLinked = false;

  constructor(options: PublisherOptions) {
    const { feed, limits, replayEndpoint: endpoint, now, wallClock, sleep, wire, onRelease } = options;
    const stopping = this.#stopping.signal;
    // Facts have the pod's name alone, and another pod may have it by then.
    const onFact = (fact: PublisherFact) => {
      if (!stopping.aborted) options.onFact(fact);
    };
    this.#options = { ...options, onFact };
    const rules = rulesOf(limits, endpoint === undefined ? 'none' : 'available');
    const errors = new PublisherErrors(wallClock, onFact);
    this.#errors = errors;
    this.#lag = new Lag({ now, wallClock, maxBehindMs: limits.maxBehindMs });
    this.#replays = new ReplayRequests({
      ...{ endpoint, limits, wire, now, sleep, errors, onFact },
      onReplayed: message => this.#driver.replayed(message),
      onEnd: input => this.#driver.feed(input),
    });
    this.#expiry = new Alarm(sleep, stopping);
    this.#retries = new Retries({
      ...{ rules, now, sleep, stopping, firstMs: limits.retryAfterMs, maxMs: limits.maxRetryAfterMs },
      onRetry: () => this.#driver.feed({ kind: 'retry' }),
    });
    this.#driver = new StreamDriver({
      ...{ feed, stopping, onFact, onRelease, turns: wire.turns },
      ...{ rules, calmAfterMs: limits.calmAfterMs, now },
      application: new BatchApplication({ feed, lag: this.#lag, errors, onFact }),
      replays: this.#replays,
      onState: state => this.#retries.see(state),
    });
    this.#subscription = this.#subscribe();
  }

  /** One live message, in the order of arrival. */
  receive({ sequence, payload, waited }: Published): void {
    this.#driver.live({ sequence, payload, bytes: payload.length });
    if (this.#lag.isTooLarge(waited)) this.#driver.feed({ kind: 'overflow' });
  }

  /** The connection to one that dials us has come, or ended; of one that we dial we know ourselves. */
  link(event: LinkEvent): void {
    this.#isLinked = event === 'connected';
    this.#options.onFact({ kind: 'link', event });
    this.#expiry.cancel();
    this.#driver.feed({ kind: event === 'lost' ? 'disconnected' : 'connected' });
    if (event === 'lost' && !this.#stopping.signal.aborted) {
      this.#expiry.schedule(this.#options.limits.maxLostMs, () => this.#driver.feed({ kind: 'expired' }));
    }
  }

  /** Whether all is known that its publisher will say without being heard publishing. */
  get isSettled(): boolean {
    const { kind } = this.#driver.state;
    return (
      kind === 'live' || kind === 'cold' || (this.#isLinked && this.#options.replayEndpoint === undefined)
    );
  }

  snapshot(): PublisherSnapshot {
    const { feed } = this.#options;
    return {
      ...streamSnapshot(this.#driver.state),
      circuit: this.#replays.circuit,
      lagSeconds: this.#lag.seconds,
      blocks: feed.size,
      orphans: feed.orphans,
      replays: this.#replays.count,
      ...this.#driver.counts,
      lastErrors: this.#errors.list(),
    };
  }

  /** Nothing is applied after this is called. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#subscription?.stop();
    this.#driver.stop();
    await Promise.all([this.#replays.stop(), this.#expiry.settled(), this.#retries.settled()]);
  }

  #subscribe(): Subscription | undefined {
    const { source, wire, onFact } = this.#options;
    if (source.kind === 'received') return undefined;
    return subscribe({
      ...{ endpoint: source.endpoint, topic: source.topic, wire },
      onMessage: message => this.receive(message),
      onUnreadable: why => this.#errors.malformed(why),
      onLink: event => this.link(event),
      onRetry: why => {
        this.#errors.add(`no connection to ${source.endpoint}: ${why}`);
        onFact({ kind: 'reconnecting', why });
      },
    });
  }
}
