/** Whether there is a prefix cache, and in which blocks. */
import { type Finding, ok } from '../finding.ts';
import { portOf } from './check-events.ts';
import type { PodFacts } from './pod-facts.ts';
import { podProblem } from './problems.ts';

/** vLLM's largest that a user chooses is 128; DeepSeek-V4's are 256. */
const LARGE_TOKENS = 512;

export function checkBlocks({ metrics, events }: PodFacts): Finding[] {
  const { blockSizeTokens, prefixCaching } = metrics;
  const ranks = events.kind === 'followed' ? events.ranks : [];
  const announced = [...new Set(ranks.flatMap(({ blockSizes }) => blockSizes))];
  const findings: Finding[] = [];
  if (prefixCaching === false)
    findings.push(podProblem('prefix_caching_off', '/metrics: enable_prefix_caching="False"'));
  for (const rank of ranks) {
    // Of several sizes, as hybrid models have, one is the engine's main one.
    if (
      blockSizeTokens === undefined ||
      rank.blockSizes.length === 0 ||
      rank.blockSizes.includes(blockSizeTokens)
    )
      continue;
    const sizes = rank.blockSizes.join(' and ');
    findings.push(
      podProblem(
        'block_size_differs',
        `${portOf(rank)}: blocks of ${sizes} tokens; /metrics: ${blockSizeTokens}`,
      ),
    );
  }
  const smallest = Math.min(...announced, blockSizeTokens ?? Number.POSITIVE_INFINITY);
  if (Number.isFinite(smallest) && smallest >= LARGE_TOKENS)
    findings.push(podProblem('blocks_large', `blocks of ${smallest} tokens`));
  if (findings.length > 0) return findings;
  const sizes = announced.length > 0 ? announced : blockSizeTokens === undefined ? [] : [blockSizeTokens];
  return sizes.length === 0 ? [] : [ok('blocks', `of ${sizes.join(' and ')} tokens`)];
}
