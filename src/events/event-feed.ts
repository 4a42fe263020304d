import { endpointOf, type KvPublisher, type Pod } from '../domain.ts';
import { type Clock, monotonicClock, realSleep, type Sleep, wallClock as systemWallClock } from '../time.ts';
import { readRank } from './decoder.ts';
import type { FeedFact } from './feed-fact.ts';
import { HolderFeed, type HolderFeedOptions } from './holder-feed.ts';
import { Publisher, type PublisherSnapshot } from './publisher.ts';
import { DEFAULT_LIMITS, type PublisherLimits } from './publisher-limits.ts';
import { type BoundSubscription, bindSubscriber, giveBack } from './subscriber.ts';

export type { FeedFact } from './feed-fact.ts';

export interface EventFeedOptions {
  readonly cache: HolderFeedOptions['cache'];
  readonly seed: number;
  /** Prefix of the topics wanted; '' for all. */
  readonly topic: string;
  /** Who connects: `dial` to the pods' ports (the default), or the engines to us, after `listen`. */
  readonly mode?: EventFeedMode;
  readonly limits?: Partial<PublisherLimits>;
  readonly now?: Clock;
  readonly wallClock?: Clock;
  readonly sleep?: Sleep;
  readonly onFact: (fact: FeedFact) => void;
  /** A message whose topic names no pod that is followed, or more than one; or, without a topic, no message of ours. */
  readonly onUnknownPublisher?: (topic: string | undefined) => void;
}

export type EventFeedMode =
  | { readonly kind: 'dial' }
  /**
   * `tcp://*:5557`, or one such address per data-parallel rank: vLLM adds the rank to the port that it connects to, too. On a
   * single address ranks are told apart by what their batches say.
   */
  | { readonly kind: 'bind'; readonly addresses: readonly string[] };

export interface PublisherReport extends PublisherSnapshot {
  readonly pod: string;
  readonly rank: number;
  /** undefined: it dials us. */
  readonly endpoint: string | undefined;
}

interface Followed {
  readonly pod: Pod;
  /** By rank. */
  readonly publishers: ReadonlyMap<
    number,
    { readonly endpoint: string | undefined; readonly publisher: Publisher }
  >;
}

/** `kv@<pod>@<model>`: what vLLM is told to publish under, by convention. The pod is its name, its address or `ip:port`. */
const TOPIC = /^kv@([^@]+)@/;

/** Follows the publishers of every pod and keeps the index true to what they say. */
export class EventFeed {
  readonly #options: EventFeedOptions;
  readonly #mode: EventFeedMode;
  /** By pod name: one whose labels changed is another object. */
  readonly #followed = new Map<string, Followed>();
  /** By what a topic may call them. */
  readonly #callers = new Map<string, Set<Followed>>();
  #bound: readonly BoundSubscription[] = [];

  constructor(options: EventFeedOptions) {
    this.#options = options;
    this.#mode = options.mode ?? { kind: 'dial' };
  }

