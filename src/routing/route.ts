import type {
  ClientError,
  Decision,
  EngineLoad,
  Pod,
  Reason,
  RoutedDecision,
  Strategy,
  Tokens,
  WithoutTokens,
} from '../domain.ts';
import { ANY_MODEL, uses } from '../domain.ts';
import type { Answer, PodsHealth, Visibility } from '../health/pods-health.ts';
import type { PodRegistry } from '../pods/registry.ts';
import { type ParsedPrompt, type PromptRequest, promptWithout } from '../prompt/request.ts';
import { TOO_LATE, type Tokenizer, TokenizerError } from '../prompt/tokenizer.ts';
import { parseStrategy } from '../strategies.ts';
import { deadlineAfter } from '../time.ts';
import type { Bounds, Candidates } from './candidates.ts';
import type { Confirmations } from './confirmations.ts';
import type { Load } from './load.ts';
import { responseMadeBy, responseNamedBy } from './made-response.ts';
import type { Picker, Session } from './policy.ts';
import type { PrefixFound, PrefixLookup } from './prefix-lookup.ts';
import type { PromptHistory } from './prompt-history.ts';
import type { ResponseOwners } from './response-owners.ts';
import { retriesOf } from './retries.ts';
import { type PromptMeaning, send } from './sent.ts';
import type { AreFull } from './shedding.ts';
import { podWithId } from './strategies/session-affinity.ts';

export type { Answer, Server, Visibility } from '../health/pods-health.ts';
export { type Session, sessionIdOf } from './policy.ts';

/** Why only the beginning of a body is there: the rest came too slowly, or there was no room for it. */
export type CutShort = 'late_body' | 'buffers_full';

/**
 * How much of a body there is to decide by: all, its beginning, or as good as none, since it cannot be read, or not in time.
 * `any_pod`: it does not matter, the request may go to any pod.
 */
export type BodyExtent = 'whole' | CutShort | 'unknown_encoding' | 'too_intricate' | 'deadline' | 'any_pod';

/** One request as Envoy's door hands it over: path and headers that matter, and the body. */
export interface RouteRequest extends Bounds {
  readonly path: string;
  readonly contentType: string | undefined;
  readonly contentEncoding: string | undefined;
  /** The `routing-strategy` header; undefined or blank means the configured strategy. */
  readonly strategy: string | undefined;
  readonly session: Session;
  /** Below 0: it may be dropped when there is too much to do. */
  readonly priority: number;
  readonly body: Uint8Array;
  readonly extent: BodyExtent;
  /** Whether `answered` of the outcome will be called once the pod has answered. */
  readonly response: Visibility;
  /** What becomes of it when its model is not known: an error, or any pod, since the gateway has no other for it. */
  readonly unroutable: 'reject' | 'any_pod';
  /** For logs, and for the response. */
  readonly requestId: string;
  /** W3C `traceparent` and `tracestate` of the caller, as far as given. */
  readonly trace: Readonly<Record<string, string>>;
}

export interface RouteOutcome {
  readonly decision: Decision;
  /** The response has begun. At most once, before `release`. */
  answered(answer: Answer): void;
  /** Takes the body of the answer, if its status is 200, as far as it is wanted. undefined: none of it is. */
  readonly readAnswer: ((part: Uint8Array) => 'more' | 'enough') | undefined;
  /** The exchange is over: ends the request's share of its pod's load. Harmless to repeat; nothing to do where no pod was picked. */
  release(): void;
}

/** Decides where a request goes. Never rejects; after the deadline, or when `signal` aborts, it decides by load. */
export type Route = (request: RouteRequest, signal: AbortSignal) => Promise<RouteOutcome>;

/** The same, with what others have spent of the time for the decision, in milliseconds. */
export type Decide = (request: RouteRequest, signal: AbortSignal, spentMs?: number) => Promise<RouteOutcome>;

export interface RouteParts {
  readonly parse: (
    path: string,
    contentType: string | undefined,
    body: Uint8Array,
    defaultModel: string | undefined,
  ) => ParsedPrompt;
  /** The model that a body names, when only its beginning is there. */
  readonly modelAtStart: (body: Uint8Array) => string | undefined;
  readonly registry: Pick<PodRegistry, 'onlyModel' | 'knows'>;
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

/** The strategy of a request. */
type Asked =
  | { readonly kind: 'parsed'; readonly strategy: Strategy }
  | { readonly kind: 'invalid'; readonly error: { readonly strategy: string; readonly why: string } }
  | { readonly kind: 'pass' };

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
  const { candidates, registry, load, random = Math.random } = parts;
  const turns = new Map<string, number>();

