/**
 * A simulated vLLM engine: real protocols, a real tokenizer and a real cache policy, no model. What it answers and
 * publishes has the shapes of vLLM 0.32, or of 0.23 (event arrays) by option.
 */
import { randomBytes } from 'node:crypto';
import { HttpDoor } from './api/http.ts';
import { routesOf } from './api/routes.ts';
import { systemClock } from './clock.ts';
import type { EngineCore, EngineOptions, RequestLogEntry } from './core.ts';
import { EventPublisher } from './events.ts';
import { KvCache, type ReadableKvCache } from './kv-cache.ts';
import { Scheduler } from './scheduler.ts';
import { EngineStats } from './stats.ts';

export type { Clock } from './clock.ts';
export type { EngineOptions, RequestLogEntry } from './core.ts';
export type { CacheContext, ReadableKvCache, ResidentBlock } from './kv-cache.ts';
export type { CostModel } from './scheduler.ts';

export interface SimulatedEngine {
  readonly name: string;
  /** `http://host:port`, without a slash at the end. */
  readonly url: string;
  readonly httpPort: number;
  /** Undefined if switched off. */
  readonly eventsPort: number | undefined;
  readonly replayPort: number | undefined;
  readonly options: EngineOptions;
  /** What the engine holds: the truth that an index is compared with. */
  readonly cache: ReadableKvCache;
  /** The last 10,000 requests, newest last. */
  readonly requests: readonly RequestLogEntry[];
  /** False while a request runs. As in vLLM its event is published with the next step only. */
  resetCache(): boolean;
  /** Publishes now what would be published with the next step. */
  publishPending(): void;
  /** Aborts what runs, ends all connections and closes all sockets. */
  stop(): Promise<void>;
  /** Like a killed process: connections are reset. */
  kill(): Promise<void>;
}

/** What `startEngine` uses by default; version, render and seed follow the event encoding. */
export const DEFAULT_ENGINE_OPTIONS = {
  name: 'engine',
  host: '127.0.0.1',
  httpPort: 0,
  eventsPort: 0,
  replayPort: 0,
  model: 'sim-model',
  adapters: [],
  blockSizeTokens: 16,
  cacheBlocks: 4_096,
  maxModelLen: 32_768,
  eventEncoding: 'map',
  topic: '',
  responses: 'forgotten',
  cost: { prefillTokensPerSecond: 10_000, decodeTokensPerSecond: 100, overheadMs: 2 },
  defaultSystemPrompt: '',
  prefillChunkTokens: 8_192,
  clock: systemClock,
  replayBufferSteps: 10_000,
} as const satisfies Partial<EngineOptions>;

/** Rejects with RangeError for impossible sizes and with the system's error if a port is taken. */
export async function startEngine(given: Partial<EngineOptions> = {}): Promise<SimulatedEngine> {
  const options = completeOptions(given);
  const { blockSizeTokens, clock, cost, host } = options;
  const modern = dialectOf(options.version) === '0.32';
  const cache = new KvCache({
    blockSizeTokens,
    blocks: options.cacheBlocks,
    hashSeed: options.hashSeed,
    freedPartialBlock: modern ? 'taken-first' : 'taken-in-turn',
  });
  const stats = new EngineStats();
  const publisher = await EventPublisher.start({
    host,
    port: options.eventsPort,
    replayPort: options.replayPort,
    topic: options.topic,
    bufferSteps: options.replayBufferSteps,
    shape: {
      encoding: options.eventEncoding,
      blockSizeTokens,
      loraId: lora => (lora === undefined ? null : options.adapters.indexOf(lora) + 1),
    },
  });
  const scheduler = new Scheduler({
    cache,
    clock,
    cost,
    prefillChunkTokens: options.prefillChunkTokens,
    stats,
    publish: events => publisher.publish(clock.now() / 1_000, events),
  });
  const requests: RequestLogEntry[] = [];
  const core: EngineCore = {
    options,
    dialect: dialectOf(options.version),
    cache,
    scheduler,
    publisher,
    stats,
    requests,
    keptResponses: new Map(),
  };
  const door = new HttpDoor(routesOf(core));
  let httpPort: number;
  try {
    httpPort = await door.listen(host, options.httpPort);
  } catch (error) {
    await publisher.close();
    throw error;
  }
  let stopped: Promise<void> | undefined;
  const shutDown = async (how: 'close' | 'reset') => {
    await Promise.all([door.stop(how), scheduler.stop()]);
    await publisher.close();
  };
  const stopOnce = (how: 'close' | 'reset') => {
    stopped ??= shutDown(how);
    return stopped;
  };
  return {
    name: options.name,
    url: `http://${host}:${httpPort}`,
    httpPort,
    eventsPort: publisher.port,
    replayPort: publisher.replayPort,
    options,
    cache,
    requests,
    resetCache: () => cache.reset(),
    publishPending: () => scheduler.publishPending(),
    stop: () => stopOnce('close'),
    kill: () => stopOnce('reset'),
  };
}

function completeOptions(given: Partial<EngineOptions>): EngineOptions {
  const base = { ...DEFAULT_ENGINE_OPTIONS, ...given };
  const version = base.version ?? (base.eventEncoding === 'map' ? '0.32.0' : '0.23.0');
  const modern = dialectOf(version) === '0.32';
  for (const name of ['blockSizeTokens', 'cacheBlocks', 'maxModelLen', 'prefillChunkTokens'] as const) {
    if (!Number.isSafeInteger(base[name]) || base[name] < 1)
      throw new RangeError(`${name} must be at least 1`);
  }
  return {
    ...base,
    version,
    // A request must fit into the cache all by itself; vLLM refuses to start otherwise.
    maxModelLen: Math.min(base.maxModelLen, base.cacheBlocks * base.blockSizeTokens),
    render: base.render ?? (modern ? 'all' : 'chat-and-completions'),
    hashSeed: base.hashSeed ?? (modern ? 'simulated' : randomBytes(16).toString('hex')),
  };
}

/** Answers changed step by step; the two that are known from recordings stand for what is around them. */
function dialectOf(version: string): EngineCore['dialect'] {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major === 0 && minor < 24 ? '0.23' : '0.32';
}
