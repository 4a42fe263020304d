import { type CacheState, createCacheState } from '../cache/cache-state.ts';
import type { EngineLoad, Pod } from '../domain.ts';
import { RankIngest } from '../events/ingest/ingest.ts';
import { BlockHasher } from '../prompt/blocks.ts';
import type { TokenWork } from '../routing/work/token-work.ts';
import type { CostModel } from './engine/cost-model.ts';
import { Engine, type EngineListener } from './engine/engine.ts';
import type { Timeline } from './timeline.ts';
import { type SimulatedZones, zoneOfPod } from './zones.ts';

export interface FleetOptions {
  readonly pods: number;
  /** Of each KV cache; the pods take these in turn. */
  readonly capacityTokens: readonly number[];
  /** Of each engine, 1 as the cost model says; the pods take these in turn. */
  readonly speeds: readonly number[];
  readonly cost: CostModel;
  readonly blockSizeTokens: number;
  /** Tokens of one step: vLLM's `max_num_batched_tokens`. */
  readonly maxBatchedTokens: number;
  /** vLLM's `max_num_seqs`. */
  readonly maxSequences: number;
  /** From the end of a step to when its events are in the index. */
  readonly eventDelayMs: number;
  /** Between two readings of the engines' metrics. */
  readonly metricsIntervalMs: number;
  /** How long a prompt just routed counts as held by its pod; 0: not at all. */
  readonly expectedBlocksTtlMs: number;
  readonly zones: SimulatedZones;
}

export const MODEL = 'model';
/** Four times what a block takes in the index, so that the index evicts nothing of its own, and room for what is expected. */
const INDEX_BYTES_PER_BLOCK = 100;
const INDEX_BYTES_AT_LEAST = 8 << 20;
const INDEX_BYTES_AT_MOST = 2 ** 32 - 1;
/** Any: what is simulated does not depend on them. */
const ROUTER_SEED = 0x5eed;
const ENGINE_SEED = 0xe291;

/** Simulated engines, and what the router believes of them: their events go into the real index, with a delay. */
export interface Fleet {
  readonly pods: readonly Pod[];
  readonly engines: readonly Engine[];
  readonly cache: CacheState;
  /** What events and prompts are hashed with. */
  readonly hasher: BlockHasher;
  /** What the metrics of the pod in this place last said. */
  readonly engineLoad: (pod: Pod) => EngineLoad;
  /** Reads the metrics of all engines now. */
  readonly readMetrics: () => void;
}

/** @param listener what is to be told of all engines, beside their events */
export function createFleet(
  options: FleetOptions,
  timeline: Timeline,
  work: TokenWork,
  listener: Omit<EngineListener, 'published'>,
): Fleet {
  const { blockSizeTokens, capacityTokens, speeds, cost, maxBatchedTokens, maxSequences } = options;
  const hasher = new BlockHasher(ROUTER_SEED);
  const blocks = Array.from({ length: options.pods }, (_, i) =>
    Math.floor(capacityTokens[i % capacityTokens.length]! / blockSizeTokens),
  );
  const cache = createCacheState({
    capacityBytes: Math.min(INDEX_BYTES_AT_MOST, INDEX_BYTES_AT_LEAST + INDEX_BYTES_PER_BLOCK * sum(blocks)),
    historyEntries: options.expectedBlocksTtlMs === 0 ? 0 : Number.MAX_SAFE_INTEGER,
    historyTtlMs: options.expectedBlocksTtlMs,
    seed: ROUTER_SEED,
    now: () => timeline.now,
  });
  const engineHasher = new BlockHasher(ENGINE_SEED);
  const naming = {
    hasher: engineHasher,
    root: engineHasher.root(
      { space: 'engine', model: MODEL, salt: '' },
      { sizeTokens: blockSizeTokens, lookaheadTokens: 0 },
    ),
    blockSizeTokens,
  };
  const pods = Array.from({ length: options.pods }, (_, i) => podOf(i, options.zones));
  const engines = pods.map((pod, i) => {
    const ingest = new RankIngest({
      ...{ pod: pod.name, rank: 0, model: MODEL, cache, hasher },
      onComputed: (blocks, size) => work.announced(pod, blocks, size),
    });
    return new Engine({
      blocks: blocks[i]!,
      ...{ naming, maxBatchedTokens, maxSequences, cost, timeline },
      speed: speeds[i % speeds.length]!,
      listener: {
        ...listener,
        published(events) {
          timeline.at(timeline.now + options.eventDelayMs, () => {
            ingest.prepare(events);
            for (const event of events) ingest.apply(event);
          });
        },
      },
    });
  });
  const loads = new Map<Pod, EngineLoad>();
  const readMetrics = () => {
    for (const [i, pod] of pods.entries()) loads.set(pod, loadOf(engines[i]!, timeline.now));
  };
  readMetrics();
  return { pods, engines, cache, hasher, engineLoad: pod => loads.get(pod)!, readMetrics };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function podOf(i: number, zones: SimulatedZones): Pod {
  return {
    name: `pod-${i}`,
    ip: `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`,
    port: 8000,
    model: MODEL,
    aliases: [],
    kvEvents: { kind: 'zmq', port: 5557, replayPort: undefined, ranks: 1 },
    labels: {},
    zone: zoneOfPod(i, zones),
  };
}

function loadOf({ scheduler }: Engine, atMs: number): EngineLoad {
  return {
    kind: 'known',
    ...{ atMs, running: scheduler.running, waiting: scheduler.waiting, kvUsage: scheduler.cacheUsage },
    ...{ cpuKvUsage: undefined, utilization: undefined, busyShare: undefined, adapters: undefined },
    recent: {
      ...{ promptTokens: undefined, generatedTokens: undefined, prefillSecondsPerToken: undefined },
      ...{ queueSeconds: undefined, prefillSeconds: undefined, decodeSeconds: undefined },
    },
  };
}
