import { readFileSync } from 'node:fs';
import { Unpackr } from 'msgpackr';
import { Dealer, Subscriber } from 'zeromq';
import type { Clock } from '../../src/simulator/clock.ts';
import { type EngineOptions, type SimulatedEngine, startEngine } from '../../src/simulator/engine.ts';
import type { CacheEvent } from '../../src/simulator/kv-cache.ts';

/** As fast as the machine: nothing costs time, I/O still gets its turn. */
export const NO_COST = {
  prefillTokensPerSecond: Number.POSITIVE_INFINITY,
  decodeTokensPerSecond: Number.POSITIVE_INFINITY,
  overheadMs: 0,
};

/** Starts engines and subscribers, and ends them all when a test is over. */
export class Bench {
  readonly #open: (() => unknown)[] = [];

  async engine(options: Partial<EngineOptions> = {}): Promise<SimulatedEngine> {
    const engine = await startEngine({ cost: NO_COST, model: 'tiny', ...options });
    this.#open.push(() => engine.stop());
    return engine;
  }

  dealer(port: number | undefined): Dealer {
    const dealer = new Dealer({ linger: 0, receiveHighWaterMark: 0 });
    dealer.connect(`tcp://127.0.0.1:${port}`);
    this.#open.push(() => dealer.close());
    return dealer;
  }

  /** A subscriber whose subscription has reached the engine: it has received the event of a cache reset. */
  async subscriber(engine: SimulatedEngine, topic = ''): Promise<Subscriber> {
    const subscriber = new Subscriber({ linger: 0, receiveTimeout: 20 });
    subscriber.connect(`tcp://127.0.0.1:${engine.eventsPort}`);
    subscriber.subscribe(topic);
    this.#open.push(() => subscriber.close());
    for (let joined = false; !joined; ) {
      engine.resetCache();
      engine.publishPending();
      joined = await subscriber.receive().then(
        () => true,
        () => false,
      );
    }
    subscriber.receiveTimeout = -1;
    return subscriber;
  }

  async close(): Promise<void> {
    for (const close of this.#open.splice(0).reverse()) await close();
  }
}

export interface Answer {
  readonly status: number;
  readonly text: string;
  readonly json: Json;
}

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export async function request(
  engine: SimulatedEngine,
  method: string,
  path: string,
  options: { body?: unknown; raw?: string; contentType?: string | null } = {},
): Promise<Answer> {
  const content = options.raw ?? (options.body === undefined ? undefined : JSON.stringify(options.body));
  const contentType = options.contentType === undefined ? 'application/json' : options.contentType;
  const response = await fetch(engine.url + path, {
    method,
    headers: contentType === null || content === undefined ? {} : { 'content-type': contentType },
    ...(content === undefined ? {} : { body: content }),
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type') === 'application/json';
  return { status: response.status, text, json: isJson ? (JSON.parse(text) as Json) : null };
}

export function post(engine: SimulatedEngine, path: string, body: unknown): Promise<Answer> {
  return request(engine, 'POST', path, { body });
}

/** The data of every server-sent event; `[DONE]` stays a string. */
export function eventStreamData(text: string): Json[] {
  return text
    .split('\n')
    .filter(line => line.startsWith('data: '))
    .map(line => (line.startsWith('data: {') ? (JSON.parse(line.slice(6)) as Json) : line.slice(6)));
}

/** The value at a path of object keys and list positions. */
export function at(value: Json, ...path: (string | number)[]): Json {
  return path.reduce<Json>((inner, key) => (inner as Record<string | number, Json>)[key] as Json, value);
}

/**
 * Keys in order and the types of values: what two answers of one version have in common. A list is described by its
 * first element.
 */
export function shapeOf(value: Json): unknown {
  if (value === null) return null;
  if (Array.isArray(value)) return value.slice(0, 1).map(shapeOf);
  if (typeof value === 'object') return Object.entries(value).map(([key, each]) => [key, shapeOf(each)]);
  return typeof value;
}

export function fixture<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../fixtures/${name}`, import.meta.url), 'utf8')) as T;
}

// msgpackr's types do not know that integers above 2^53 may come as bigint.
const unpackr = new Unpackr({ int64AsType: 'bigint', mapsAsObjects: true });

/** `[ts, events, rank]` as received. */
export function decodeBatch(payload: Uint8Array): [number, unknown[], number] {
  return unpackr.unpack(payload) as [number, unknown[], number];
}

type Stored = Extract<CacheEvent, { kind: 'stored' }>;

/** A received event, map or array, as what the cache said. Integers are taken as they come: small ones are numbers. */
export function cacheEventOf(wire: unknown): CacheEvent {
  const fields = Array.isArray(wire) ? wire : arrayOf(wire as Record<string, unknown>);
  const [tag, hashes, parent, tokenIds, , , , lora, extraKeys] = fields as [
    string,
    (number | bigint)[],
    number | bigint | null,
    number[],
    number,
    number | null,
    string,
    string | null,
    Stored['extraKeys'],
  ];
  if (tag === 'AllBlocksCleared') return { kind: 'cleared' };
  if (tag === 'BlockRemoved') return { kind: 'removed', hash: BigInt(hashes[0]!) };
  return {
    kind: 'stored',
    hashes: hashes.map(BigInt),
    parent: parent === null ? null : BigInt(parent),
    tokenIds,
    lora: lora ?? undefined,
    extraKeys,
  };
}

function arrayOf(event: Record<string, unknown>): unknown[] {
  const names = ['type', 'block_hashes', 'parent_block_hash', 'token_ids', 'block_size', 'lora_id', 'medium'];
  return [...names, 'lora_name', 'extra_keys'].map(name => event[name]);
}

/** Time passes only when nothing else is left to do: each pump of the event loop wakes the earliest sleeper. */
export class VirtualClock implements Clock {
  #now = 0;
  readonly #sleepers: { dueMs: number; wake: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      const sleeper = { dueMs: this.#now + ms, wake: resolve };
      this.#sleepers.push(sleeper);
      signal?.addEventListener('abort', () => resolve(), { once: true });
      setImmediate(() => this.#wakeEarliest());
    });
  }

  #wakeEarliest(): void {
    this.#sleepers.sort((a, b) => a.dueMs - b.dueMs);
    const earliest = this.#sleepers.shift();
    if (earliest === undefined) return;
    this.#now = Math.max(this.#now, earliest.dueMs);
    earliest.wake();
  }
}
