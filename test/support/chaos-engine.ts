/**
 * The cache and the publisher of a simulated engine without its HTTP door, so that hundreds of thousands of events take
 * seconds. Remembers what it published in each of its lives, and so what it held after any of its batches.
 */
import type { BlockHash } from '../../src/domain.ts';
import { blockAt } from '../../src/prompt/blocks.ts';
import type { CacheContext } from '../../src/simulator/block-hash.ts';
import type { EventEncoding } from '../../src/simulator/event-encoding.ts';
import { EventPublisher } from '../../src/simulator/events.ts';
import {
  type CacheEvent,
  KvCache,
  type ReadableKvCache,
  type Sequence,
} from '../../src/simulator/kv-cache.ts';
import { chainOf } from './blocks.ts';

export interface ChaosEngineOptions {
  readonly name: string;
  readonly eventEncoding: EventEncoding;
  readonly cacheBlocks: number;
  /** Batches kept for replay; 'off': it does not replay. */
  readonly replayBufferSteps: number | 'off';
  readonly model: string;
  readonly adapter: string;
  readonly blockSizeTokens: number;
  readonly random: () => number;
  readonly aPrompt: () => Prompt;
}

export interface Prompt {
  readonly tokenIds: readonly number[];
  readonly context: CacheContext;
}

/** A batch of one of the engine's lives. */
export interface Position {
  readonly life: number;
  readonly sequence: number;
}

const AT_ONCE = 4;
const CHUNK_BLOCKS = 12;

export class ChaosEngine {
  readonly options: ChaosEngineOptions;
  /** Engine's hash → ours, of all blocks ever. */
  readonly names = new Map<bigint, BlockHash>();
  readonly #lives: (readonly CacheEvent[])[][] = [];
  /** By the batch's time, which is unique. */
  readonly #positions = new Map<number, Position>();
  #cache!: KvCache;
  #publisher!: EventPublisher;
  #running: { readonly sequence: Sequence; left: number }[] = [];
  #prefilling: { readonly sequence: Sequence; computed: number } | undefined;
  #state: 'up' | 'down' = 'down';
  #events = 0;
  #lastAt = 0;

  constructor(options: ChaosEngineOptions) {
    this.options = options;
  }

  get cache(): ReadableKvCache {
    return this.#cache;
  }

  get up(): boolean {
    return this.#state === 'up';
  }

