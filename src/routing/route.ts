import type { ClientError, Decision, Pod, Reason, Strategy } from '../domain.ts';
import { STRATEGIES } from '../domain.ts';
import type { PodRegistry } from '../pods/registry.ts';
import type { ParsedPrompt, PromptRequest } from '../prompt/request.ts';
import { type Tokenizer, TokenizerError } from '../prompt/tokenizer.ts';
import type { Load } from './load.ts';
import type { Candidate, Policy } from './policy.ts';
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

/** What is known of the prompt's whereabouts when the policy is asked. */
type Whereabouts =
  | { readonly kind: 'found'; readonly prefix: PrefixFound }
  | { readonly kind: 'not_asked' }
  | { readonly kind: 'unknown'; readonly reason: Reason };

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
    const whereabouts: Whereabouts =
      strategy === 'prefix-cache' ? await findPrefix(prompt, before, signal) : { kind: 'not_asked' };
    const pods = registry.serving(model);
    if (pods.length === 0) return rejected({ kind: 'no_ready_pod', model });

    const { candidate, reason } = pick(strategy, whereabouts, pods, nextTurn(model));
    const { pod, matchedBlocks, totalBlocks } = candidate;
    if (whereabouts.kind === 'found') whereabouts.prefix.remember(pod);
    const lease = load.begin(pod);
    const decision: Decision = { kind: 'routed', pod, strategy, reason, model, matchedBlocks, totalBlocks };
    return { decision, release: () => lease.release() };
  };

  async function findPrefix(
    prompt: PromptRequest,
    pods: readonly Pod[],
    signal: AbortSignal,
  ): Promise<Whereabouts> {
    if (pods.length === 1) return { kind: 'unknown', reason: 'only_pod' };
    if (prompt.content.kind === 'none') return { kind: 'unknown', reason: 'no_prompt' };
    const deadline = deadlineAfter(parts.deadlineMs, signal);
    try {
      const tokens = await deadline.race(parts.tokenize(prompt, pods, deadline.signal));
      return { kind: 'found', prefix: parts.lookup(tokens, prompt, pods) };
    } catch (error) {
      if (signal.aborted) return { kind: 'unknown', reason: 'cancelled' };
      if (deadline.signal.aborted) return { kind: 'unknown', reason: 'deadline' };
      if (!(error instanceof TokenizerError)) return { kind: 'unknown', reason: 'index_failed' };
      return { kind: 'unknown', reason: error.kind === 'refused' ? 'prompt_refused' : 'tokenizer_failed' };
    } finally {
      deadline.clear();
    }
  }

  function pick(strategy: Strategy, whereabouts: Whereabouts, pods: readonly Pod[], turn: number): Choice {
    const candidates = pods.map((pod): Candidate => {
      const held =
        whereabouts.kind === 'found' ? whereabouts.prefix.of(pod) : { matchedBlocks: 0, totalBlocks: 0 };
      return { pod, running: load.running(pod), ...held };
    });
    const snapshot = { candidates, random, turn };
    if (whereabouts.kind === 'unknown') {
      return { candidate: parts.policies['least-request'](snapshot).candidate, reason: whereabouts.reason };
    }
    return parts.policies[strategy](snapshot);
  }

  function nextTurn(model: string): number {
    const turn = turns.get(model) ?? 0;
    turns.set(model, turn + 1);
    return turn;
  }
}

interface Choice {
  readonly candidate: Candidate;
  readonly reason: Reason;
}

function rejected(error: ClientError): RouteOutcome {
  return { decision: { kind: 'rejected', error }, release: () => {} };
}

/** An abort signal that also fires after `ms`, and a race against it for work that does not listen to signals. */
function deadlineAfter(ms: number, outer: AbortSignal) {
  const controller = new AbortController();
  const abort = () => controller.abort();
  const timer = setTimeout(abort, ms);
  outer.addEventListener('abort', abort, { once: true });
  if (outer.aborted) abort();
  const { signal } = controller;
  return {
    signal,
    race<T>(work: Promise<T>): Promise<T> {
      return new Promise((resolve, reject) => {
        const late = () => reject(signal.reason);
        if (signal.aborted) late();
        signal.addEventListener('abort', late, { once: true });
        work.then(resolve, reject);
      });
    },
    clear(): void {
      clearTimeout(timer);
      outer.removeEventListener('abort', abort);
    },
  };
}
