/** The write path without sockets, under engines whose caches are always full: what it remembers, and whether it is right. */
import type { BlockChain, HolderId } from '../../src/domain.ts';
import type { PublisherFact } from '../../src/events/feed-fact.ts';
import { RankIngest } from '../../src/events/ingest/rank-ingest.ts';
import { Publisher } from '../../src/events/publisher.ts';
import { DEFAULT_LIMITS } from '../../src/events/publisher-limits.ts';
import type { IndexSize } from '../../src/prefix-index/prefix-index.ts';
import { blockAt } from '../../src/prompt/blocks.ts';
import { monotonicClock, wallClock } from '../../src/time.ts';
import { chainOf, HASHER, holdsBlock } from './blocks.ts';
import { aCacheState } from './builders.ts';
import { generator } from './candidates.ts';
import { type Block, Conversations, prefixOf } from './conversations.ts';
import { engineHash } from './kv-events.ts';
import { collector } from './memory.ts';
import { SoakEngine, type SoakEngineOptions } from './soak-engine.ts';
import { timesOf } from './told.ts';
import { aWire } from './wire.ts';

export interface SoakOptions {
  readonly engines: readonly SoakEngineOptions[];
  readonly seed: number;
}

/** What there is at one time. */
export interface SoakSample extends IndexSize {
  readonly heapBytes: number;
  readonly indexBytes: number;
  readonly runs: number;
}

const MODEL = 'demo';
/** In a batch. */
const MAX_REQUESTS = 4;

interface Member {
  readonly engine: SoakEngine;
  readonly publisher: Publisher;
}

export class Soak {
  /** How often publishers told of each, under names like `stored`. */
  readonly told = new Map<string, number>();
  readonly counts = { clears: 0, restarts: 0 };
  readonly #cache = aCacheState();
  readonly #members: readonly Member[];
  readonly #blockSizeTokens: number;
  readonly #random: () => number;
  readonly #conversations: Conversations;
  readonly #heapBytes = collector();

  constructor({ engines, seed }: SoakOptions) {
    this.#blockSizeTokens = engines[0]!.blockSizeTokens;
    this.#random = generator(seed);
    this.#conversations = new Conversations(this.#random, this.#blockSizeTokens);
    this.#members = engines.map(options => ({
      engine: new SoakEngine(options),
      publisher: this.#follow(options.name),
    }));
  }

  get events(): number {
    return this.#members.reduce((sum, { engine }) => sum + engine.events, 0);
  }

  /** Lets engines serve requests until they have published so many events in all, of a few requests at once. */
  serveUntil(events: number): void {
    while (this.events < events) {
      const member = this.#members[this.#below(this.#members.length)]!;
      for (let left = 1 + this.#below(MAX_REQUESTS); left > 0; left--)
        member.engine.serve(this.#conversations.turn());
      publish(member);
    }
  }

  /** The engines one after the other are cleared, and then one after the other started anew. */
  emptyOne(turn: number): void {
    const member = this.#members[turn % this.#members.length]!;
    if (Math.floor(turn / this.#members.length) % 2 === 0) {
      this.counts.clears++;
      member.engine.clear();
      publish(member);
    } else {
      this.counts.restarts++;
      member.engine.restart();
    }
  }

  async sample(): Promise<SoakSample> {
    const { index } = this.#cache;
    return {
      heapBytes: await this.#heapBytes(),
      indexBytes: index.bytes,
      runs: index.runs,
      ...index.size(),
    };
  }

  /** Where the index is not what the caches are, block for block and conversation for conversation. Throws if it is not sound. */
  differences(): string[] {
    const { index } = this.#cache;
    index.check();
    const found: string[] = [];
    for (const { engine } of this.#members) {
      const { name } = engine.options;
      const holder = this.#holderOf(engine);
      const tooMany = index.held(holder) - engine.held.size;
      if (tooMany !== 0) found.push(`${name}: ${tooMany} blocks too many`);
      for (const block of engine.held) {
        const chain = this.#chainTo(block);
        const ours = blockAt(chain, chain.length - 1);
        const isThere = holdsBlock(index, holder, engineHash(engine.nameOf(block)), ours);
        if (!isThere) found.push(`${name}: block ${block.number} is not there`);
      }
    }
    for (const conversation of this.#conversations.open) {
      const matches = index.find(this.#chainTo(conversation.at(-1)!));
      for (const { engine } of this.#members) {
        const wrong = matches.depthOf(this.#holderOf(engine)) - engine.depthOf(conversation);
        if (wrong !== 0) found.push(`${engine.options.name}: ${wrong} blocks too deep in a conversation`);
      }
    }
    return found;
  }

  /** All engines leave, as pods do. */
  async stop(): Promise<void> {
    for (const { engine, publisher } of this.#members) {
      await publisher.stop();
      this.#cache.purge(engine.options.name);
    }
    this.#cache.index.check();
  }

  #follow(pod: string): Publisher {
    return new Publisher({
      feed: new RankIngest({ pod, rank: 0, model: MODEL, cache: this.#cache, hasher: HASHER }),
      source: { kind: 'received' },
      replayEndpoint: undefined,
      limits: DEFAULT_LIMITS,
      now: monotonicClock,
      wallClock,
      sleep: () => Promise.reject(new Error('nothing has to wait')),
      wire: aWire(),
      onRelease: () => {},
      onFact: fact => {
        const name = nameOf(fact);
        this.told.set(name, (this.told.get(name) ?? 0) + timesOf(fact));
      },
    });
  }

  #below(bound: number): number {
    return Math.floor(this.#random() * bound);
  }

  #holderOf({ options: { name } }: SoakEngine): HolderId {
    return this.#cache.holders.find(name, { kind: 'gpu', rank: 0 })!;
  }

  #chainTo(block: Block): BlockChain {
    return chainOf(prefixOf(block), this.#blockSizeTokens);
  }
}

function publish({ engine, publisher }: Member): void {
  const message = engine.publish();
  if (message !== undefined) publisher.receive(message);
}

function nameOf(fact: PublisherFact): string {
  switch (fact.kind) {
    case 'applied':
      return fact.outcome;
    case 'state':
      return fact.state;
    case 'forgotten':
      return fact.why;
    default:
      return fact.kind;
  }
}
