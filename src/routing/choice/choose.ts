/**
 * The choice of a pod for a request, and nothing that follows of it: body → prompt → tokens → blocks → who holds them → the pod. Nothing
 * is changed here but by asking the tokenizer, so that a choice can be made to look at it alone.
 */
import type {
  Arm,
  Decision,
  EngineLoad,
  Pod,
  Reason,
  RoutedDecision,
  Strategy,
  Tokens,
} from '../../domain.ts';
import { uses, usesPrefixes } from '../../domain.ts';
import type { PromptRequest } from '../../prompt/request.ts';
import { type Clock, monotonicClock } from '../../time.ts';
import type { AllowedPods } from '../candidates.ts';
import type { Load } from '../load.ts';
import { responseNamedBy } from '../made-response.ts';
import type { Picker, Session, Snapshot } from '../policy.ts';
import type { PrefixFound, PrefixLookup } from '../prefix-lookup.ts';
import type { PromptHistory } from '../prompt-history.ts';
import type { ResponseOwners } from '../response-owners.ts';
import { retriesOf } from '../retries.ts';
import type { ActivePick, ShadowPolicy } from '../rollout/shadow-policy.ts';
import type { Steering } from '../rollout/steering.ts';
import type { Decide, RouteOutcome, RouteRequest } from '../route-request.ts';
import type { AreFull } from '../shedding.ts';
import { podWithId } from '../strategies/session-affinity.ts';
import { NOT_COMPARED } from '../strategies/snapshot.ts';
import type { ZonePenalties } from '../strategies/zone-penalties.ts';
import type { TokenWork } from '../work/token-work.ts';
import type { Draw } from '../worth/drawn.ts';
import { predictedTokens } from '../worth/predicted-tokens.ts';
import { type AskedPromptParts, askedPrompt } from './asked-prompt.ts';
import { askedStrategy } from './asked-strategy.ts';
import type { Choice, PodChoice, PromptTokens } from './choice.ts';
import { consideredIn } from './considered.ts';
import type { Considered, StageTimes } from './course.ts';
import { type LookupInput, type PromptTokensParts, tokensOf } from './lookup-input.ts';
import { promptSize } from './prompt-size.ts';

export interface ChoiceParts extends AskedPromptParts, PromptTokensParts {
  readonly lookup: PrefixLookup;
  /** For prompts without tokens. */
  readonly history: Pick<PromptHistory, 'find'>;
  readonly responses: Pick<ResponseOwners, 'among'>;
  readonly pick: Picker;
  /** What a pod's engine last said of its work. */
  readonly engineLoad: (pod: Pod) => EngineLoad;
  readonly load: Pick<Load, 'runningOn'>;
  readonly zonePenalties: ZonePenalties;
  /** What these pods have to do, in tokens. */
  readonly work: Pick<TokenWork, 'ofAll'>;
  /** How many pods of a model were picked before. */
  readonly turnOf: (model: string) => number;
  /** Which requests that could be routed by their prefix are balanced plainly, to compare with. */
  readonly drawsControl: Draw;
  /** undefined: no policy is asked beside the one in force. */
  readonly shadowPolicy: ShadowPolicy | undefined;
  /** What becomes of requests that ask for no strategy. `pass`: Envoy's routes decide, where there are any. */
  readonly defaultStrategy: Strategy | 'pass';
  /** undefined: no request is dropped. */
  readonly areFull: AreFull | undefined;
  /** How many pods besides the pick a decision names. */
  readonly retries: number;
  /** How long a decision may take; below Envoy's `message_timeout`. */
  readonly deadlineMs: number;
  /** What is shown of a prompt; undefined: nothing of any. */
  readonly excerptOf?: ((prompt: PromptRequest) => string) | undefined;
  readonly random?: () => number;
  readonly now?: Clock;
}

