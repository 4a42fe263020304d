/**
 * The engine's own tokens, asked of the engine. Its render endpoints give exactly what generation will see; where a pod
 * does not serve them, `/tokenize` does for chats and texts. Which pods do not is remembered for a while.
 */
import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { endpointOf, type Pod } from '../domain.ts';
import { type Clock, deadlineAfter, monotonicClock } from '../time.ts';
import { type EngineAnswer, type EngineRoute, readAnswer } from './engine-answers.ts';
import { createEngineHttp } from './engine-http.ts';
import { createPodCalls, type PodBreakerOptions } from './pod-calls.ts';
import type { PromptRequest } from './request.ts';
import { createTokenCache } from './token-cache.ts';
import { tokenizeBody } from './tokenize-bodies.ts';
import { type Tokenizer, TokenizerError, type TokenizerErrorKind } from './tokenizer.ts';

/** A million tokens are about 7 MB of JSON; a render of images adds their processed form. */
const DEFAULT_MAX_RESPONSE_BYTES = 64 * 1024 * 1024;
/** Engines are upgraded in place, under the same name and address. */
const DEFAULT_FORGET_MISSING_RENDER_AFTER_MS = 10 * 60 * 1000;
const MAX_REMEMBERED_ROUTES = 16_384;

export interface RemoteTokenizerOptions {
  /** For each of at most two attempts on different pods. */
  readonly attemptTimeoutMs: number;
  /** Bound of the results that are kept; 0 keeps none. */
  readonly cacheBytes: number;
  readonly breaker: PodBreakerOptions;
  readonly maxConnectionsPerPod: number;
  /** A longer answer counts as none. Default 64 MiB. */
  readonly maxResponseBytes?: number;
  /** How long a pod is not asked again for a render endpoint that it did not have. More than 0; default 10 minutes. */
  readonly forgetMissingRenderAfterMs?: number;
  /** Where a pod's HTTP API is, e.g. `http://10.0.0.1:8000`; a path is kept as prefix. Default: `http://` + endpointOf(pod). */
  readonly urlOf?: (pod: Pod) => string;
  /** Milliseconds; for the breakers and for forgetting, not for `attemptTimeoutMs`. */
  readonly now?: Clock;
  readonly onCall?: (fact: TokenizeFact) => void;
}

/**
 * What happened, for metrics.
 * - `hit`: answered from the cache; `shared`: a call for the same prompt was already under way;
 * - `call`: a request to an engine has ended; `absent`: the engine does not serve the route;
 * - `retry`: `pod` was unavailable, another one is asked;
 * - `breaker`: `pod`'s circuit has opened or closed.
 */
export type TokenizeFact =
  | { readonly kind: 'hit' }
  | { readonly kind: 'shared' }
  | {
      readonly kind: 'call';
      readonly route: EngineRoute;
      readonly pod: Pod;
      readonly outcome: 'tokens' | 'absent' | TokenizerErrorKind;
      readonly durationMs: number;
    }
  | { readonly kind: 'retry'; readonly pod: Pod }
  | { readonly kind: 'breaker'; readonly pod: Pod; readonly state: 'open' | 'closed' };

