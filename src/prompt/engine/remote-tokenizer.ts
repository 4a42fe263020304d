/**
 * The engine's own tokens, asked of the engine. Its render endpoints give exactly what generation will see; where a pod
 * does not serve them, `/tokenize` does for chats and texts. Which pods do not is remembered for a while.
 */
import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { endpointOf, type Pod } from '../../domain.ts';
import { type Clock, deadlineAfter, monotonicClock, realSleep, type Sleep } from '../../time.ts';
import { type PromptRequest, parsePrompt } from '../request.ts';
import {
  isDeadline,
  TOO_LATE,
  type Tokenizer,
  TokenizerError,
  type TokenizerErrorKind,
} from '../tokenizer.ts';
import { type EngineAnswer, type EngineRoute, readAnswer } from './answers.ts';
import { createEngineHttp, type EngineAccess, type EngineResponse } from './http.ts';
import { createPodCalls, OUTRUN, type PodCallsOptions } from './pod-calls.ts';
import { renderBody } from './render-body.ts';
import { createTokenCache, type EngineTokens } from './token-cache.ts';
import { tokenizeBodies } from './tokenize-bodies.ts';

/** A million tokens are about 7 MB of JSON; a render of images adds their processed form. */
const DEFAULT_MAX_RESPONSE_BYTES = 64 * 1024 * 1024;
/** Engines are upgraded in place, under the same name and address. */
const DEFAULT_FORGET_MISSING_AFTER_MS = 10 * 60 * 1000;
const MAX_REMEMBERED_ROUTES = 16_384;
const PROBE = '.';

export interface RemoteTokenizerOptions {
  /** Of one prompt, whichever pods are asked; the caller's signal may end it before. */
  readonly timeoutMs: number;
  /** Bound of the results that are kept; 0 keeps none. */
  readonly cacheBytes: number;
  readonly breaker: PodCallsOptions['breaker'];
  readonly maxConnectionsPerPod: number;
  /** A longer answer counts as none. Default 64 MiB. */
  readonly maxResponseBytes?: number;
  /** How long a pod is not asked again for an endpoint that it did not have. More than 0; default 10 minutes. */
  readonly forgetMissingAfterMs?: number;
  /** Where a pod's HTTP API is, e.g. `http://10.0.0.1:8000`; a path is kept as prefix. Default: `http://` + endpointOf(pod). */
  readonly urlOf?: (pod: Pod) => string;
  readonly access?: EngineAccess;
  /** For the breakers, for latencies and for forgetting, not for `timeoutMs`. */
  readonly now?: Clock;
  /** How long a slow pod is waited for before another one is asked. */
  readonly sleep?: Sleep;
  readonly onCall?: (fact: TokenizeFact) => void;
  /** For whoever traces calls to engines. */
  readonly around?: AroundCall;
}

/** Makes a call, `send`, with headers beside its own. */
export type AroundCall = (
  call: { readonly pod: Pod; readonly url: string },
  send: (headers: Readonly<Record<string, string>>) => Promise<EngineResponse>,
) => Promise<EngineResponse>;

/**
 * What happened, for metrics.
 * - `hit`: answered from the cache; `shared`: a call for the same prompt was already under way;
 * - `call`: a request to an engine has ended; `absent`: the engine does not serve the route, `unauthorized`: not without
 *   its API key; `outrun`: another pod's answer was
 *   there first;
 * - `retry`: `pod` was unavailable, another one is asked; `hedge`: it is slower than usual, another one is asked beside it;
 * - `no_form`: `pod` serves nothing that requests to `path` as this one could be tokenized with;
 * - `breaker`: `pod`'s circuit has opened or closed.
 */
export type TokenizeFact =
  | { readonly kind: 'hit' }
  | { readonly kind: 'shared' }
  | {
      readonly kind: 'call';
      readonly route: EngineRoute;
      readonly pod: Pod;
      readonly outcome: 'tokens' | 'absent' | 'unauthorized' | 'outrun' | TokenizerErrorKind;
      readonly durationMs: number;
    }
  | { readonly kind: 'retry' | 'hedge'; readonly pod: Pod }
  | { readonly kind: 'no_form'; readonly pod: Pod; readonly path: string }
  | { readonly kind: 'breaker'; readonly pod: Pod; readonly state: 'open' | 'closed' };