/** @param follow what follows of a choice; called at once when it is made, before anything else can happen */
export function createChoice(
  parts: ChoiceParts,
  follow: (choice: Choice, request: RouteRequest) => RouteOutcome,
): Decide {
  const { candidates, load, random = Math.random, now = monotonicClock } = parts;

  return async (request, signal, spentMs = 0) => {
    const { extent } = request;
    const startedAt = now();
    const read = askedPrompt(request, parts);
    const parsedAt = now();
    const parse = parsedAt - startedAt;
    const settled = (decision: Exclude<Decision, RoutedDecision>, model?: string): RouteOutcome => {
      const stages = { ...NO_STAGES, parse };
      const course = { model, tokens: undefined, prompt: undefined, stages, considered: undefined };
      return follow({ kind: 'no_pod', decision, course }, request);
    };
    if (read.kind === 'undecided') return settled({ kind: 'undecided' });
    if (read.kind === 'invalid') return settled({ kind: 'rejected', error: read.error });
    const { prompt } = read;
    const { model } = prompt;
    const asked = askedStrategy(request, parts.defaultStrategy);
    if (asked.kind === 'pass') return settled(pass(model), model);
    const before = candidates.allowed(model, request);
    if (before.kind === 'rejected' && before.error.kind !== 'no_ready_pod') return settled(before, model);
    if (asked.kind === 'invalid')
      return settled({ kind: 'rejected', error: { kind: 'bad_strategy', ...asked.error } }, model);
    const { strategy } = asked;
    if (before.kind === 'rejected') return settled(before, model);

    const owner = ownerAmong(before.pods, request, prompt);
    const destinations = () => (owner ? [owner] : candidates.wellAmong(before.pods, 'unwatched').pods);
    if (request.priority < 0 && parts.areFull?.(destinations()))
      return settled({ kind: 'rejected', error: { kind: 'shed', model } }, model);
    const input: LookupInput =
      owner !== undefined
        ? { kind: 'owner', pod: owner }
        : !usesPrefixes(strategy)
          ? { kind: 'not_asked' }
          : extent === 'whole'
            ? await tokensOf(parts, prompt, before.pods, signal, parts.deadlineMs - spentMs)
            : { kind: 'none', reason: extent };
    // What is not looked at for the policy in force may be for the other one.
    const shadowInput =
      input.kind === 'not_asked' && extent === 'whole' && parts.shadowPolicy?.usesPrefixes
        ? await tokensOf(parts, prompt, before.pods, signal, parts.deadlineMs - spentMs)
        : undefined;
    // Others may have come and gone meanwhile. From here on nothing is waited for.
    const allowed = candidates.allowed(model, request);
    if (allowed.kind === 'rejected') return settled(allowed, model);
    const chosen = choose({ strategy, input, shadowInput, prompt, request, allowed });
    const hasAsked = input.kind === 'tokens' || input.kind === 'no_tokens';
    const stages: StageTimes = {
      parse,
      tokenize: hasAsked ? chosen.startedAt - parsedAt : undefined,
      match: chosen.found && chosen.matchedAt - chosen.startedAt,
      hash: chosen.found?.hashingMs,
      decide: chosen.pickedAt - chosen.matchedAt,
    };
    const tokens = input.kind === 'tokens' ? input.tokens.ids.length : undefined;
    const { decision, found, considered, promptTokens, candidates: compared } = chosen;
    const course = { model, tokens, prompt: parts.excerptOf?.(prompt) || undefined, stages, considered };
    return follow(
      { kind: 'pod', decision, course, prompt, input, found, promptTokens, candidates: compared },
      request,
    );
  };

  /** As far as there are pods for it. Which of them a request's filter allows, Envoy's routes do not ask. */
  function pass(model: string): Exclude<Decision, RoutedDecision> {
    const allowed = candidates.allowed(model, { labels: undefined, subset: undefined });
    return allowed.kind === 'rejected' ? allowed : { kind: 'passed', model };
  }

  /** Of the pods that the request may go to and that are well, the one that made the response it names. */
  function ownerAmong(
    allowed: readonly Pod[],
    { body, extent }: RouteRequest,
    prompt: PromptRequest,
  ): Pod | undefined {
    const id = responseNamedBy(prompt, extent === 'whole' ? undefined : body);
    if (id === undefined) return undefined;
    return parts.responses.among(candidates.wellAmong(allowed, 'unwatched').pods, id);
  }

  function choose({ strategy, input, shadowInput, prompt, request, allowed }: Choosing): Chosen {
    const startedAt = now();
    const { model } = prompt;
    const { response, session, steering } = request;
    // Whoever can be served by one pod alone, or goes where Envoy sends it, does not find out how another one is.
    const isBound =
      input.kind === 'owner' || steering !== 'steered' || staysAt(strategy, session, allowed.pods);
    const picked = candidates.wellAmong(allowed.pods, isBound ? 'unwatched' : response);
    const { kind, pods } = picked;
    const found = input.kind === 'tokens' ? look(input.tokens, prompt, pods) : undefined;
    const recognized = input.kind === 'no_tokens' ? parts.history.find(prompt, pods) : undefined;
    const matchedAt = now();
    const none = new Uint32Array(found || recognized ? 0 : pods.length);
    const matchedBlocks = found?.matchedBlocks ?? recognized?.matched ?? none;
    const totalBlocks = found?.totalBlocks ?? recognized?.total ?? none;
    const running = load.runningOn(pods);
    const { engineLoad } = parts;
    const { promptTokens, matchedTokens } = promptSize({ prompt, input, found, recognized, none });
    const snapshot: Snapshot = {
      ...{ pods, running, matchedBlocks, totalBlocks, matchedTokens, promptTokens, engineLoad, session },
      ...{ offGpu: found?.offGpu, adapter: found?.adapter ?? prompt.adapter },
      work: () => parts.work.ofAll(pods),
      zonePenaltiesMs: parts.zonePenalties(pods),
      ...{ random, turn: parts.turnOf(model) },
    };
    const isUnknown = input.kind === 'none' || (input.kind === 'tokens' && found === undefined);
    // What the pods have to do tells of a prompt that is not known, too, and so do the others of a list.
    const isBlind =
      kind !== 'well' || (isUnknown && strategy.kind === 'single' && strategy.name !== 'prefix-cost');
    const arm = kind === 'well' && found !== undefined ? armOf(strategy, steering) : undefined;
    const pick =
      input.kind === 'owner'
        ? ({
            index: pods.indexOf(input.pod),
            reason: 'response_owner',
            comparison: NOT_COMPARED,
            unscored: NOBODY,
          } as const)
        : parts.pick(isBlind || arm === 'control' ? LEAST_REQUEST : strategy, snapshot);
    const { index } = pick;
    const pod = pods[index]!;
    const others = kind === 'trial' ? candidates.wellAmong(allowed.pods, 'unwatched').pods : pods;
    const retries = retriesOf(pod, others, load.runningOn(others), random, parts.retries);
    const rank = pick.reason === 'prefix_match' ? found?.rankOf(index) : undefined;
    // Envoy sends the header to whoever is tried next as well, and an engine refuses a rank that it does not have.
    const isForAll = rank !== undefined && retries.every(each => each === pod || found!.hasRank(each, rank));
    const decision: RoutedDecision = {
      kind: 'routed',
      pod,
      rank: isForAll ? rank : undefined,
      retries,
      strategy,
      reason:
        arm === 'control'
          ? arm
          : kind === 'well' || input.kind === 'owner'
            ? reasonOf(input, found, pick.reason)
            : kind,
      arm,
      withoutTokens: input.kind === 'no_tokens' ? input.why : undefined,
      model,
      // Blocks of a KV cache: what is recognized of a prompt without tokens is none.
      matchedBlocks: found?.matchedBlocks[index] ?? 0,
      totalBlocks: found?.totalBlocks[index] ?? 0,
      offGpu: { cpu: found?.offGpu?.cpu[index] ?? 0, storage: found?.offGpu?.storage[index] ?? 0 },
      tokens:
        input.kind === 'tokens' && found !== undefined
          ? predictedTokens(input.tokens, found, index)
          : undefined,
    };
    const considered = consideredIn({ allowed, picked, snapshot, pick, found });
    const uncached = Math.max(1, promptTokens - matchedTokens[index]!);
    const pickedAt = now();
    const isByPolicy = kind === 'well' && input.kind !== 'owner' && arm !== 'control' && !isUnknown;
    if (isByPolicy && pods.length > 1) compareWithShadow(pick, snapshot, { prompt, shadowInput });
    return {
      ...{ decision, found, considered, startedAt, matchedAt, pickedAt },
      promptTokens: { all: promptTokens, uncached },
      candidates: { pods, matchedTokens },
    };
  }

  /** Asks the other policy, of the same pods. What the one in force has looked at is not needed any more. */
  function compareWithShadow(
    pick: ActivePick,
    snapshot: Snapshot,
    { prompt, shadowInput }: Pick<Choosing, 'prompt' | 'shadowInput'>,
  ): void {
    const seen = shadowInput === undefined ? snapshot : seenBy(shadowInput, prompt, snapshot);
    if (seen !== undefined) parts.shadowPolicy?.compare(pick, seen);
  }

  /** The same pods with what they hold of the prompt. undefined: it is not known. */
  function seenBy(input: LookupInput, prompt: PromptRequest, snapshot: Snapshot): Snapshot | undefined {
    const found = input.kind === 'tokens' ? look(input.tokens, prompt, snapshot.pods) : undefined;
    if (found === undefined) return undefined;
    const { matchedBlocks, totalBlocks, offGpu, adapter } = found;
    return {
      ...{ ...snapshot, matchedBlocks, totalBlocks, offGpu },
      ...promptSize({ prompt, input, found, recognized: undefined, none: matchedBlocks }),
      adapter: adapter ?? prompt.adapter,
    };
  }

  /** Of a request whose prompt was looked up. A session has a pod, however it is balanced: it is on no side. */
  function armOf(strategy: Strategy, steering: Steering): Arm | undefined {
    if (uses(strategy, 'session-affinity')) return undefined;
    if (steering !== 'steered') return 'left';
    return parts.drawsControl() ? 'control' : 'routed';
  }

  /** Whether the request is one of a session whose pod is well. */
  function staysAt(strategy: Strategy, { id }: Session, allowed: readonly Pod[]): boolean {
    return (
      uses(strategy, 'session-affinity') &&
      podWithId(id, candidates.wellAmong(allowed, 'unwatched').pods) >= 0
    );
  }

  /** undefined: the index failed. */
  function look(tokens: Tokens, prompt: PromptRequest, pods: readonly Pod[]): PrefixFound | undefined {
    try {
      return parts.lookup(tokens, prompt, pods);
    } catch {
      return undefined;
    }
  }
}