export function createRemoteTokenizer(options: RemoteTokenizerOptions): Tokenizer {
  const now = options.now ?? monotonicClock;
  const onCall = options.onCall ?? (() => {});
  const urlOf = options.urlOf ?? (pod => `http://${endpointOf(pod)}`);
  const keyOf = (pod: Pod) => `${pod.name} ${urlOf(pod)}`;

  const http = createEngineHttp({
    maxConnectionsPerPod: options.maxConnectionsPerPod,
    maxResponseBytes: options.maxResponseBytes ?? DEFAULT_MAX_RESPONSE_BYTES,
  });
  const cache = createTokenCache(options.cacheBytes);
  const calls = createPodCalls({
    breaker: options.breaker,
    keyOf,
    now,
    onRetry: pod => onCall({ kind: 'retry', pod }),
    onBreaker: (pod, state) => onCall({ kind: 'breaker', pod, state }),
  });
  const withoutRender = new LRUCache<string, true>({
    max: MAX_REMEMBERED_ROUTES,
    ttl: options.forgetMissingRenderAfterMs ?? DEFAULT_FORGET_MISSING_RENDER_AFTER_MS,
    // Without a resolution lru-cache starts no timers of its own.
    ttlResolution: 0,
    perf: { now },
  });

  async function call(
    route: EngineRoute,
    pod: Pod,
    path: string,
    body: Uint8Array | string,
    signal: AbortSignal,
  ): Promise<EngineAnswer> {
    const started = now();
    const ended = (outcome: (TokenizeFact & { kind: 'call' })['outcome']) =>
      onCall({ kind: 'call', route, pod, outcome, durationMs: now() - started });
    try {
      const url = `${urlOf(pod).replace(/\/$/, '')}${path}`;
      const answer = readAnswer(route, await http.postJson(url, body, signal));
      ended(answer.kind === 'failed' ? 'unavailable' : answer.kind);
      return answer;
    } catch (error) {
      const failure = asTimeout(error, signal);
      if (failure instanceof TokenizerError) ended(failure.kind);
      throw failure;
    }
  }

  async function askPod(pod: Pod, prompt: PromptRequest, signal: AbortSignal): Promise<Uint32Array> {
    const known = `${keyOf(pod)} ${prompt.path}`;
    if (!withoutRender.has(known)) {
      const answer = await call('render', pod, `${prompt.path}/render`, prompt.raw, signal);
      if (answer.kind !== 'absent') return idsOf(answer);
      withoutRender.set(known, true);
    }
    const body = tokenizeBody(prompt);
    if (body === undefined) {
      throw new TokenizerError(
        'refused',
        'the engine does not render, and /tokenize has no form for this request',
      );
    }
    return idsOf(await call('tokenize', pod, '/tokenize', body, signal));
  }

  return {
    async tokenize(prompt, pods, signal) {
      const { content } = prompt;
      if (content.kind === 'none') throw new TypeError('a request without a prompt has no tokens');
      if (content.kind === 'tokens') return { space: 'engine', ids: content.ids };
      if (pods.length === 0) throw new TokenizerError('unavailable', 'no pod to ask');
      const ids = await cache.get(
        cacheKey(prompt),
        signal,
        shared =>
          calls.run(pods, pod =>
            withDeadline(shared, options.attemptTimeoutMs, bounded => askPod(pod, prompt, bounded)),
          ),
        outcome => {
          if (outcome !== 'computed') onCall({ kind: outcome });
        },
      );
      return { space: 'engine', ids };
    },
    async close() {
      cache.clear();
      await http.close();
    },
  };
}

/** Everything that the engine sees, the model included. The pod does not matter: all of them serve the same model. */
function cacheKey({ path, raw }: PromptRequest): string {
  return createHash('sha256').update(path).update('\0').update(raw).digest('base64');
}

function idsOf(answer: EngineAnswer): Uint32Array {
  switch (answer.kind) {
    case 'tokens':
      return answer.ids;
    case 'refused':
      throw new TokenizerError('refused', 'the engine refuses the request');
    case 'absent':
      throw new TokenizerError('unavailable', 'the engine neither renders nor tokenizes');
    case 'failed':
      throw new TokenizerError('unavailable', 'the engine did not answer with tokens');
  }
}

/** The reason of an abort that comes from the deadline. */
const DEADLINE_PASSED = new Error('the engine did not answer in time');

async function withDeadline<T>(
  signal: AbortSignal,
  timeoutMs: number,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const deadline = deadlineAfter(timeoutMs, signal, DEADLINE_PASSED);
  try {
    return await work(deadline.signal);
  } finally {
    deadline.clear();
  }
}

function asTimeout(error: unknown, signal: AbortSignal): unknown {
  if (!(error instanceof TokenizerError) || error.kind !== 'aborted') return error;
  if (signal.reason !== DEADLINE_PASSED) return error;
  return new TokenizerError('timeout', DEADLINE_PASSED.message, { cause: error });
}
