/** Listens to one rank's event port for a while, as the router does, and keeps what the checks ask for. */
import { hostOf, type KvPublisher, type Pod } from '../../domain.ts';
import { decodeBatch } from '../../events/decoding/decoding.ts';
import type { Applied, RankIngest } from '../../events/ingest/ingest.ts';
import {
  type Published,
  replay,
  type Subscription,
  subscribe,
  type Wire,
} from '../../events/wire/sockets.ts';
import { printable } from '../../printable.ts';
import { monotonicClock, realSleep } from '../../time.ts';
import { AnnouncedChains } from './announced-chains.ts';
import type { RankFacts, ReplayFacts } from './pod-facts.ts';

export interface RankListenerOptions {
  readonly pod: Pod;
  /** With a port. */
  readonly publisher: KvPublisher & { readonly port: number };
  readonly topic: string;
  readonly wire: Wire;
  /** What is announced goes there, and is looked up as the router does. */
  readonly ingest: RankIngest;
  /** How long a replay may take. */
  readonly replayMs: number;
  /** A batch has come, or the connection is there or not. */
  readonly onNews: () => void;
}

/** More of it is not read: who floods is not to fill our memory. */
const MAX_BYTES = 64 << 20;
/** Of the live batches that may be compared with their replay. */
const MAX_KEPT = 16;
const MAX_KEPT_BYTES = 8 << 20;
/** Block sizes, and ranks that batches name. */
const MAX_DIFFERENT = 8;
const MAX_REPLAY_BYTES = 32 << 20;
/** Behind all that there is: the answer is the end marker alone, and costs the engine nothing. */
const BEHIND_ALL = Number.MAX_SAFE_INTEGER;

export class RankListener {
  readonly chains = new AnnouncedChains();
  readonly #options: RankListenerOptions;
  readonly #subscription: Subscription;
  readonly #kept = new Map<number, Uint8Array>();
  readonly #blockSizes = new Set<number>();
  readonly #ranksNamed = new Set<number>();
  readonly #applied = new Map<Applied['kind'], number>();
  #link: RankFacts['link'] = { kind: 'silent' };
  #keptBytes = 0;
  #bytes = 0;
  #batches = 0;
  #unreadable = 0;
  #firstUnreadable: string | undefined;

  constructor(options: RankListenerOptions) {
    this.#options = options;
    const { pod, publisher, topic, wire, onNews } = options;
    this.#subscription = subscribe({
      endpoint: endpointAt(pod, publisher.port),
      ...{ topic, wire },
      onMessage: message => {
        try {
          this.#take(message);
        } catch {
          this.#cannotRead('not_applied');
        }
        onNews();
      },
      onUnreadable: why => this.#cannotRead(why),
      onLink: event => {
        if (event === 'connected') this.#link = { kind: 'connected' };
        onNews();
      },
      onRetry: why => {
        // How it ended at first tells most; a further try may only meet the end of it.
        if (this.#link.kind !== 'failed') this.#link = { kind: 'failed', why: printable(why, 60) };
        onNews();
      },
    });
  }

  /** Whether it is known if there is a connection. */
  get isSettled(): boolean {
    return this.#link.kind !== 'silent';
  }

  get isConnected(): boolean {
    return this.#link.kind === 'connected';
  }

  get batches(): number {
    return this.#batches;
  }

  /** What became of the events so far, in words. */
  get applied(): string {
    return [...this.#applied].map(([kind, count]) => `${kind} ${count}`).join(', ') || 'no events';
  }

  stop(): void {
    this.#subscription.stop();
  }

  /** Asks for a live batch once more, and compares; without one, whether it answers at all. */
  async replay(signal: AbortSignal): Promise<ReplayFacts> {
    const { pod, publisher, wire, replayMs } = this.#options;
    if (!this.isConnected) return { kind: 'not_asked' };
    if (publisher.replayPort === undefined) return { kind: 'none' };
    const live = [...this.#kept].at(-1);
    const found = { batch: false, same: false };
    const outcome = await replay({
      endpoint: endpointAt(pod, publisher.replayPort),
      from: live?.[0] ?? BEHIND_ALL,
      ...{ idleTimeoutMs: replayMs, timeoutMs: replayMs, maxBytes: MAX_REPLAY_BYTES },
      ...{ wire, signal, sleep: realSleep, now: monotonicClock },
      onMessage(sequence, payload) {
        if (sequence !== live?.[0]) return;
        found.batch = true;
        found.same = Buffer.compare(payload, live[1]) === 0;
      },
    });
    // An engine that is busy may send more than we wait for: the first one is what was asked for.
    if (outcome !== 'ended' && !found.batch) return { kind: 'failed', why: outcome };
    if (live === undefined) return { kind: 'answered', publisher: 'unknown' };
    return { kind: 'answered', publisher: found.same ? 'same' : 'another' };
  }

  facts(replay: ReplayFacts): RankFacts {
    return {
      publisher: this.#options.publisher,
      link: this.#link,
      ...{ batches: this.#batches, unreadable: this.#unreadable, firstUnreadable: this.#firstUnreadable },
      ...{ blockSizes: [...this.#blockSizes], ranksNamed: [...this.#ranksNamed], replay },
    };
  }

  #take({ sequence, payload }: Published): void {
    this.#bytes += payload.length;
    if (this.#bytes > MAX_BYTES) this.stop();
    const batch = decodeBatch(payload);
    if (batch.kind === 'malformed') {
      this.#cannotRead(batch.why);
      return;
    }
    this.#batches++;
    this.#keep(sequence, payload);
    if (batch.rank !== undefined && this.#ranksNamed.size < MAX_DIFFERENT) this.#ranksNamed.add(batch.rank);
    if (!batch.whole) this.#cannotRead('broken');
    const { ingest } = this.#options;
    ingest.prepare(batch.events);
    for (const event of batch.events) {
      const { kind } = ingest.apply(event);
      this.#applied.set(kind, (this.#applied.get(kind) ?? 0) + 1);
      // Placeholders have no tokens, and no size.
      if (event.kind !== 'stored' || event.blockSizeTokens === 0) continue;
      this.chains.add(event);
      if (event.medium === 'gpu' && this.#blockSizes.size < MAX_DIFFERENT)
        this.#blockSizes.add(event.blockSizeTokens);
    }
  }

  #cannotRead(why: string): void {
    this.#unreadable++;
    this.#firstUnreadable ??= why;
  }

  #keep(sequence: number, payload: Uint8Array): void {
    this.#kept.set(sequence, payload);
    this.#keptBytes += payload.length;
    for (const [oldest, bytes] of this.#kept) {
      if (this.#kept.size <= MAX_KEPT && this.#keptBytes <= MAX_KEPT_BYTES) return;
      this.#kept.delete(oldest);
      this.#keptBytes -= bytes.length;
    }
  }
}

function endpointAt({ ip }: Pod, port: number): string {
  return `tcp://${hostOf(ip)}:${port}`;
}
