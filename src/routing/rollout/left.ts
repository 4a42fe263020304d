/** A request that Envoy balances itself: what it counts for once it is known which pod has it. */
import type { Pod, PredictedTokens, RoutedDecision } from '../../domain.ts';
import type { PodsHealth } from '../../health/pods-health.ts';
import type { PodChoice } from '../choice/choice.ts';
import type { Lease, Load } from '../load.ts';
import type { PrefixFound } from '../prefix-lookup.ts';
import type { HeldPrompt, Sent } from '../sent.ts';
import type { TokenWork, WorkLease } from '../work/token-work.ts';
import { type FoundBlocks, predictedTokens } from '../worth/predicted-tokens.ts';

/** What has become of it. */
export interface LeftRequest {
  /** Where it would have been sent. */
  readonly decision: RoutedDecision;
  /** The same as if the pod that has served it had been picked; undefined: it is not known which one has. */
  readonly served: RoutedDecision | undefined;
}

export interface LeftParts {
  readonly load: Load;
  readonly work: Pick<TokenWork, 'routed'>;
  readonly health: Pick<PodsHealth, 'sentByOthers'>;
}

/** What the prompt of a request means for whichever pod gets it. */
export interface PromptAnywhere {
  /** Tokens that this pod has to compute. */
  uncachedOn(pod: Pod): number;
  /** undefined: nothing is predicted of this pod. */
  predictedFor(pod: Pod): PredictedTokens | undefined;
  /** undefined: nobody could recognize it. */
  readonly held: Pick<HeldPrompt, 'remember'> | undefined;
}

/**
 * Counts nothing until a pod answers. That pod has it in flight from then on, and is expected to hold the prompt.
 * @param kind which requests take about as long until they are answered
 * @param onEnded called once, when it is over
 */
export function leave(
  { load, work, health }: LeftParts,
  decision: RoutedDecision,
  kind: string,
  prompt: PromptAnywhere,
  onEnded: (left: LeftRequest) => void,
): Sent & { servedBy(pod: Pod): RoutedDecision } {
  const sent = health.sentByOthers(kind);
  let lease: Lease | undefined;
  let working: WorkLease | undefined;
  let served: RoutedDecision | undefined;
  let isOver = false;
  const servedBy = (pod: Pod): RoutedDecision => ({ ...decision, pod, tokens: prompt.predictedFor(pod) });
  return {
    servedBy,
    answered(answer) {
      const answered = sent.answered(answer);
      if (answered === undefined) return undefined;
      const { pod, outcome } = answered;
      served = servedBy(pod);
      lease = load.begin(pod);
      working = work.routed(pod, prompt.uncachedOn(pod));
      if (outcome === 'served') prompt.held?.remember(pod);
      return pod;
    },
    release() {
      lease?.release();
      working?.ended();
      if (isOver) return;
      isOver = true;
      onEnded({ decision, served });
    },
  };
}

/** What is known of the prompt on each candidate, for longer than what was found of it is valid. */
export function promptAnywhere(
  { input, found, promptTokens, candidates }: PodChoice,
  held: PromptAnywhere['held'],
): PromptAnywhere {
  const { pods } = candidates;
  const matchedTokens = candidates.matchedTokens.slice();
  const kept = found && keptOf(found);
  return {
    held,
    uncachedOn: pod => Math.max(1, promptTokens.all - (matchedTokens[pods.indexOf(pod)] ?? 0)),
    predictedFor(pod) {
      const index = pods.indexOf(pod);
      if (kept === undefined || input.kind !== 'tokens' || index < 0) return undefined;
      return predictedTokens(input.tokens, kept, index);
    },
  };
}

/** The numbers of a look-up are used again by the next one. */
function keptOf(found: PrefixFound): FoundBlocks {
  const matchedBlocks = found.matchedBlocks.slice();
  const matchedTokens = found.matchedTokens.slice();
  return {
    matchedBlocks,
    offGpu: found.offGpu,
    blockSizeOf: i => (matchedBlocks[i] === 0 ? found.blockSizeOf(i) : matchedTokens[i]! / matchedBlocks[i]!),
  };
}
