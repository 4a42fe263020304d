/**
 * llm-d's endpoint picker with its default configuration (llm-d/llm-d-router, commit 520af47896e5f06e43d09aca281a1149187b0ffd,
 * pkg/epp/config/loader/defaults.go): the highest sum of the prefix match (weight 3, scorer/prefix), the waiting queue (2, scorer/queuedepth)
 * and the free KV cache (2, scorer/kvcacheutilization), the latter two from metrics that are read every 50 ms.
 */
import type { EngineLoad } from '../../src/domain.ts';
import { type NamedPolicy, withoutAccount } from '../../src/simulation/policy.ts';
import { lowest } from './lowest.ts';

export const WEIGHTS = { prefix: 3, queue: 2, kvCache: 2 };
export const METRICS_INTERVAL_MS = 50;

/** One per pod: 1 for the shortest queue, 0 for the longest; all 1 where they are equal. */
export function queueScores(waiting: readonly number[]): number[] {
  const least = Math.min(...waiting);
  const most = Math.max(...waiting);
  return waiting.map(queue => (most === least ? 1 : (most - queue) / (most - least)));
}

export function prefixScore(matchedBlocks: number, totalBlocks: number): number {
  return totalBlocks === 0 ? 0 : matchedBlocks / totalBlocks;
}

export const llmD: NamedPolicy = {
  name: 'llm-d',
  metricsIntervalMs: METRICS_INTERVAL_MS,
  create: () =>
    withoutAccount(({ pods, matchedBlocks, totalBlocks, engineLoad, random }) => {
      const loads = pods.map(engineLoad);
      const queues = queueScores(loads.map(load => saying(load, 'waiting')));
      const scores = pods.map((_, i) => {
        const prefix = prefixScore(matchedBlocks[i]!, totalBlocks[i]!);
        const kvCache = 1 - saying(loads[i]!, 'kvUsage');
        return WEIGHTS.prefix * prefix + WEIGHTS.queue * queues[i]! + WEIGHTS.kvCache * kvCache;
      });
      return lowest(
        scores.map(score => -score),
        random,
      );
    }),
};

function saying(load: EngineLoad, what: 'waiting' | 'kvUsage'): number {
  return load.kind === 'known' ? (load[what] ?? 0) : 0;
}