  return async (request, signal, spentMs = 0) => {
    const { extent } = request;
    const parsed = extent === 'whole' ? parse(request) : parseBeginning(request);
    if (parsed.kind === 'undecided') return undecided();
    if (parsed.kind === 'invalid') return rejected(parsed.error);
    const prompt = withAdapter(parsed.prompt, registry);
    const { model } = prompt;
    const asked = strategyFor(request);
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
    return {
      decision,
      answered(answer) {
        const server = sent.answered(answer);
        made?.answered(server);
      },
      readAnswer: made?.readAnswer,
      release: () => sent.release(),
    };
  };

  /**
   * `pass`: Envoy's routes decide, which they can where there are others than to the pod that is picked, and where the body says for
   * which model.
   */
  function strategyFor({ strategy, unroutable, extent }: RouteRequest): Asked {
    const text = strategy?.trim();
    if (text) {
      const parsed = parseStrategy(text);
      return parsed.kind === 'parsed'
        ? parsed
        : { kind: 'invalid', error: { strategy: text, why: parsed.why } };
    }
    if (parts.defaultStrategy !== 'pass') return { kind: 'parsed', strategy: parts.defaultStrategy };
    const hasRoutes = unroutable !== 'any_pod' && extent !== 'any_pod';
    return hasRoutes ? { kind: 'pass' } : { kind: 'parsed', strategy: PREFIX_CACHE };
  }

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

  function parse({ path, contentType, body }: RouteRequest): ParsedPrompt {
    return parts.parse(path, contentType, body, registry.onlyModel);
  }

  /** Without the model any pod will do if all serve the same, as those behind one InferencePool do. */
  function parseBeginning({
    path,
    body,
    extent,
  }: RouteRequest): ParsedPrompt | { readonly kind: 'undecided' } {
    const named = [parts.modelAtStart(body), registry.onlyModel];
    const model =
      extent === 'any_pod'
        ? (named.find(name => name !== undefined && registry.knows(name)) ?? ANY_MODEL)
        : (named[0] ?? named[1]);
    return model === undefined
      ? { kind: 'undecided' }
      : { kind: 'prompt', prompt: promptWithout(path, model) };
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
    const pick =
      input.kind === 'owner'
        ? ({ index: pods.indexOf(input.pod), reason: 'response_owner' } as const)
        : parts.pick(isBlind ? LEAST_REQUEST : strategy, snapshot);
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
      reason: kind === 'well' || input.kind === 'owner' ? reasonOf(input, found, pick.reason) : kind,
      withoutTokens: input.kind === 'no_tokens' ? input.why : undefined,
      model,
      // Blocks of a KV cache: what is recognized of a prompt without tokens is none.
      matchedBlocks: found?.matchedBlocks[index] ?? 0,
      totalBlocks: found?.totalBlocks[index] ?? 0,
      offGpu: { cpu: found?.offGpu?.cpu[index] ?? 0, storage: found?.offGpu?.storage[index] ?? 0 },
    };
    return { decision, found };
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
const PREFIX_CACHE: Strategy = { kind: 'single', name: 'prefix-cache', text: 'prefix-cache' };

/** SGLang's `base:adapter`, where that is no model's name. */
function withAdapter(prompt: PromptRequest, registry: RouteParts['registry']): PromptRequest {
  const { model } = prompt;
  const colon = model.lastIndexOf(':');
  if (colon <= 0 || colon === model.length - 1 || registry.knows(model)) return prompt;
  if (!registry.knows(model.slice(0, colon))) return prompt;
  return { ...prompt, model: model.slice(0, colon), adapter: model.slice(colon + 1) };
}

export function undecided(): RouteOutcome {
  return withoutPod({ kind: 'undecided' });
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

export function rejected(error: ClientError): RouteOutcome {
  return withoutPod({ kind: 'rejected', error });
}

function withoutPod(decision: Decision): RouteOutcome {
  return { decision, answered: () => {}, readAnswer: undefined, release: () => {} };
}
