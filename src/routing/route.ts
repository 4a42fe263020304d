import type {
  Arm,
  EngineLoad,
  Pod,
  Reason,
  RoutedDecision,
  Strategy,
  Tokens,
  WithoutTokens,
} from '../domain.ts';
import { uses } from '../domain.ts';
import type { PodsHealth } from '../health/pods-health.ts';
import type { PromptRequest } from '../prompt/request.ts';
import { TOO_LATE, type Tokenizer, TokenizerError } from '../prompt/tokenizer.ts';
import { deadlineAfter } from '../time.ts';
import { type AskedPromptParts, askedPrompt } from './asked-prompt.ts';
import { askedStrategy } from './asked-strategy.ts';
import type { Candidates } from './candidates.ts';
import type { Confirmations } from './confirmations.ts';
import type { Load } from './load.ts';
import { type MadeResponse, responseMadeBy, responseNamedBy } from './made-response.ts';
import type { Picker, Session } from './policy.ts';
import type { PrefixFound, PrefixLookup } from './prefix-lookup.ts';
import type { PromptHistory } from './prompt-history.ts';
import type { ResponseOwners } from './response-owners.ts';
import { retriesOf } from './retries.ts';
import {
  type Decide,
  type RouteOutcome,
  type RouteRequest,
  rejected,
  undecided,
  withoutPod,
} from './route-request.ts';
import { type PromptMeaning, send } from './sent.ts';
import type { AreFull } from './shedding.ts';
import { podWithId } from './strategies/session-affinity.ts';
import type { Draw } from './worth/drawn.ts';
import { predictedTokens } from './worth/predicted-tokens.ts';
import type { FollowedAnswer, SampledAnswers } from './worth/sampled-answers.ts';

export * from './route-request.ts';

export interface RouteParts extends AskedPromptParts {
  readonly candidates: Candidates;
  readonly health: Pick<PodsHealth, 'sent'>;
  readonly tokenize: Tokenizer['tokenize'];
  readonly lookup: PrefixLookup;
  /** For prompts without tokens. */
  readonly history: PromptHistory;
  /** Whether engines announce what was predicted; undefined: they announce nothing. */
  readonly confirmations: Pick<Confirmations, 'predict'> | undefined;
  readonly responses: ResponseOwners;
  readonly pick: Picker;
  /** What a pod's engine last said of its work. */
  readonly engineLoad: (pod: Pod) => EngineLoad;
  readonly load: Load;
  /** Which requests that could be routed by their prefix are balanced plainly, to compare with. */
  readonly drawsControl: Draw;
  readonly samples: Pick<SampledAnswers, 'follow'>;
  /** What becomes of requests that ask for no strategy. `pass`: Envoy's routes decide, where there are any. */
  readonly defaultStrategy: Strategy | 'pass';
  /** undefined: no request is dropped. */
  readonly areFull: AreFull | undefined;
  /** How many pods besides the pick a decision names. */
  readonly retries: number;
  /** How long a decision may take; below Envoy's `message_timeout`. */
  readonly deadlineMs: number;
  readonly random?: () => number;
}

/** What the policy can be asked by. */
type LookupInput =
  | { readonly kind: 'tokens'; readonly tokens: Tokens }
  | { readonly kind: 'no_tokens'; readonly why: WithoutTokens }
  /** The strategy does not look at the prompt. */
  | { readonly kind: 'not_asked' }
  /** The pod made the response that the request names. */
  | { readonly kind: 'owner'; readonly pod: Pod }
  | { readonly kind: 'none'; readonly reason: Reason };

