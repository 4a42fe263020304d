import type { Observation } from './observation.ts';

export type Verdict =
  | { readonly kind: 'warm'; readonly why: string }
  | { readonly kind: 'cold'; readonly why: string }
  /** What the answers tell is not enough to say. */
  | { readonly kind: 'unseen'; readonly why: string };

/** The shared prefix is most of the prompt; less than this was not it, but a system prompt that everybody shares. */
const WARM_SHARE = 0.5;

/** Whether the second of two prompts with one prefix found it cached. The engine's word counts before the router's. */
export function verdictOf(first: Observation, second: Observation): Verdict {
  if (cachedShare(first) >= WARM_SHARE) {
    return {
      kind: 'unseen',
      why: 'the first prompt is said to have been cached, which nobody has asked before: is there a cache on the way?',
    };
  }
  const pods = podsOf(first, second);
  if (second.cachedTokens !== undefined && second.promptTokens) {
    const tokens = `${second.cachedTokens} of ${second.promptTokens} tokens`;
    return cachedShare(second) >= WARM_SHARE
      ? { kind: 'warm', why: `the engine had ${tokens} of the second prompt in its cache` }
      : { kind: 'cold', why: `the engine had ${tokens} of the second prompt in its cache${BECAUSE[pods]}` };
  }
  if (second.decision?.totalBlocks) {
    const { matchedBlocks, totalBlocks, reason } = second.decision;
    const blocks = `${matchedBlocks} of ${totalBlocks} blocks`;
    return matchedBlocks / totalBlocks >= WARM_SHARE && pods !== 'differ'
      ? {
          kind: 'warm',
          why: `the router sent it to the pod that holds ${blocks}; the engine itself does not say`,
        }
      : {
          kind: 'cold',
          why: `the router found ${blocks} on the pod that it chose (${reason})${BECAUSE[pods]}`,
        };
  }
  if (pods === 'differ')
    return { kind: 'cold', why: `the engine does not say what was cached${BECAUSE.differ}` };
  return {
    kind: 'unseen',
    why:
      pods === 'same'
        ? 'one pod served both, which may be chance: nothing tells what it had cached'
        : 'nothing tells who served, nor what was cached',
  };
}

type Pods = 'same' | 'differ' | 'unknown';

const BECAUSE: Readonly<Record<Pods, string>> = {
  differ: ': another pod than the first one’s served it',
  same: ', although one pod served both: it has evicted the prefix, or caches none (vLLM: --enable-prefix-caching)',
  unknown: '',
};

function podsOf({ servedBy: one }: Observation, { servedBy: other }: Observation): Pods {
  if (one === undefined || other === undefined) return 'unknown';
  return one === other ? 'same' : 'differ';
}

function cachedShare({ cachedTokens, promptTokens }: Observation): number {
  return cachedTokens === undefined || !promptTokens ? 0 : cachedTokens / promptTokens;
}
