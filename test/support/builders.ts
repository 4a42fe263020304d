/** Small values that many tests need. Each takes what matters to the test and fills in the rest. */

import { type CacheState, type CacheStateOptions, createCacheState } from '../../src/cache/cache-state.ts';
import { type Config, type Environment, readConfig } from '../../src/config.ts';
import type { EngineLoad, KnownEngineLoad, Pod, RoutedDecision, Strategy } from '../../src/domain.ts';
import type { Logger } from '../../src/ops/log/log.ts';
import { PromptHistory, type PromptHistoryOptions } from '../../src/routing/prompt-history.ts';
import { parseStrategy } from '../../src/strategies.ts';

export function aPod(given: Partial<Pod> = {}): Pod {
  return {
    name: 'engine-0',
    ip: '127.0.0.1',
    port: 8000,
    model: 'demo',
    aliases: [],
    kvEvents: { kind: 'none' },
    labels: {},
    ...given,
  };
}

/** As a header or a setting would write it. */
export function aStrategy(text = 'prefix-cache'): Strategy {
  const parsed = parseStrategy(text);
  if (parsed.kind === 'invalid') throw new Error(parsed.why);
  return parsed.strategy;
}

/** What no engine has been asked for. */
export const UNKNOWN_LOAD: EngineLoad = { kind: 'unknown', why: 'not_asked' };

/** An idle engine that has finished nothing yet. */
export function anEngineLoad(given: Partial<KnownEngineLoad> = {}): KnownEngineLoad {
  return {
    kind: 'known',
    atMs: 0,
    running: 0,
    waiting: 0,
    kvUsage: 0,
    cpuKvUsage: undefined,
    utilization: undefined,
    busyShare: 0,
    recent: {
      promptTokens: undefined,
      generatedTokens: undefined,
      queueSeconds: undefined,
      prefillSeconds: undefined,
      prefillSecondsPerToken: undefined,
      decodeSeconds: undefined,
    },
    adapters: undefined,
    ...given,
  };
}

/** Of a request that names none. */
export const NO_SESSION = { id: undefined, key: undefined } as const;

export function aRoutedDecision(given: Partial<RoutedDecision> = {}): RoutedDecision {
  return {
    kind: 'routed',
    pod: aPod(),
    rank: undefined,
    retries: [aPod({ name: 'engine-1', port: 8001 }), aPod()],
    strategy: aStrategy(),
    reason: 'prefix_match',
    arm: 'routed',
    withoutTokens: undefined,
    model: 'demo',
    matchedBlocks: 3,
    totalBlocks: 4,
    offGpu: { cpu: 0, storage: 0 },
    tokens: { space: 'engine', prompt: 70, blockSizeTokens: 16, gpu: 48, cpu: 0, storage: 0 },
    ...given,
  };
}

/** Remembers all that a test sends, for as long as the clock says. */
export function aPromptHistory(given: Partial<PromptHistoryOptions> = {}): PromptHistory {
  return new PromptHistory({ maxEntries: 10_000, timeToLiveMs: 60_000, seed: 1, now: () => 0, ...given });
}

/** With room for more than a test stores, and time for more than it takes. */
export function aCacheState(given: Partial<CacheStateOptions> = {}): CacheState {
  return createCacheState({
    capacityBytes: 1 << 22,
    historyEntries: 10_000,
    historyTtlMs: 3_600_000,
    seed: 1,
    ...given,
  });
}

/** A valid configuration from environment variables; throws with all problems otherwise. */
export function aConfig(environment: Environment = {}): Config {
  const loaded = readConfig(environment);
  if (loaded.kind === 'invalid') throw new Error(loaded.problems.join('\n'));
  return loaded.config;
}

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

/** A logger that keeps its lines. */
export function recordingLog(): { readonly log: Logger; readonly lines: LogLine[] } {
  const lines: LogLine[] = [];
  const at =
    (level: LogLine['level']) =>
    (fields: LogLine['fields'], message: string): void => {
      lines.push({ level, fields, message });
    };
  const log: Logger = {
    debug: (fields, message) => at('debug')(fields(), message),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => log,
  };
  return { log, lines };
}
