import { endpointOf, type Pod } from '../domain.ts';
import { realSleep, type Sleep } from '../pods/sleep.ts';
import type { ContextCatalog } from '../prefix-index/context-catalog.ts';
import type { Holders } from '../prefix-index/holders.ts';
import type { PrefixIndex } from '../prefix-index/prefix-index.ts';
import type { FeedFact } from './feed-fact.ts';
import { HolderFeed } from './holder-feed.ts';
import { DEFAULT_LIMITS, Publisher, type PublisherLimits, type PublisherSnapshot } from './publisher.ts';
import { type BoundSubscription, bindSubscriber } from './subscriber.ts';

export type { FeedFact } from './feed-fact.ts';

export interface EventFeedOptions {
  readonly index: PrefixIndex;
  readonly holders: Holders;
  readonly catalog: ContextCatalog;
  readonly seed: number;
  /** Prefix of the topics wanted; '' for all. */
  readonly topic: string;
  /** Who connects: `dial` to the pods' ports (the default), or the engines to us, after `listen`. */
  readonly mode?: EventFeedMode;
  readonly limits?: Partial<PublisherLimits>;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  readonly sleep?: Sleep;
  readonly onFact: (fact: FeedFact) => void;
  /** A message whose topic names no pod that is followed, or more than one; or, without a topic, no message of ours. */
  readonly onUnknownPublisher?: (topic: string | undefined) => void;
}

export type EventFeedMode =
  | { readonly kind: 'dial' }
  /** One address per data-parallel rank, e.g. `tcp://*:5557`: vLLM adds the rank to the port that it connects to, too. */
  | { readonly kind: 'bind'; readonly addresses: readonly string[] };

export interface PublisherReport extends PublisherSnapshot {
  readonly pod: string;
  readonly rank: number;
  /** undefined: it dials us. */
  readonly endpoint: string | undefined;
}

interface Followed {
  readonly pod: Pod;
  readonly publishers: readonly { readonly endpoint: string | undefined; readonly publisher: Publisher }[];
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
    const bound: BoundSubscription[] = [];
    try {
      for (const [rank, address] of this.#mode.addresses.entries()) {
        bound.push(
          await bindSubscriber({
            address,
            topic: this.#options.topic,
            onMessage: (topic, message) => {
              const called = this.#callers.get(TOPIC.exec(topic)?.[1] ?? '');
              const [followed, ...others] = called ?? [];
              const known = others.length === 0 ? followed?.publishers[rank] : undefined;
              if (known === undefined) this.#options.onUnknownPublisher?.(topic);
              else known.publisher.receive(message);
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

  /** Follows all ranks of a pod; nothing to do for a pod without events. */
  follow(pod: Pod): void {
    if (pod.kvEvents.kind === 'none') return;
    const { ranks } = pod.kvEvents;
    const followed: Followed = {
      pod,
      publishers: Array.from({ length: ranks }, (_, rank) => this.#publisher(pod, rank)),
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
    await Promise.all(followed.publishers.map(({ publisher }) => publisher.stop()));
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
      publishers.map(({ endpoint, publisher }, rank) => ({
        pod: pod.name,
        rank,
        endpoint,
        ...publisher.snapshot(),
      })),
    );
  }

  #publisher(pod: Pod, rank: number): Followed['publishers'][number] {
    const { index, holders, catalog, seed, topic, limits, now, sleep, onFact } = this.#options;
    const { port, replayPort } = pod.kvEvents as Pod['kvEvents'] & { readonly kind: 'zmq' };
    const endpoint = this.#mode.kind === 'dial' ? addressOf(pod, port + rank) : undefined;
    const publisher = new Publisher({
      feed: new HolderFeed({
        holder: holders.ensure(pod.name, rank),
        model: pod.model,
        index,
        catalog,
        seed,
      }),
      source: endpoint === undefined ? { kind: 'received' } : { kind: 'dialled', endpoint, topic },
      replayEndpoint: replayPort === undefined ? undefined : addressOf(pod, replayPort + rank),
      limits: { ...DEFAULT_LIMITS, ...limits },
      now: now ?? Date.now,
      sleep: sleep ?? realSleep,
      onFact: fact => onFact({ pod: pod.name, rank, ...fact }),
    });
    return { endpoint, publisher };
  }
}

function addressOf({ ip }: Pod, port: number): string {
  return `tcp://${endpointOf({ ip, port })}`;
}

function namesOf(pod: Pod): Set<string> {
  return new Set([pod.name, pod.ip, `${pod.ip}:${pod.port}`, endpointOf(pod)]);
}
