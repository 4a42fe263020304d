/** `Engines` as the server puts it together: a real feed that it hears, real pages, and what it writes into the log. */
import { assert } from 'chai';
import type { KvEventSource, Pod } from '../../src/domain.ts';
import { Engines } from '../../src/engines/engines.ts';
import { EventFeed, type FeedFact } from '../../src/events/event-feed.ts';
import type { Logger } from '../../src/ops/log/log.ts';
import { chainOf, HASHER } from './blocks.ts';
import { aCacheState, aPod, type LogLine } from './builders.ts';
import { FakeEngine, type Pages } from './fake-engine.ts';
import { FakePublisher } from './fake-publisher.ts';
import { Inbox } from './inbox.ts';
import { batchOf, tokensOf } from './kv-events.ts';

/** A batch with one block, which is the first of its prompt. */
export const store = (hash: number) => batchOf(['BlockStored', [hash], null, [...tokensOf([hash])], 2]);

export class EnginesBench {
  readonly cache = aCacheState();
  readonly facts = new Inbox<FeedFact>();
  readonly lines = new Inbox<LogLine>();
  readonly feed: EventFeed;
  readonly engines: Engines;
  readonly #publishers = new Set<FakePublisher>();
  readonly #stops: (() => unknown)[] = [];

  /** @param bound engines dial this address; by default they are dialled */
  constructor(bound?: string) {
    this.feed = new EventFeed({
      ...{ cache: this.cache, hasher: HASHER, topic: '' },
      ...(bound !== undefined && { mode: { kind: 'bind', addresses: [bound] } as const }),
      onFact: fact => {
        this.engines.hear(fact);
        this.facts.push(fact);
      },
    });
    const at =
      (level: LogLine['level']) =>
      (fields: LogLine['fields'], message: string): void =>
        this.lines.push({ level, fields, message });
    const log: Logger = {
      debug: (fields, message) => at('debug')(fields(), message),
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
      child: () => log,
    };
    this.engines = new Engines({
      ...{ cache: this.cache, feed: this.feed, dials: bound === undefined, log },
      onPort: () => {},
      ...{ scheme: 'http', access: { apiKey: undefined, ca: undefined } },
    });
  }

  atEnd(stop: () => unknown): void {
    this.#stops.push(stop);
  }

  async engine(pages: Pages = {}): Promise<FakeEngine> {
    const engine = await FakeEngine.start(pages);
    this.atEnd(() => engine.stop());
    return engine;
  }

  async publisher(port = 0): Promise<FakePublisher> {
    const publisher = await FakePublisher.bind(port);
    this.#publishers.add(publisher);
    return publisher;
  }

  /** Its port may be bound again then. */
  async end(publisher: FakePublisher): Promise<void> {
    this.#publishers.delete(publisher);
    await publisher.close();
  }

  join(name: string, { port }: { readonly port: number }, kvEvents: KvEventSource): Pod {
    const pod = aPod({ name, port, kvEvents });
    this.engines.joined(pod);
    return pod;
  }

  /** As the server does when a pod leaves. */
  leave(pod: Pod): void {
    this.engines.left(pod);
    this.cache.purge(pod.name);
  }

  /** What may be another process now. */
  heardAnew(pod: string): void {
    this.engines.hear({ pod, rank: 0, kind: 'link', event: 'connected' });
  }

  /** What is said of an engine next. */
  async said(): Promise<{ level: string; pod: unknown; version: unknown; limits: string[] }> {
    const { level, fields } = await this.lines.until(({ message }) => message.startsWith('engine'));
    const limits = fields.limits as readonly string[];
    for (const limit of limits) assert.match(limit, /^\w+: .{10}/);
    const { pod, version } = fields;
    return { level, pod, version, limits: limits.map(limit => limit.slice(0, limit.indexOf(':'))) };
  }

  /** Resolves to the rank and the sequence of the next batch that was applied. */
  async batch(): Promise<[rank: number, sequence: number]> {
    const fact = await this.facts.until(({ kind }) => kind === 'batch');
    return fact.kind === 'batch' ? [fact.rank, fact.sequence] : assert.fail();
  }

  /** How many blocks of a prompt a rank has on its GPU. */
  depth(hashes: readonly number[], pod = 'a', rank = 0): number {
    const id = this.cache.holders.find(pod, { kind: 'gpu', rank });
    return id === undefined ? 0 : this.cache.index.find(chainOf(tokensOf(hashes), 2)).depthOf(id);
  }

  async stop(): Promise<void> {
    await this.engines.stop();
    await this.feed.stop();
    for (const publisher of this.#publishers) await publisher.close();
    for (const stop of this.#stops.reverse()) await stop();
  }
}
