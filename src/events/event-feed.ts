import type { Pod } from '../domain.ts';
import type { ContextCatalog } from '../prefix-index/context-catalog.ts';
import type { Holders } from '../prefix-index/holders.ts';
import type { PrefixIndex } from '../prefix-index/prefix-index.ts';
import { decodeBatch } from './decoder.ts';
import { type Applied, HolderFeed } from './holder-feed.ts';
import { type Published, type Subscription, subscribe } from './subscriber.ts';

/** What the feed saw, for metrics and logs. `pod` is the pod's name. */
export type FeedFact = { readonly pod: string; readonly rank: number } & (
  | { readonly kind: 'applied'; readonly applied: Applied }
  | { readonly kind: 'skipped_event'; readonly why: string }
  | { readonly kind: 'malformed_message'; readonly why: string }
  /** Messages were lost, or the publisher started anew: the holder is forgotten and learned again. */
  | { readonly kind: 'forgotten'; readonly why: 'gap' | 'restart' }
  | { readonly kind: 'batch'; readonly sequence: bigint; readonly at: number; readonly blocks: number }
);

export interface EventFeedOptions {
  readonly index: PrefixIndex;
  readonly holders: Holders;
  readonly catalog: ContextCatalog;
  readonly seed: number;
  readonly topic: string;
  readonly onFact: (fact: FeedFact) => void;
}

/** Subscribes to the publishers of every followed pod and keeps the index true to what they say. */
export class EventFeed {
  readonly #options: EventFeedOptions;
  /** By pod name: one whose labels changed is another object. */
  readonly #subscriptions = new Map<string, Subscription[]>();

  constructor(options: EventFeedOptions) {
    this.#options = options;
  }

  /** Follows all ranks of a pod; nothing to do for a pod without events. */
  follow(pod: Pod): void {
    if (pod.kvEvents.kind === 'none') return;
    const { port, ranks } = pod.kvEvents;
    const host = pod.ip.includes(':') ? `[${pod.ip}]` : pod.ip;
    this.#subscriptions.set(
      pod.name,
      Array.from({ length: ranks }, (_, rank) =>
        subscribe({
          endpoint: `tcp://${host}:${port + rank}`,
          topic: this.#options.topic,
          onMessage: this.#publisher(pod, rank),
          onMalformed: () =>
            this.#options.onFact({
              pod: pod.name,
              rank,
              kind: 'malformed_message',
              why: 'unexpected frames',
            }),
        }),
      ),
    );
  }

  /** No event of this pod is applied after this returns. What it held is the caller's to purge. */
  leave(pod: string): Promise<void> {
    const subscriptions = this.#subscriptions.get(pod) ?? [];
    this.#subscriptions.delete(pod);
    return Promise.all(subscriptions.map(subscription => subscription.stop())).then(() => {});
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#subscriptions.keys()].map(pod => this.leave(pod)));
  }

  #publisher(pod: Pod, rank: number): (message: Published) => void {
    const { index, holders, catalog, seed, onFact } = this.#options;
    const holder = holders.ensure(pod.name, rank);
    const feed = new HolderFeed({ holder, model: pod.model, index, catalog, seed });
    let next: bigint | undefined;

    return ({ sequence, payload }) => {
      if (next !== undefined && sequence !== next) {
        feed.forget();
        onFact({ pod: pod.name, rank, kind: 'forgotten', why: sequence > next ? 'gap' : 'restart' });
      }
      next = sequence + 1n;
      const batch = decodeBatch(payload);
      if (batch.kind === 'malformed') {
        onFact({ pod: pod.name, rank, kind: 'malformed_message', why: batch.why });
        return;
      }
      for (const why of batch.skipped) onFact({ pod: pod.name, rank, kind: 'skipped_event', why });
      for (const event of batch.events) {
        onFact({ pod: pod.name, rank, kind: 'applied', applied: feed.apply(event) });
      }
      onFact({ pod: pod.name, rank, kind: 'batch', sequence, at: batch.at, blocks: feed.size });
    };
  }
}
