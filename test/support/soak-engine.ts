/** The cache of an engine, always full, and what it publishes, as messages that need no socket. */
import type { Published } from '../../src/events/wire/published.ts';
import { type EventEncoding, encodeBatch } from '../../src/simulator/event-encoding.ts';
import type { CacheEvent } from '../../src/simulator/kv-cache.ts';
import type { Block, Chain } from './conversations.ts';

export interface SoakEngineOptions {
  readonly name: string;
  readonly eventEncoding: EventEncoding;
  readonly cacheBlocks: number;
  readonly blockSizeTokens: number;
}

/** Processes whose hashes are their own, so far. */
let seeds = 0n;

/** Gives up what was used longest ago, of a conversation the last block first, when there is no room. */
export class SoakEngine {
  readonly options: SoakEngineOptions;
  /** Those that will be evicted first come first. */
  readonly #held = new Set<Block>();
  #sequence = 0;
  #seed = 0n;
  #events = 0;
  #pending: CacheEvent[] = [];

  constructor(options: SoakEngineOptions) {
    this.options = options;
    this.restart();
  }

  get held(): ReadonlySet<Block> {
    return this.#held;
  }

  /** All that were published. */
  get events(): number {
    return this.#events;
  }

  nameOf({ number }: Block): bigint {
    return mixed((this.#seed << 40n) | number);
  }

  /** How many of its leading blocks are held. */
  depthOf(chain: Chain): number {
    const missing = chain.findIndex(block => !this.#held.has(block));
    return missing < 0 ? chain.length : missing;
  }

  /** A new process: an empty cache, and sequences from 0. */
  restart(): void {
    this.#held.clear();
    this.#pending = [];
    this.#sequence = 0;
    // Hashes are alike in all processes since vLLM 0.29, and different in each before.
    this.#seed = this.options.eventEncoding === 'map' ? 0n : ++seeds;
  }

  clear(): void {
    this.#held.clear();
    this.#pending.push({ kind: 'cleared' });
  }

  /** One request. */
  serve(chain: Chain): void {
    const found = this.depthOf(chain);
    // In use, and so not to be evicted.
    for (const block of chain) this.#held.delete(block);
    this.#makeRoom(chain.length);
    for (const block of chain.toReversed()) this.#held.add(block);
    const stored = chain.slice(found);
    if (stored.length === 0) return;
    const parent = chain[found - 1];
    this.#pending.push({
      kind: 'stored',
      hashes: stored.map(block => this.nameOf(block)),
      parent: parent === undefined ? null : this.nameOf(parent),
      tokenIds: stored.flatMap(({ tokenIds }) => tokenIds),
      lora: undefined,
      extraKeys: stored.map(() => null),
    });
  }

  /** What has happened since the last time. undefined: nothing. */
  publish(): Published | undefined {
    const { eventEncoding: encoding, blockSizeTokens } = this.options;
    const events = this.#pending;
    if (events.length === 0) return undefined;
    this.#pending = [];
    this.#events += events.length;
    const shape = { encoding, blockSizeTokens, loraId: () => null };
    const payload = encodeBatch(shape, Date.now() / 1_000, events);
    return { sequence: this.#sequence++, payload, waited: false };
  }

  #makeRoom(blocks: number): void {
    for (const block of this.#held) {
      if (this.#held.size + blocks <= this.options.cacheBlocks) break;
      this.#held.delete(block);
      this.#pending.push({ kind: 'removed', hash: this.nameOf(block) });
    }
  }
}

/** 64 bits, another value for each number below 2^64, and 0 for 0 alone. */
function mixed(number: bigint): bigint {
  return BigInt.asUintN(64, number * 0x9e3779b97f4a7c15n);
}