  get ports(): { readonly events: number; readonly replay: number | undefined } {
    return { events: this.#publisher.port!, replay: this.#publisher.replayPort };
  }

  /** All that were published. */
  get events(): number {
    return this.#events;
  }

  get batches(): number {
    return this.#positions.size;
  }

  /** Of the newest batch; undefined before the first one of a life. */
  get last(): Position | undefined {
    const life = this.#lives.length - 1;
    const sequence = this.#lives[life]!.length - 1;
    return sequence < 0 ? undefined : { life, sequence };
  }

  /** Which batch was made at this time, in seconds. */
  positionAt(at: number): Position | undefined {
    return this.#positions.get(at);
  }

  eventsOf({ life, sequence }: Position): readonly CacheEvent[] {
    return this.#lives[life]![sequence]!;
  }

  /** A new process: an empty cache, sequences from 0, ports of its own. */
  async start(): Promise<void> {
    const { eventEncoding, cacheBlocks, blockSizeTokens, replayBufferSteps, adapter, name } = this.options;
    this.#publisher = await EventPublisher.start({
      host: '127.0.0.1',
      port: 0,
      replayPort: replayBufferSteps === 'off' ? 'off' : 0,
      bufferSteps: replayBufferSteps === 'off' ? 1 : replayBufferSteps,
      topic: '',
      shape: { encoding: eventEncoding, blockSizeTokens, loraId: lora => (lora === adapter ? 1 : null) },
    });
    this.#cache = new KvCache({
      blockSizeTokens,
      blocks: cacheBlocks,
      // All alike since vLLM 0.29, different in each process before.
      hashSeed: eventEncoding === 'map' ? '' : `${name} ${this.#lives.length}`,
      freedPartialBlock: eventEncoding === 'map' ? 'taken-first' : 'taken-in-turn',
    });
    this.#lives.push([]);
    this.#running = [];
    this.#prefilling = undefined;
    this.#state = 'up';
  }

  /** What is still in its queues is lost. */
  async kill(): Promise<void> {
    this.#state = 'down';
    await this.#publisher.close();
  }

  /** One step of its scheduler: some prefill, one block of every answer; one batch, if anything happened. */
  step(): void {
    if (!this.up) return;
    this.#prefill();
    for (const job of [...this.#running]) this.#decode(job);
    this.publish();
  }

  /** Ends all requests and forgets all blocks. */
  reset(): void {
    this.rest();
    if (!this.#cache.reset()) throw new Error('a block is still in use');
    this.publish();
  }

  /** Ends all requests. */
  rest(): void {
    for (const { sequence } of this.#running.splice(0)) this.#cache.free(sequence);
    if (this.#prefilling !== undefined) this.#cache.free(this.#prefilling.sequence);
    this.#prefilling = undefined;
    this.publish();
  }

  /** One batch more, with a block that nothing else has. */
  mark(): void {
    this.rest();
    const { blockSizeTokens, random } = this.options;
    const tokenIds = Array.from({ length: blockSizeTokens }, () => Math.floor(random() * 2 ** 31));
    const sequence = this.#cache.allocate(tokenIds, {})!;
    this.#store(sequence, blockSizeTokens);
    this.#cache.free(sequence);
    this.publish();
  }

  publish(): void {
    const events = this.#cache.drainEvents();
    if (events.length === 0) return;
    const now = (performance.timeOrigin + performance.now()) / 1_000;
    // Two microseconds: what a 64-bit float of today's seconds still tells apart.
    this.#lastAt = Math.max(now, this.#lastAt + 2e-6);
    const life = this.#lives.length - 1;
    const batches = this.#lives[life]!;
    this.#positions.set(this.#lastAt, { life, sequence: batches.length });
    batches.push(events);
    this.#events += events.length;
    this.#publisher.publish(this.#lastAt, events);
  }

  #prefill(): void {
    const { blockSizeTokens, random, aPrompt } = this.options;
    if (this.#prefilling === undefined && this.#running.length < AT_ONCE) {
      const { tokenIds, context } = aPrompt();
      const sequence = this.#cache.allocate(tokenIds, context);
      if (sequence === undefined) return;
      this.#prefilling = { sequence, computed: sequence.cachedTokens };
    }
    const job = this.#prefilling;
    if (job === undefined) return;
    const { sequence } = job;
    job.computed = Math.min(sequence.tokenIds.length, job.computed + CHUNK_BLOCKS * blockSizeTokens);
    this.#store(sequence, job.computed);
    if (job.computed < sequence.tokenIds.length) return;
    this.#prefilling = undefined;
    this.#running.push({ sequence, left: Math.floor(random() * 4) });
  }

  #decode(job: { readonly sequence: Sequence; left: number }): void {
    const { sequence } = job;
    const { blockSizeTokens, random } = this.options;
    const tokens = sequence.tokenIds.length + blockSizeTokens;
    if (job.left-- > 0 && this.#cache.reserve(sequence, tokens)) {
      while (sequence.tokenIds.length < tokens) sequence.tokenIds.push(Math.floor(random() * 100_000));
      this.#store(sequence, tokens);
    } else {
      this.#running.splice(this.#running.indexOf(job), 1);
      this.#cache.free(sequence);
    }
  }

  #store(sequence: Sequence, computedTokens: number): void {
    const first = sequence.chain.length;
    this.#cache.store(sequence, computedTokens);
    if (sequence.chain.length === first) return;
    const ours = chainOfPrompt(this.options, sequence);
    for (let i = first; i < sequence.chain.length; i++)
      this.names.set(sequence.chain[i]!.hash, blockAt(ours, i));
  }
}

/** As the read path would cut it. */
export function chainOfPrompt(
  { blockSizeTokens, model }: Pick<ChaosEngineOptions, 'blockSizeTokens' | 'model'>,
  { tokenIds, context }: Prompt,
) {
  return chainOf(tokenIds, blockSizeTokens, { model: context.lora ?? model, salt: context.salt ?? '' });
}

/** Replays an engine's batches into the set of what it held after one of them. */
export class PastCache {
  readonly #engine: ChaosEngine;
  #at: Position | undefined;
  readonly #copies = new Map<bigint, number>();

  constructor(engine: ChaosEngine) {
    this.#engine = engine;
  }

  /** The engine's hashes of the blocks that it held after this batch; valid until the next call. */
  after(position: Position): Iterable<bigint> & { readonly size: number } {
    const { life, sequence } = position;
    if (this.#at?.life !== life || this.#at.sequence > sequence) {
      this.#copies.clear();
      this.#at = { life, sequence: -1 };
    }
    for (let next = this.#at.sequence + 1; next <= sequence; next++) {
      for (const event of this.#engine.eventsOf({ life, sequence: next })) this.#apply(event);
    }
    this.#at = position;
    return { [Symbol.iterator]: () => this.#copies.keys(), size: this.#copies.size };
  }

  #apply(event: CacheEvent): void {
    const copies = this.#copies;
    if (event.kind === 'stored')
      for (const hash of event.hashes) copies.set(hash, (copies.get(hash) ?? 0) + 1);
    else if (event.kind === 'cleared') copies.clear();
    else if (copies.get(event.hash) === 1) copies.delete(event.hash);
    else copies.set(event.hash, copies.get(event.hash)! - 1);
  }
}