export function createRemoteTokenizer(options: RemoteTokenizerOptions): Tokenizer {
  const now = options.now ?? monotonicClock;
  const onCall = options.onCall ?? (() => {});
  const around: AroundCall = options.around ?? ((_, send) => send({}));
  const urlOf = options.urlOf ?? (pod => `http://${endpointOf(pod)}`);
  const keyOf = (pod: Pod) => `${pod.name} ${urlOf(pod)}`;

  const http = createEngineHttp({
    maxConnectionsPerPod: options.maxConnectionsPerPod,
    maxResponseBytes: options.maxResponseBytes ?? DEFAULT_MAX_RESPONSE_BYTES,
    ...(options.access && { access: options.access }),
  });
  const cache = createTokenCache(options.cacheBytes);
  const calls = createPodCalls({
    breaker: options.breaker,
    keyOf,
    probe,
    now,
    sleep: options.sleep ?? realSleep,
    onAnother: (why, pod) => onCall({ kind: why === 'slow' ? 'hedge' : 'retry', pod }),
    onBreaker: (pod, state) => onCall({ kind: 'breaker', pod, state }),
  });
  /** By pod and path, or by pod alone: what it did not serve when it was asked. */
  const missing = new LRUCache<string, true>({
    max: MAX_REMEMBERED_ROUTES,
    ttl: options.forgetMissingAfterMs ?? DEFAULT_FORGET_MISSING_AFTER_MS,
    // Without a resolution lru-cache starts no timers of its own.
    ttlResolution: 0,
    perf: { now },
  });
  const closing = new AbortController();

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
      const response = await around({ pod, url }, more => http.postJson(url, body, signal, more));
      const answer = readAnswer(route, response);
      ended(answer.kind === 'failed' ? 'unavailable' : answer.kind);
      return answer;
    } catch (error) {
      if (signal.reason === OUTRUN) ended('outrun');
      else if (isDeadline(signal)) ended('timeout');
      else if (error instanceof TokenizerError) ended(error.kind);
      throw error;
    }
  }

  async function askPod(pod: Pod, prompt: PromptRequest, signal: AbortSignal): Promise<EngineTokens> {
    const key = keyOf(pod);
    const ofPath = `${key} ${prompt.path}`;
    if (!missing.has(ofPath)) {
      const answer = await call('render', pod, `${prompt.path}/render`, renderBody(prompt), signal);
      if (isServed(answer)) return tokensOf(answer);
      missing.set(ofPath, true);
    }
    const bodies = missing.has(key) ? [] : tokenizeBodies(prompt);
    for (const [i, body] of bodies.entries()) {
      const answer = await call('tokenize', pod, '/tokenize', body, signal);
      if (!isServed(answer)) {
        missing.set(key, true);
        break;
      }
      if (answer.kind !== 'refused' || i === bodies.length - 1) return tokensOf(answer);
    }
    onCall({ kind: 'no_form', pod, path: prompt.path });
    throw new TokenizerError(
      'no_form',
      'the engine renders no such request, and /tokenize has no form for it',
    );
  }

  /** As short a prompt as there is: neither its length nor what it says can be why it fails. */
  async function probe(pod: Pod): Promise<'works' | 'fails' | 'unknown'> {
    const raw = Buffer.from(JSON.stringify({ model: pod.model, prompt: PROBE }));
    const parsed = parsePrompt('/v1/completions', undefined, raw);
    if (parsed.kind === 'invalid') return 'works';
    try {
      await within(options.timeoutMs, closing.signal, signal => askPod(pod, parsed.prompt, signal));
      return 'works';
    } catch (error) {
      if (closing.signal.aborted) return 'unknown';
      const isAnswer =
        error instanceof TokenizerError && (error.kind === 'refused' || error.kind === 'no_form');
      return isAnswer ? 'works' : 'fails';
    }
  }

  return {
    async tokenize(prompt, pods, signal) {
      const { content } = prompt;
      if (content.kind === 'none') throw new TypeError('a request without a prompt has no tokens');
      if (content.kind === 'tokens') return { space: 'engine', ids: content.ids };
      if (pods.length === 0) throw new TokenizerError('unavailable', 'no pod to ask');
      const { ids, media } = await cache.get(
        cacheKey(prompt),
        signal,
        shared =>
          within(options.timeoutMs, shared, bounded =>
            calls.run(pods, prompt.raw.length, (pod, signal) => askPod(pod, prompt, signal), bounded),
          ),
        outcome => {
          if (outcome !== 'computed') onCall({ kind: outcome });
        },
      );
      return { space: 'engine', ids, ...(media.length > 0 && { media }) };
    },
    async close() {
      closing.abort();
      cache.clear();
      await http.close();
    },
  };
}

/** Everything that the engine sees, and the model, which not every body names. The pod does not matter: all of them serve the same model. */
function cacheKey({ path, model, raw }: PromptRequest): string {
  return createHash('sha256')
    .update(path)
    .update('\0')
    .update(model)
    .update('\0')
    .update(raw)
    .digest('base64');
}

type ServedAnswer = Extract<EngineAnswer, { readonly kind: 'tokens' | 'refused' | 'failed' }>;

function isServed(answer: EngineAnswer): answer is ServedAnswer {
  return answer.kind !== 'absent' && answer.kind !== 'unauthorized';
}

function tokensOf(answer: ServedAnswer): EngineTokens {
  switch (answer.kind) {
    case 'tokens':
      return answer;
    case 'refused':
      throw new TokenizerError('refused', 'the engine refuses the request');
    case 'failed':
      throw new TokenizerError('unavailable', 'the engine did not answer with tokens');
  }
}

async function within<T>(
  timeoutMs: number,
  outer: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const deadline = deadlineAfter(timeoutMs, outer, TOO_LATE);
  try {
    return await work(deadline.signal);
  } finally {
    deadline.clear();
  }
}
