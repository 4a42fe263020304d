import { type ClearScope, endpointOf, type KvPublisher, type Pod } from '../domain.ts';
import type { BlockHasher } from '../prompt/blocks.ts';
import { type Clock, monotonicClock, realSleep, type Sleep, wallClock as systemWallClock } from '../time.ts';
import { readRank } from './decoding/decoding.ts';
import { DialledLinks } from './dialled-links.ts';
import type { FeedFact } from './feed-fact.ts';
import { RankIngest, type RankIngestOptions } from './ingest/ingest.ts';
import { Publisher } from './publisher.ts';
import { DEFAULT_LIMITS, type PublisherLimits } from './publisher-limits.ts';
import type { PublisherSnapshot } from './publisher-snapshot.ts';
import { TopicDirectory } from './topic-directory.ts';
import {
  type BoundSubscription,
  bindSubscriber,
  type Caller,
  canonicalAddress,
  connectionLimit,
  createWire,
  type Published,
  releaseMemory,
  type UnreadableMessage,
  type Wire,
} from './wire/sockets.ts';

export type { FeedFact } from './feed-fact.ts';

export interface EventFeedOptions {
  readonly cache: RankIngestOptions['cache'];
  /** The one that the read path hashes with. */
  readonly hasher: BlockHasher;
  /** Prefix of the topics wanted; '' for all. */
  readonly topic: string;
  /** Who connects: `dial` to the pods' ports (the default), or the engines to us, after `listen`. */
  readonly mode?: EventFeedMode;
  readonly limits?: Partial<PublisherLimits>;
  readonly now?: Clock;
  readonly wallClock?: Clock;
  readonly sleep?: Sleep;
  /** Connections to publishers; pods beyond are not followed until others have left. Default: what the open-file limit allows. */
  readonly maxPublishers?: number;
  readonly onFact: (fact: FeedFact) => void;
  /** See `RankIngestOptions`. */
  readonly onComputed?: (pod: Pod, blocks: number, blockSizeTokens: number) => void;
  /** Of somebody who has dialled us. */
  readonly onRejected?: (message: RejectedMessage) => void;
  /** A fault of ours; the event stream that it was met in goes on. Default: it is thrown. */
  readonly onUnexpected?: (error: unknown) => void;
}

/**
 * Why a message of somebody who has dialled us is not taken.
 * - `unknown_topic`: its topic names no pod that is followed, or more than one;
 * - `foreign_address`: it comes from another address than that of the pod which its topic names;
 * - else: it cannot be read.
 */
export interface RejectedMessage {
  readonly why: 'unknown_topic' | 'foreign_address' | UnreadableMessage;
  readonly from: string;
  readonly topic: string | undefined;
}

export type EventFeedMode =
  | { readonly kind: 'dial' }
  /**
   * `tcp://*:5557`, or one such address per data-parallel rank: vLLM adds the rank to the port that it connects to, too. On a
   * single address ranks are distinguished by what their batches say.
   */
  | { readonly kind: 'bind'; readonly addresses: readonly string[] };

export interface PublisherReport extends PublisherSnapshot {
  readonly pod: string;
  readonly rank: number;
  /** undefined: it dials us. */
  readonly endpoint: string | undefined;
}

/** All publishers of one pod. */
interface Followed {
  readonly pod: Pod;
  /** By rank. */
  readonly publishers: ReadonlyMap<
    number,
    { readonly endpoint: string | undefined; readonly publisher: Publisher }
  >;
}

/** Follows the publishers of every pod and keeps the index true to what they say. */
export class EventFeed {
  readonly #options: EventFeedOptions;
  readonly #mode: EventFeedMode;
  readonly #maxPublishers: number;
  readonly #wire: Wire;
  /** By pod name: one whose labels changed is another object. */
  readonly #followed = new Map<string, Followed>();
  /** By pod name, whoever came first first: there is no room for them. */
  readonly #unfollowed = new Map<
    string,
    { readonly pod: Pod; readonly publishers: readonly KvPublisher[]; readonly clearScope: () => ClearScope }
  >();
  readonly #topics = new TopicDirectory<Followed>();
  #publishers = 0;
  readonly #unsettled = new Set<Publisher>();
  readonly #links = new DialledLinks();
  #bound: readonly BoundSubscription[] = [];

  constructor(options: EventFeedOptions) {
    this.#options = options;
    this.#mode = options.mode ?? { kind: 'dial' };
    this.#maxPublishers = options.maxPublishers ?? connectionLimit();
    this.#wire = createWire(options.onUnexpected ?? rethrow);
  }

