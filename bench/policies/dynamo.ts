/**
 * NVIDIA Dynamo's KV router (ai-dynamo/dynamo, lib/kv-router/src/scheduling/selector/default.rs, commit
 * 07a6c9ce3bb096cfaf353fe69ee578e105c6a512, September 2026): the lowest of prefill blocks that would wait there, what is cached credited, and
 * blocks that would be active. With its defaults (credit 1, decay 0) that is the older formula with `overlap_score_weight` 1
 * (lib/llm/src/kv_router/scheduler.rs, 2025): potential prefill blocks + decode blocks. It takes a prompt's tokens off at the first token;
 * here they go as they are announced, which is sooner.
 */
import type { NamedPolicy } from '../../src/simulation/policy.ts';
import { ActiveBlocks } from './active-blocks.ts';
import { lowest } from './lowest.ts';

/** In each list one number per pod. */
export interface DynamoView {
  readonly promptTokens: number;
  readonly blockSizeTokens: number;
  readonly matchedBlocks: ArrayLike<number>;
  readonly queuedTokens: ArrayLike<number>;
  /** Distinct blocks of the requests in flight, and of this one. */
  readonly activeBlocks: readonly number[];
}

/** @param decay `overlap_score_credit_decay`: how fast what is cached loses its worth where prompts wait */
export function dynamoCosts(view: DynamoView, decay: number): number[] {
  const { promptTokens, blockSizeTokens, matchedBlocks, queuedTokens, activeBlocks } = view;
  const promptBlocks = Math.ceil(promptTokens / blockSizeTokens);
  const leastQueued = Math.min(...activeBlocks.map((_, i) => queuedTokens[i]!));
  return activeBlocks.map((active, i) => {
    const excessBlocks = (queuedTokens[i]! - leastQueued) / blockSizeTokens;
    const credit = matchedBlocks[i]! / (1 + (decay * excessBlocks) / promptBlocks);
    return Math.max(0, (queuedTokens[i]! + promptTokens) / blockSizeTokens - credit) + active;
  });
}

function dynamoPolicy(name: string, decay: number): NamedPolicy {
  return {
    name,
    create: () => {
      let active: ActiveBlocks | undefined;
      return {
        pick(snapshot) {
          const { request, blockSizeTokens, matchedBlocks, queuedTokens, pods, random } = snapshot;
          active ??= new ActiveBlocks(blockSizeTokens);
          const known = active;
          const activeBlocks = pods.map((_, i) => known.with(i, request));
          const view = {
            promptTokens: request.inputTokens,
            blockSizeTokens,
            matchedBlocks,
            queuedTokens,
            activeBlocks,
          };
          return lowest(dynamoCosts(view, decay), random);
        },
        sent: (index, request) => active!.begin(index, request),
      };
    },
  };
}

export const dynamo = dynamoPolicy('dynamo', 0);
export const dynamoDecay = dynamoPolicy('dynamo-decay', 1);
