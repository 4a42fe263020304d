/**
 * The pod whose first token is expected soonest, all of one speed: tokens that wait there and the prompt's own that it lacks. Mooncake's
 * scheduling (FAST '25, algorithm 1) without its transfers between caches.
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
