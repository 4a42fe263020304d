/**
 * llm-d's newer guides: only pods that hold most of the prompt, where there are any (llm-d/llm-d-router, commit
 * 520af47896e5f06e43d09aca281a1149187b0ffd, pkg/epp/framework/plugins/scheduling/filter/prefixcacheaffinity/plugin.go, with its defaults),
 * and among them the one with the fewest tokens in flight (scorer/tokenload/token_load.go; tokens of a request as in
 * requestcontrol/dataproducer/inflightload/token_estimator.go). Its gate by predicted latency needs a trained predictor beside it and is
 * open without one.
 */
import type { NamedPolicy } from '../../src/simulation/policy.ts';
import { prefixScore } from './llm-d.ts';
import { lowest } from './lowest.ts';

export const DEFAULTS = { affinityThreshold: 0.8, explorationProbability: 0.01 };
const QUEUE_THRESHOLD_TOKENS = 4_194_304;
/** Output tokens that are reckoned with, per token of the prompt. */
const OUTPUT_RATIO = 1.5;

/** The places of the pods that are left. */
export function affinityFilter(
  scores: readonly number[],
  random: () => number,
  options = DEFAULTS,
): number[] {
  const all = scores.map((_, i) => i);
  if (scores.length <= 1 || options.affinityThreshold <= 0) return all;
  if (random() < options.explorationProbability) return all;
  const sticky = all.filter(i => scores[i]! >= options.affinityThreshold);
  return sticky.length === 0 ? all : sticky;
}

export function tokenLoadScore(tokens: number, thresholdTokens = QUEUE_THRESHOLD_TOKENS): number {
  return tokens <= 0 ? 1 : 1 - Math.min(tokens, thresholdTokens) / thresholdTokens;
}

export const llmDAffinity: NamedPolicy = {
  name: 'llm-d-affinity',
  create: () => {
    const inFlight = new Map<number, number>();
    return {
      pick({ pods, matchedBlocks, totalBlocks, random }) {
        const scores = pods.map((_, i) => prefixScore(matchedBlocks[i]!, totalBlocks[i]!));
        const left = affinityFilter(scores, random);
        const loads = left.map(i => -tokenLoadScore(inFlight.get(i) ?? 0));
        return left[lowest(loads, random)]!;
      },
      sent(index, { inputTokens }) {
        const tokens = inputTokens + Math.round(OUTPUT_RATIO * inputTokens);
        inFlight.set(index, (inFlight.get(index) ?? 0) + tokens);
        return () => {
          inFlight.set(index, inFlight.get(index)! - tokens);
        };
      },
    };
  },
};