  /** Binds what engines dial; nothing to do in mode `dial`. Resolves to the ports, rejects if one is taken. */
  async listen(): Promise<readonly number[]> {
    if (this.#mode.kind === 'dial') return [];
    const { addresses } = this.#mode;
    const bound: BoundSubscription[] = [];
    try {
      for (const [rank, address] of addresses.entries()) {
        bound.push(
          await bindSubscriber({
            address,
            topic: this.#options.topic,
            onMessage: (topic, message) => {
              const publishers = this.#called(topic)?.publishers;
              const known =
                addresses.length > 1 ? publishers?.get(rank)?.publisher : whose(publishers, message.payload);
              if (known === undefined) this.#options.onUnknownPublisher?.(topic);
              else known.receive(message);
            },
            onMalformed: () => this.#options.onUnknownPublisher?.(undefined),
          }),
        );
      }
    } catch (error) {
      await Promise.all(bound.map(each => each.stop()));
      throw error;
    }
    this.#bound = bound;
    return bound.map(({ port }) => port);
  }

  /**
   * Follows all ranks of a pod that is not followed yet; nothing to do for one without any.
   * @param publishers where the pod's entry does not say: where the engine does
   */
  follow(pod: Pod, publishers: readonly KvPublisher[] = publishersOf(pod)): void {
    const followable = publishers.filter(({ port }) => this.#mode.kind === 'bind' || port !== undefined);
    if (followable.length === 0) return;
    const followed: Followed = {
      pod,
      publishers: new Map(followable.map(each => [each.rank, this.#publisher(pod, each)])),
    };
    this.#followed.set(pod.name, followed);
    for (const name of namesOf(pod)) {
      this.#callers.set(name, (this.#callers.get(name) ?? new Set()).add(followed));
    }
  }

  /** No event of this pod is applied after this returns. What it held is the caller's to purge. */
  async leave(pod: string): Promise<void> {
    const followed = this.#followed.get(pod);
    if (followed === undefined) return;
    this.#followed.delete(pod);
    for (const name of namesOf(followed.pod)) {
      const callers = this.#callers.get(name);
      callers?.delete(followed);
      if (callers?.size === 0) this.#callers.delete(name);
    }
    await Promise.all([...followed.publishers.values()].map(({ publisher }) => publisher.stop()));
  }

  async stop(): Promise<void> {
    await Promise.all([
      ...[...this.#followed.keys()].map(pod => this.leave(pod)),
      ...this.#bound.map(each => each.stop()),
    ]);
  }

  /** Of every publisher that is followed, now. */
  snapshot(): PublisherReport[] {
    return [...this.#followed.values()].flatMap(({ pod, publishers }) =>
      [...publishers].map(([rank, { endpoint, publisher }]) => ({
        pod: pod.name,
        rank,
        endpoint,
        ...publisher.snapshot(),
      })),
    );
  }

  /** The pod that a topic names; undefined if that is not known, or could be several. */
  #called(topic: string): Followed | undefined {
    const [followed, ...others] = this.#callers.get(TOPIC.exec(topic)?.[1] ?? '') ?? [];
    return others.length > 0 ? undefined : followed;
  }

  #publisher(pod: Pod, { rank, port, replayPort }: KvPublisher) {
    const { cache, seed, topic, limits, now, wallClock, sleep, onFact } = this.#options;
    const endpoint = this.#mode.kind === 'bind' || port === undefined ? undefined : addressOf(pod, port);
    const publisher = new Publisher({
      feed: new HolderFeed({ pod: pod.name, rank, model: pod.model, cache, seed }),
      source: endpoint === undefined ? { kind: 'received' } : { kind: 'dialled', endpoint, topic },
      replayEndpoint: replayPort === undefined ? undefined : addressOf(pod, replayPort),
      limits: { ...DEFAULT_LIMITS, ...limits },
      now: now ?? monotonicClock,
      wallClock: wallClock ?? systemWallClock,
      sleep: sleep ?? realSleep,
      onFact: fact => onFact({ pod: pod.name, rank, ...fact }),
      onNeedless: giveBack,
    });
    return { endpoint, publisher };
  }
}

/** The publisher of a pod that a batch is from: the only one, or that of the rank that it names. */
function whose(publishers: Followed['publishers'] | undefined, payload: Uint8Array): Publisher | undefined {
  const [first] = publishers?.values() ?? [];
  return publishers?.size === 1 ? first?.publisher : publishers?.get(readRank(payload) ?? 0)?.publisher;
}

/** As the pod's entry has it. */
export function publishersOf({ kvEvents }: Pod): KvPublisher[] {
  if (kvEvents.kind !== 'zmq') return [];
  const { port, replayPort, ranks } = kvEvents;
  return Array.from({ length: ranks }, (_, rank) => ({
    rank,
    port: port + rank,
    replayPort: replayPort === undefined ? undefined : replayPort + rank,
  }));
}

function addressOf({ ip }: Pod, port: number): string {
  return `tcp://${endpointOf({ ip, port })}`;
}

function namesOf(pod: Pod): Set<string> {
  return new Set([pod.name, pod.ip, `${pod.ip}:${pod.port}`, endpointOf(pod)]);
}