/** The read path: body → prompt → tokens → blocks → who holds them → the pod. */
export function createRoute(parts: RouteParts): Decide {
  const { candidates, load, random = Math.random } = parts;
  const turns = new Map<string, number>();

  return async (request, signal, spentMs = 0) => {
    const { extent } = request;
    const read = askedPrompt(request, parts);
    if (read.kind === 'undecided') return undecided();
    if (read.kind === 'invalid') return rejected(read.error);
    const { prompt } = read;
    const { model } = prompt;
    const asked = askedStrategy(request, parts.defaultStrategy);
    if (asked.kind === 'pass') return pass(model);
    const before = candidates.allowed(model, request);
    if (before.kind === 'rejected' && before.error.kind !== 'no_ready_pod') return rejected(before.error);
    if (asked.kind === 'invalid') return rejected({ kind: 'bad_strategy', ...asked.error });
    const { strategy } = asked;
    if (before.kind === 'rejected') return rejected(before.error);

    const owner = ownerAmong(before.pods, request, prompt);
    const destinations = () => (owner ? [owner] : candidates.wellAmong(before.pods, 'unwatched').pods);
    if (request.priority < 0 && parts.areFull?.(destinations())) return rejected({ kind: 'shed', model });
    const input: LookupInput =
      owner !== undefined
        ? { kind: 'owner', pod: owner }
        : !uses(strategy, 'prefix-cache')
          ? { kind: 'not_asked' }
          : extent === 'whole'
            ? await tokenize(prompt, before.pods, signal, parts.deadlineMs - spentMs)
            : { kind: 'none', reason: extent };
    // Others may have come and gone meanwhile. From here on nothing is waited for.
    const allowed = candidates.allowed(model, request);
    if (allowed.kind === 'rejected') return rejected(allowed.error);
    const { decision, found } = decide(strategy, input, prompt, allowed.pods, request);
    // Streamed answers begin with the first token, others with the last.
    const path = extent === 'any_pod' ? extent : prompt.path;
    const kind = prompt.body.stream === true ? `${path} streamed` : path;
    const meaning = meaningOf(input, found, prompt);
    const sent = send(parts, decision, { visibility: request.response, kind }, meaning);
    const made = responseMadeBy(prompt, decision.pod, parts.responses);
    const followed = request.sample === 'sampled' ? parts.samples.follow(decision, prompt) : undefined;
    return {
      decision,
      answered(answer, encoding = 'plain') {
        const server = sent.answered(answer);
        made?.answered(server);
        followed?.answered(answer.status, server, encoding);
      },
      readAnswer: answerReader(made, followed),
      release() {
        sent.release();
        followed?.ended();
      },
    };
  };

  /** As far as there are pods for it. Which of them a request's filter allows, Envoy's routes do not ask. */
  function pass(model: string): RouteOutcome {
    const allowed = candidates.allowed(model, { labels: undefined, subset: undefined });
    return allowed.kind === 'rejected' ? rejected(allowed.error) : withoutPod({ kind: 'passed', model });
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

  async function tokenize(
    prompt: PromptRequest,
    pods: readonly Pod[],
    signal: AbortSignal,
    leftMs: number,
  ): Promise<LookupInput> {
    if (pods.length === 1) return { kind: 'none', reason: 'only_pod' };
    if (prompt.content.kind === 'none') return { kind: 'none', reason: 'no_prompt' };
    if (prompt.extraKey !== '') return { kind: 'no_tokens', why: 'private_key' };
    const deadline = deadlineAfter(leftMs, signal, TOO_LATE);
    const { pods: well } = candidates.wellAmong(pods, 'unwatched');
    try {
      return { kind: 'tokens', tokens: await deadline.race(parts.tokenize(prompt, well, deadline.signal)) };
    } catch (error) {
      if (signal.aborted) return { kind: 'none', reason: 'cancelled' };
      return { kind: 'no_tokens', why: deadline.signal.aborted ? 'deadline' : whyWithout(error) };
    } finally {
      deadline.clear();
    }
  }

  /** @param allowed where the request may go; not empty */
  function decide(
    strategy: Strategy,
    input: LookupInput,
    prompt: PromptRequest,
    allowed: readonly Pod[],
    { response, session }: RouteRequest,
  ): { readonly decision: RoutedDecision; readonly found: PrefixFound | undefined } {
    const { model } = prompt;
    // Whoever can be served by one pod alone is not sent to find out how another one is.
    const isBound = input.kind === 'owner' || staysAt(strategy, session, allowed);
    const { kind, pods } = candidates.wellAmong(allowed, isBound ? 'unwatched' : response);
    const found = input.kind === 'tokens' ? look(input.tokens, prompt, pods) : undefined;
    const recognized = input.kind === 'no_tokens' ? parts.history.find(prompt, pods) : undefined;
    const none = new Uint32Array(found || recognized ? 0 : pods.length);
    const matchedBlocks = found?.matchedBlocks ?? recognized?.matched ?? none;
    const totalBlocks = found?.totalBlocks ?? recognized?.total ?? none;
    const running = load.runningOn(pods);
    const { engineLoad } = parts;
    const snapshot = {
      ...{ pods, running, matchedBlocks, totalBlocks, engineLoad, session },
      ...{ random, turn: nextTurn(model) },
    };
    const isUnknown = input.kind === 'none' || (input.kind === 'tokens' && found === undefined);
    // The others of a list decide without knowing the prompt.
    const isBlind = kind !== 'well' || (isUnknown && strategy.kind === 'single');
    const arm = kind === 'well' && found !== undefined ? armOf(strategy) : undefined;
    const pick =
      input.kind === 'owner'
        ? ({ index: pods.indexOf(input.pod), reason: 'response_owner' } as const)
        : parts.pick(isBlind || arm === 'control' ? LEAST_REQUEST : strategy, snapshot);
    const { index } = pick;
    const pod = pods[index]!;
    const others = kind === 'trial' ? candidates.wellAmong(allowed, 'unwatched').pods : pods;
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
    return { decision, found };
  }

  /** Of a request whose prompt was looked up. A session has a pod, however it is balanced: it is on neither side. */
  function armOf(strategy: Strategy): Arm | undefined {
    if (uses(strategy, 'session-affinity')) return undefined;
    return parts.drawsControl() ? 'control' : 'routed';
  }

  /** Whether the request is one of a session whose pod is well. */
  function staysAt(strategy: Strategy, { id }: Session, allowed: readonly Pod[]): boolean {
    return (
      uses(strategy, 'session-affinity') &&
      podWithId(id, candidates.wellAmong(allowed, 'unwatched').pods) >= 0
    );
  }

  /** undefined: nobody will ask for it. */
  function meaningOf(
    input: LookupInput,
    found: PrefixFound | undefined,
    prompt: PromptRequest,
  ): PromptMeaning | undefined {
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

  /** undefined: the index failed. */
  function look(tokens: Tokens, prompt: PromptRequest, pods: readonly Pod[]): PrefixFound | undefined {
    try {
      return parts.lookup(tokens, prompt, pods);
    } catch {
      return undefined;
    }
  }

  function nextTurn(model: string): number {
    const turn = turns.get(model) ?? 0;
    turns.set(model, turn + 1);
    return turn;
  }
}

/** Where nothing is known that a strategy could go by. */
const LEAST_REQUEST: Strategy = { kind: 'single', name: 'least-request', text: 'least-request' };

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

function whyWithout(error: unknown): WithoutTokens {
  switch (error instanceof TokenizerError ? error.kind : undefined) {
    case 'refused':
      return 'prompt_refused';
    case 'no_form':
      return 'no_token_form';
    default:
      return 'tokenizer_failed';
  }
}

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