interface Choosing {
  readonly strategy: Strategy;
  readonly input: LookupInput;
  /** What the shadow policy looks at where that is more; undefined: it is not. */
  readonly shadowInput: LookupInput | undefined;
  readonly prompt: PromptRequest;
  readonly request: RouteRequest;
  /** Its pods are not empty. */
  readonly allowed: AllowedPods;
}

interface Chosen {
  readonly decision: RoutedDecision;
  readonly found: PrefixFound | undefined;
  readonly considered: Considered;
  readonly promptTokens: PromptTokens;
  readonly candidates: PodChoice['candidates'];
  readonly startedAt: number;
  readonly matchedAt: number;
  readonly pickedAt: number;
}

const NO_STAGES: StageTimes = {
  ...{ parse: 0, tokenize: undefined, match: undefined, hash: undefined, decide: undefined },
};
const NOBODY: readonly never[] = [];
/** Where nothing is known that a strategy could go by. */
const LEAST_REQUEST: Strategy = { kind: 'single', name: 'least-request', text: 'least-request' };

function reasonOf(input: LookupInput, found: PrefixFound | undefined, picked: Reason): Reason {
  switch (input.kind) {
    case 'none':
      return input.reason;
    case 'no_tokens':
      if (picked === 'weighted' || picked === 'no_engine_metrics') return picked;
      return picked === 'prefix_match' ? 'history_match' : input.why;
    case 'tokens':
      return found === undefined ? 'index_failed' : picked;
    case 'not_asked':
    case 'owner':
      return picked;
  }
}
