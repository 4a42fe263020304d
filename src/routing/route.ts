import type { ClientError, Decision, Pod, Reason, RoutedDecision, Strategy, Tokens } from '../domain.ts';
import { STRATEGIES } from '../domain.ts';
import type { PodRegistry } from '../pods/registry.ts';
import type { ParsedPrompt, PromptRequest } from '../prompt/request.ts';
import { TOO_LATE, type Tokenizer, TokenizerError } from '../prompt/tokenizer.ts';
import { deadlineAfter } from '../time.ts';
import type { Load } from './load.ts';
import type { Policy } from './policy.ts';
import type { PrefixFound, PrefixLookup } from './prefix-lookup.ts';

/** One request as Envoy's door hands it over: path and headers that matter, and the whole body. */
export interface RouteRequest {
  readonly path: string;
  readonly contentType: string | undefined;
  /** The `routing-strategy` header; undefined or blank means the configured strategy. */
  readonly strategy: string | undefined;
  readonly body: Uint8Array;
  /** For logs, and for the response. */
  readonly requestId: string;
  /** W3C `traceparent` and `tracestate` of the caller, as far as given. */
  readonly trace: Readonly<Record<string, string>>;
}

export interface RouteOutcome {
  readonly decision: Decision;
  /** Ends the request's share of its pod's load. Harmless to repeat; nothing to do for a rejected request. */
  release(): void;
}

/** Decides where a request goes. Never rejects; after the deadline, or when `signal` aborts, it decides by load. */
export type Route = (request: RouteRequest, signal: AbortSignal) => Promise<RouteOutcome>;

export interface RouteParts {
  readonly parse: (path: string, contentType: string | undefined, body: Uint8Array) => ParsedPrompt;
  readonly registry: Pick<PodRegistry, 'knows' | 'serving'>;
  readonly tokenize: Tokenizer['tokenize'];
  readonly lookup: PrefixLookup;
  readonly policies: Readonly<Record<Strategy, Policy>>;
  readonly load: Load;
  readonly defaultStrategy: Strategy;
  /** How long a decision may take; below Envoy's `message_timeout`. */
  readonly deadlineMs: number;
  readonly random?: () => number;
}

/** What the policy can be asked by. */
type Clue =
  | { readonly kind: 'tokens'; readonly tokens: Tokens }
  /** The strategy does not look at the prompt. */
  | { readonly kind: 'not_asked' }
  | { readonly kind: 'none'; readonly reason: Reason };

/** The read path: body → prompt → tokens → blocks → who holds them → the pod. */
export function createRoute(parts: RouteParts): Route {
  const { registry, load, random = Math.random } = parts;
  const turns = new Map<string, number>();

  return async (request, signal) => {
    const parsed = parts.parse(request.path, request.contentType, request.body);
    if (parsed.kind === 'invalid') return rejected(parsed.error);
    const { prompt } = parsed;
    const { model } = prompt;
    if (!registry.knows(model)) return rejected({ kind: 'unknown_model', model });
    const wanted = request.strategy?.trim() || parts.defaultStrategy;
    const strategy = STRATEGIES.find(name => name === wanted);
    if (strategy === undefined) return rejected({ kind: 'bad_strategy', strategy: wanted });

    const before = registry.serving(model);
    if (before.length === 0) return rejected({ kind: 'no_ready_pod', model });
    const clue: Clue =
      strategy === 'prefix-cache' ? await tokenize(prompt, before, signal) : { kind: 'not_asked' };
    // Others may have come and gone meanwhile. From here on nothing is waited for.
    const pods = registry.serving(model);
    if (pods.length === 0) return rejected({ kind: 'no_ready_pod', model });
    const decision = decide(strategy, clue, prompt, pods);
    const lease = load.begin(decision.pod);
    return { decision, release: () => lease.release() };
  };

  async function tokenize(prompt: PromptRequest, pods: readonly Pod[], signal: AbortSignal): Promise<Clue> {
    if (pods.length === 1) return { kind: 'none', reason: 'only_pod' };
    if (prompt.content.kind === 'none') return { kind: 'none', reason: 'no_prompt' };
    const deadline = deadlineAfter(parts.deadlineMs, signal, TOO_LATE);
    try {
      return { kind: 'tokens', tokens: await deadline.race(parts.tokenize(prompt, pods, deadline.signal)) };
    } catch (error) {
      if (signal.aborted) return { kind: 'none', reason: 'cancelled' };
      if (deadline.signal.aborted) return { kind: 'none', reason: 'deadline' };
      const isRefused = error instanceof TokenizerError && error.kind === 'refused';
      return { kind: 'none', reason: isRefused ? 'prompt_refused' : 'tokenizer_failed' };
    } finally {
      deadline.clear();
    }
  }

  function decide(
    strategy: Strategy,
    clue: Clue,
    prompt: PromptRequest,
    pods: readonly Pod[],
  ): RoutedDecision {
    const { model } = prompt;
    const found = clue.kind === 'tokens' ? look(clue.tokens, prompt, pods) : undefined;
    const none = found === undefined ? new Uint32Array(pods.length) : undefined;
    const { matchedBlocks, totalBlocks } = found ?? { matchedBlocks: none!, totalBlocks: none! };
    const running = load.runningOn(pods);
    const snapshot = { pods, running, matchedBlocks, totalBlocks, random, turn: nextTurn(model) };
    const isBlind = clue.kind !== 'not_asked' && found === undefined;
    const pick = parts.policies[isBlind ? 'least-request' : strategy](snapshot);
    const blindReason = clue.kind === 'none' ? clue.reason : 'index_failed';
    const { index } = pick;
    const pod = pods[index]!;
    found?.remember(pod);
    return {
      kind: 'routed',
      pod,
      strategy,
      reason: isBlind ? blindReason : pick.reason,
      model,
      matchedBlocks: matchedBlocks[index]!,
      totalBlocks: totalBlocks[index]!,
      elsewhere: { cpu: found?.elsewhere?.cpu[index] ?? 0, storage: found?.elsewhere?.storage[index] ?? 0 },
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

function rejected(error: ClientError): RouteOutcome {
  return { decision: { kind: 'rejected', error }, release: () => {} };
}