  /** Of how many publishers it is known what they hold, as far as they tell. */
  get progress(): { readonly publishers: number; readonly settled: number } {
    return { publishers: this.#publishers, settled: this.#publishers - this.#unsettled.size };
  }

  /** Names of the pods whose events cannot be followed, as there are too many publishers. */
  get unfollowed(): readonly string[] {
    return [...this.#unfollowed.keys()];
  }

  /** Whether this pod's events cannot be followed, for the same reason. */
  leavesOut(pod: string): boolean {
    return this.#unfollowed.has(pod);
  }

  get maxPublishers(): number {
    return this.#maxPublishers;
  }

  /** Binds what engines dial; nothing to do in mode `dial`. Resolves to the ports, rejects if one is taken. */
  async listen(): Promise<readonly number[]> {
    if (this.#mode.kind === 'dial') return [];
    const { addresses } = this.#mode;
    const bound: BoundSubscription[] = [];
    try {
      for (const [rank, endpoint] of addresses.entries()) {
        const fixedRank = addresses.length > 1 ? rank : undefined;
        bound.push(
          await bindSubscriber({
            ...{ endpoint, topic: this.#options.topic, wire: this.#wire },
            onMessage: (topic, message, from, caller) =>
              this.#receive(topic, message, from, caller, fixedRank),
            onUnreadable: (why, from) => this.#options.onRejected?.({ why, from, topic: undefined }),
            onEnd: caller => this.#links.ended(caller),
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
   * Follows all ranks of a pod that is not followed yet, or as soon as there is room; nothing to do for one without any.
   * @param publishers where the pod's entry does not say: where the engine does
   * @param clearScope what its engine means by a clear; asked at each
   */
  follow(
    pod: Pod,
    publishers: readonly KvPublisher[] = publishersOf(pod),
    clearScope: () => ClearScope = () => 'everything',
  ): void {
    const followable = publishers.filter(({ port }) => this.#mode.kind === 'bind' || port !== undefined);
    if (followable.length === 0) return;
    if (this.#publishers + followable.length > this.#maxPublishers) {
      this.#unfollowed.set(pod.name, { pod, publishers: followable, clearScope });
      return;
    }
    const followed: Followed = {
      pod,
      publishers: new Map(followable.map(each => [each.rank, this.#publisher(pod, each, clearScope)])),
    };
    this.#publishers += followable.length;
    this.#followed.set(pod.name, followed);
    this.#topics.add(pod, followed);
  }

  /** No event of this pod is applied after this returns. What it held is the caller's to purge. */
  async leave(pod: string): Promise<void> {
    this.#unfollowed.delete(pod);
    const followed = this.#followed.get(pod);
    if (followed === undefined) return;
    this.#followed.delete(pod);
    this.#topics.remove(followed.pod, followed);
    this.#publishers -= followed.publishers.size;
    const stopped = [...followed.publishers.values()].map(({ publisher }) => {
      this.#unsettled.delete(publisher);
      this.#links.left(publisher);
      return publisher.stop();
    });
    for (const next of [...this.#unfollowed.values()]) {
      if (this.#publishers + next.publishers.length > this.#maxPublishers) break;
      this.#unfollowed.delete(next.pod.name);
      this.follow(next.pod, next.publishers, next.clearScope);
    }
    await Promise.all(stopped);
  }

  async stop(): Promise<void> {
    this.#unfollowed.clear();
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

  /** @param rank whose address was dialled; undefined: whichever the batch names */
  #receive(topic: string, message: Published, from: string, caller: Caller, rank: number | undefined): void {
    const reject = (why: RejectedMessage['why']) => this.#options.onRejected?.({ why, from, topic });
    const followed = this.#topics.find(topic);
    const publishers = followed?.publishers;
    const known = rank === undefined ? whose(publishers, message.payload) : publishers?.get(rank)?.publisher;
    if (followed === undefined || known === undefined) reject('unknown_topic');
    else if (canonicalAddress(followed.pod.ip) !== from) reject('foreign_address');
    else {
      this.#links.heard(known, caller);
      known.receive(message);
    }
  }

  #note(publisher: Publisher): void {
    if (publisher.isSettled) this.#unsettled.delete(publisher);
    else this.#unsettled.add(publisher);
  }

  #publisher(pod: Pod, { rank, port, replayPort }: KvPublisher, clearScope: () => ClearScope) {
    const { cache, hasher, topic, limits, now, wallClock, sleep, onFact, onComputed } = this.#options;
    const endpoint = this.#mode.kind === 'bind' || port === undefined ? undefined : addressOf(pod, port);
    const publisher = new Publisher({
      feed: new RankIngest({
        ...{ pod: pod.name, rank, model: pod.model, cache, hasher, clearScope },
        ...(onComputed && { onComputed: (blocks, size) => onComputed(pod, blocks, size) }),
      }),
      source: endpoint === undefined ? { kind: 'received' } : { kind: 'dialled', endpoint, topic },
      replayEndpoint: replayPort === undefined ? undefined : addressOf(pod, replayPort),
      limits: { ...DEFAULT_LIMITS, ...limits },
      now: now ?? monotonicClock,
      wallClock: wallClock ?? systemWallClock,
      sleep: sleep ?? realSleep,
      onFact: fact => {
        if (fact.kind === 'state' || fact.kind === 'link') this.#note(publisher);
        onFact({ pod: pod.name, rank, ...fact });
      },
      wire: this.#wire,
      onRelease: releaseMemory,
    });
    this.#unsettled.add(publisher);
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

function rethrow(error: unknown): never {
  throw error;
}
