/**
 * The pod whose first token is expected soonest, all of one speed: tokens that wait there and the prompt's own that it lacks. What research
 * calls shortest expected prefill (Mooncake, FAST '25, section 6.1, without its transfer between caches).
 */
import { type NamedPolicy, type WorkSnapshot, withoutAccount } from '../../src/simulation/policy.ts';
import { lowest } from './lowest.ts';

export const minTtft: NamedPolicy = {
  name: 'min-ttft',
  create: () => withoutAccount(snapshot => lowest(waitingTokens(snapshot), snapshot.random)),
};

/** Per pod, until this prompt's first token. */
export function waitingTokens(
  snapshot: Pick<WorkSnapshot, 'request' | 'blockSizeTokens' | 'matchedBlocks' | 'queuedTokens' | 'pods'>,
): number[] {
  const { request, blockSizeTokens, matchedBlocks, queuedTokens, pods } = snapshot;
  return pods.map(
    (_, i) => queuedTokens[i]! + Math.max(0, request.inputTokens - blockSizeTokens * matchedBlocks[i]!),
  );
}
