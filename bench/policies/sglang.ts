/**
 * SGLang's cache-aware policy (sgl-project/sglang, sgl-model-gateway/src/policies/cache_aware.rs, commit
 * 053b63ff26df927535ada92bf15967f27637787a) with the thresholds of its command line (0.3, 64, 1.5): where requests in flight are too uneven,
 * the pod with the fewest; else the longest match, if it is more than a share of the prompt; else again the fewest. Its own tree remembers what
 * was sent where and is never told of evictions; here it gets the engines' word, which is more.
 */
import { type NamedPolicy, type WorkSnapshot, withoutAccount } from '../../src/simulation/policy.ts';

export interface SglangOptions {
  /** Share of the prompt that a match must be more than. */
  readonly cacheThreshold: number;
  /** Uneven is what is above both: a difference of requests, and a multiple of the fewest. */
  readonly balanceAbsThreshold: number;
  readonly balanceRelThreshold: number;
}

export const SGLANG_DEFAULTS: SglangOptions = {
  cacheThreshold: 0.3,
  balanceAbsThreshold: 64,
  balanceRelThreshold: 1.5,
};

export function sglangPick(
  { running, matchedBlocks, totalBlocks }: Pick<WorkSnapshot, 'running' | 'matchedBlocks' | 'totalBlocks'>,
  options: SglangOptions,
): number {
  const least = Math.min(...Array.from(running));
  const most = Math.max(...Array.from(running));
  const leastLoaded = Array.from(running).indexOf(least);
  const isUneven = most - least > options.balanceAbsThreshold && most > least * options.balanceRelThreshold;
  if (isUneven) return leastLoaded;
  let best = leastLoaded;
  for (let i = 0; i < running.length; i++) {
    const longer = matchedBlocks[i]! - matchedBlocks[best]!;
    if (longer > 0 || (longer === 0 && running[i]! < running[best]!)) best = i;
  }
  return matchedBlocks[best]! > options.cacheThreshold * totalBlocks[best]! ? best : leastLoaded;
}

export const sglang: NamedPolicy = {
  name: 'sglang',
  create: () => withoutAccount(snapshot => sglangPick(snapshot, SGLANG_DEFAULTS)),
};
