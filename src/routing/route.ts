import type { RoutedDecision, Tokens } from '../domain.ts';
import type { PodsHealth } from '../health/pods-health.ts';
import type { Choice, PodChoice } from './choice/choice.ts';
import { type ChoiceParts, createChoice } from './choice/choose.ts';
import type { Turns } from './choice/turns.ts';
import type { Confirmations } from './confirmations.ts';
import type { Load } from './load.ts';
import { type MadeResponse, responseMadeBy } from './made-response.ts';
import type { PrefixFound } from './prefix-lookup.ts';
import type { PromptHistory } from './prompt-history.ts';
import type { ResponseOwners } from './response-owners.ts';
import { type LeftRequest, leave, promptAnywhere } from './rollout/left.ts';
import { type Decide, type RouteOutcome, type RouteRequest, withoutPod } from './route-request.ts';
import { type HeldPrompt, send } from './sent.ts';
import type { TokenWork } from './work/token-work.ts';
import type { FollowedAnswer, SampledAnswers } from './worth/sampled-answers.ts';

export * from './choice/course.ts';
export type { PrefixFound } from './prefix-lookup.ts';
export * from './route-request.ts';
export type { PrefixComparison } from './strategies/snapshot.ts';
export type { SampledAnswer } from './worth/sampled-answers.ts';

export interface RouteParts extends Omit<ChoiceParts, 'turnOf'> {
  readonly health: Pick<PodsHealth, 'sent' | 'sentByOthers'>;
  readonly history: PromptHistory;
  /** Whether engines announce what was predicted; undefined: they announce nothing. */
  readonly confirmations: Pick<Confirmations, 'predict'> | undefined;
  readonly responses: ResponseOwners;
  readonly load: Load;
  readonly work: Pick<TokenWork, 'routed' | 'ofAll'>;
  readonly turns: Turns;
  readonly samples: Pick<SampledAnswers, 'follow'>;
  /** A request that was left to Envoy is over. */
  readonly onLeft: (left: LeftRequest) => void;
  /** Told of each prompt that was looked up, at once. */
  readonly onLookedUp?: ((decision: RoutedDecision, tokens: Tokens, found: PrefixFound) => void) | undefined;
}

/** The read path: the choice of a pod (`choice/choose.ts`), and what follows of it. */
export function createRoute(parts: RouteParts): Decide {
  return createChoice({ ...parts, turnOf: model => parts.turns.of(model) }, follow);

  function follow(choice: Choice, request: RouteRequest): RouteOutcome {
    if (choice.kind === 'no_pod') return withoutPod(choice.decision, choice.course);
    const { decision, course, prompt, input, found } = choice;
    if (input.kind === 'tokens' && found !== undefined) parts.onLookedUp?.(decision, input.tokens, found);
    parts.turns.taken(decision.model);
    // Streamed answers begin with the first token, others with the last.
    const path = request.extent === 'any_pod' ? request.extent : prompt.path;
    const kind = prompt.body.stream === true ? `${path} streamed` : path;
    const held = heldPrompt(choice);
    const left =
      request.steering === 'steered'
        ? undefined
        : leave(parts, decision, kind, promptAnywhere(choice, held), parts.onLeft);
    const sent =
      left ??
      send(parts, decision, { visibility: request.response, kind }, { tokens: choice.promptTokens, held });
    const made = responseMadeBy(prompt, decision.pod, parts.responses);
    const followed =
      request.sample === 'sampled' ? parts.samples.follow(decision, prompt, left?.servedBy) : undefined;
    return {
      decision,
      course,
      answered(answer, encoding = 'plain') {
        const server = sent.answered(answer);
        made?.answered(server);
        followed?.answered(answer.status, server, encoding);
        return server;
      },
      readAnswer: answerReader(made, followed),
      release() {
        sent.release();
        followed?.ended();
      },
    };
  }

  /** undefined: nobody will ask for it. */
  function heldPrompt({ input, found, prompt }: PodChoice): HeldPrompt | undefined {
    if (input.kind !== 'tokens' && input.kind !== 'no_tokens') return undefined;
    return {
      remember(pod) {
        const withdraw = parts.history.remember(prompt, pod);
        const takeBack = found?.remember(pod);
        return () => {
          withdraw();
          takeBack?.();
        };
      },
      predict: pod =>
        found && parts.confirmations?.predict(pod, prompt.model, prompt.path, () => found.chainsFor(pod)),
    };
  }
}

/** undefined: nobody wants any of the answer. */
function answerReader(
  made: MadeResponse | undefined,
  followed: FollowedAnswer | undefined,
): RouteOutcome['readAnswer'] {
  if (followed === undefined) return made?.readAnswer;
  return part => {
    followed.read(part);
    made?.readAnswer(part);
    return 'more';
  };
}
