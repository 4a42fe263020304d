/** What strategies that can be weighed against others think of each pod. */
import type { EngineLoad, KnownEngineLoad, StrategyName } from '../../domain.ts';
import type { ENGINE_STRATEGIES } from '../../strategies.ts';
import { type PrefixCostOptions, prefixCosts } from './prefix-cost.ts';
import { sessionPod } from './session-affinity.ts';
import { matchedPercent, type Snapshot } from './snapshot.ts';

/** Of a pod that a strategy knows nothing of. */
export const NOT_SCORED = Number.NaN;

export interface Scorer {
  /** Whether the highest or the lowest score is the best. */
  readonly best: 'most' | 'least';
  /** One score per pod, finite, or `NOT_SCORED`. */
  readonly score: (snapshot: Snapshot) => readonly number[];
}

export type ScoredName = Exclude<StrategyName, 'random' | 'round-robin' | 'power-of-two'>;
/** Those that compare what engines say of themselves. */
export type EngineScoredName = (typeof ENGINE_STRATEGIES)[number];

/** AIBrix's, where it has no measured one (`least_latency.go`). */
const GUESSED_PROMPT_TOKENS = 10;
const GUESSED_GENERATED_TOKENS = 100;

/** What is computed from what: docs/strategies.md. */
export const ENGINE_SCORERS: Readonly<Record<EngineScoredName, Scorer>> = {
  'least-kv-cache': leastBy(({ kvUsage, cpuKvUsage }) =>
    kvUsage === undefined ? undefined : kvUsage + (cpuKvUsage ?? 0),
  ),
  'least-gpu-cache': leastBy(({ kvUsage }) => kvUsage),
  'least-busy-time': leastBy(({ busyShare }) => busyShare),
  'least-utilization': leastBy(({ utilization }) => utilization),
  throughput: {
    best: 'least',
    score: snapshot => withNewcomers(loadsOf(snapshot), tokensPerRequest),
  },
  'least-latency': { best: 'least', score: expectedLatencies },
};

/** What members of a weighted list are scored by. */
export type Scorers = Readonly<Record<ScoredName, Scorer>>;

export function scorersWith(costs: PrefixCostOptions): Scorers {
  return {
    ...SCORERS,
    'prefix-cost': { best: 'least', score: snapshot => Array.from(prefixCosts(snapshot, costs).costs) },
  };
}

const SCORERS: Omit<Scorers, 'prefix-cost'> = {
  ...ENGINE_SCORERS,
  'least-request': { best: 'least', score: ({ running }) => Array.from(running) },
  /** As AIBrix weighs them, of the prompt's own blocks. */
  'prefix-cache': {
    best: 'most',
    score: snapshot => snapshot.pods.map((_, i) => matchedPercent(snapshot, i)),
  },
  'session-affinity': {
    best: 'most',
    score({ pods, session }) {
      const found = sessionPod(session, pods);
      return pods.map((_, i) => (i === found?.index ? 1 : 0));
    },
  },
};

/**
 * Whether a strategy knows enough pods for its word to count. Where it knows a few of many, those would get all requests of the
 * others, for no other reason.
 */
export function isHeard(scores: readonly number[]): boolean {
  let known = 0;
  for (const score of scores) if (!Number.isNaN(score)) known++;
  return known > 0 && 2 * known >= scores.length;
}

function leastBy(read: (load: KnownEngineLoad) => number | undefined): Scorer {
  return {
    best: 'least',
    score: snapshot => loadsOf(snapshot).map(load => scoreOf(load, read)),
  };
}

function scoreOf(load: EngineLoad, read: (load: KnownEngineLoad) => number | undefined): number {
  return load.kind === 'known' ? (read(load) ?? NOT_SCORED) : NOT_SCORED;
}

function loadsOf({ pods, engineLoad }: Snapshot): readonly EngineLoad[] {
  return pods.map(engineLoad);
}

/** AIBrix's weights: a prompt's token costs twice as much as a generated one. */
function tokensPerRequest({ recent }: KnownEngineLoad): number | undefined {
  const { promptTokens, generatedTokens } = recent;
  return promptTokens === undefined || generatedTokens === undefined
    ? undefined
    : 2 * promptTokens + generatedTokens;
}

/** AIBrix's estimate: the times that requests have taken at each pod, for requests of the same length everywhere. */
function expectedLatencies(snapshot: Snapshot): readonly number[] {
  const loads = loadsOf(snapshot);
  const promptTokens = meanOf(loads, ({ promptTokens }) => promptTokens) ?? GUESSED_PROMPT_TOKENS;
  const generated = meanOf(loads, ({ generatedTokens }) => generatedTokens) ?? GUESSED_GENERATED_TOKENS;
  return withNewcomers(loads, ({ recent }) => {
    const { queueSeconds, prefillSeconds, decodeSeconds } = recent;
    if (prefillSeconds === undefined || decodeSeconds === undefined) return undefined;
    const prefill = (prefillSeconds / (recent.promptTokens || promptTokens)) * promptTokens;
    const decode = (decodeSeconds / (recent.generatedTokens || generated)) * generated;
    return (queueSeconds ?? 0) + prefill + decode;
  });
}

function meanOf(
  loads: readonly EngineLoad[],
  read: (recent: KnownEngineLoad['recent']) => number | undefined,
): number | undefined {
  let sum = 0;
  let count = 0;
  for (const load of loads) {
    const value = load.kind === 'known' ? read(load.recent) : undefined;
    if (value === undefined || value <= 0) continue;
    sum += value;
    count++;
  }
  return count === 0 ? undefined : sum / count;
}

/**
 * An engine that has not finished a request yet counts as the best of the others. As worse it would never get one, and as better
 * it would get all until the first is finished. Where most cannot tell, nobody is scored.
 */
function withNewcomers(
  loads: readonly EngineLoad[],
  read: (load: KnownEngineLoad) => number | undefined,
): readonly number[] {
  const scores = loads.map(load => scoreOf(load, read));
  if (!isHeard(scores)) return scores.fill(NOT_SCORED);
  let best = Number.POSITIVE_INFINITY;
  for (const score of scores) if (score < best) best = score;
  return scores.map((score, i) => (Number.isNaN(score) && loads[i]!.kind === 'known' ? best : score));
}
