/** What the generating APIs have in common: model, limits, sampling, the request log, usage. */
import { createHash, randomBytes } from 'node:crypto';
import type { ToolCall } from '../chat-template.ts';
import type { EngineCore, RequestLogEntry } from '../core.ts';
import type { CacheContext } from '../kv-cache.ts';
import type { FinishReason, Generation } from '../scheduler.ts';
import { type Script, scriptFor } from './answers.ts';
import { badRequest, unknownModel } from './api-error.ts';
import type { Body, Exchange } from './http.ts';

const REQUEST_LOG_LIMIT = 10_000;

/** The served name that a request is for: the base model if it names none. Throws ApiError (404). */
export function modelOf(core: EngineCore, body: Body): string {
  const { model, adapters } = core.options;
  const asked = body.model ?? model;
  if (asked === model || adapters.includes(asked as string)) return asked as string;
  throw unknownModel(String(asked), core.dialect === '0.32' ? [model] : undefined);
}

export function cacheContextOf(core: EngineCore, body: Body, model: string): CacheContext {
  const salt = body.cache_salt ?? undefined;
  if (salt !== undefined && (typeof salt !== 'string' || salt === '')) {
    throw badRequest(
      "Parameter 'cache_salt' must be a non-empty string if provided. (parameter=cache_salt)",
      'cache_salt',
    );
  }
  return { lora: model === core.options.model ? undefined : model, salt };
}

/** `requested` undefined: whatever the context has left. Throws ApiError (400) if the context is too short. */
export function outputLimit(core: EngineCore, promptTokens: number, requested: unknown): number {
  const { maxModelLen } = core.options;
  const head = `This model's maximum context length is ${maxModelLen} tokens. However, `;
  const wanted = typeof requested === 'number' ? requested : undefined;
  if (wanted !== undefined && wanted < 1) {
    throw badRequest(
      `max_tokens must be at least 1, got ${wanted}. (parameter=max_tokens, value=${wanted})`,
      'max_tokens',
    );
  }
  const promptAlone = wanted === undefined ? promptTokens >= maxModelLen : promptTokens > maxModelLen;
  // 0.23 blames prompt and answer together even if the prompt alone is too long.
  if (promptAlone && (wanted === undefined || core.dialect === '0.32')) {
    const least = maxModelLen + 1;
    throw badRequest(
      `${head}your prompt contains at least ${least} input tokens, which exceeds this limit even without any output ` +
        `tokens. Please reduce the length of the input prompt. (parameter=input_tokens, value=${least})`,
      'input_tokens',
    );
  }
  if (wanted === undefined) return maxModelLen - promptTokens;
  if (promptTokens + wanted <= maxModelLen) return wanted;
  const least = Math.max(0, maxModelLen - wanted) + 1;
  throw badRequest(
    `${head}you requested ${wanted} output tokens and your prompt contains at least ${least} input tokens, for a total ` +
      `of at least ${least + wanted} tokens. Please reduce the length of the input prompt or the number of requested ` +
      `output tokens. (parameter=input_tokens, value=${least})`,
    'input_tokens',
  );
}

export interface Work {
  readonly model: string;
  readonly promptTokens: readonly number[];
  readonly context: CacheContext;
  readonly maxTokens: number;
  readonly ignoreEos: boolean;
  readonly seed: number;
  /** Undefined: noise. */
  readonly script: Script | undefined;
}

export interface WorkRequest {
  readonly promptTokens: readonly number[];
  /** Of the answer, as the client said it. */
  readonly maxTokens: unknown;
  /** Which the model is forced to make. */
  readonly call: ToolCall | undefined;
  readonly reasoning: boolean;
}

export function workOf(
  core: EngineCore,
  body: Body,
  { promptTokens, maxTokens, ...wanted }: WorkRequest,
): Work {
  const model = modelOf(core, body);
  if (promptTokens.length === 0) throw badRequest('The decoder prompt cannot be empty');
  const seed = typeof body.seed === 'number' ? body.seed : 0;
  return {
    model,
    promptTokens,
    context: cacheContextOf(core, body, model),
    maxTokens: outputLimit(core, promptTokens.length, maxTokens),
    ignoreEos: body.ignore_eos === true,
    seed,
    script: scriptFor(promptTokens, seed, wanted),
  };
}

/** Runs it to its end. Rejects if the client or the server went away: there is nobody left to answer. */
export async function run(
  core: EngineCore,
  exchange: Exchange,
  work: Work,
  onToken?: (token: number, finishReason: FinishReason | undefined) => void,
): Promise<Generation & { readonly finishReason: FinishReason }> {
  const entry = logRequest(core, exchange, work.model, work.promptTokens.length);
  const generation = await core.scheduler.generate({
    ...work,
    answer: work.script?.tokens,
    signal: exchange.signal,
    onPrefill: cachedTokens => {
      entry.cachedTokens = cachedTokens;
    },
    ...(onToken === undefined ? {} : { onToken }),
  });
  const { finishReason } = generation;
  if (finishReason === 'abort') throw new Error('aborted');
  return { ...generation, finishReason };
}

export function logRequest(
  core: EngineCore,
  exchange: Exchange,
  model: string,
  promptTokens: number,
): RequestLogEntry {
  const { path, headers } = exchange;
  const entry: RequestLogEntry = {
    path,
    model,
    promptTokens,
    cachedTokens: 0,
    at: core.options.clock.now(),
    headers,
  };
  core.requests.push(entry);
  if (core.requests.length > REQUEST_LOG_LIMIT) core.requests.shift();
  return entry;
}

/** The client's `X-Request-Id` is taken over, as in vLLM. */
export function requestId(exchange: Exchange, prefix: string): string {
  const given = exchange.headers['x-request-id'];
  return prefix + (typeof given === 'string' ? given : randomBytes(8).toString('hex'));
}

export function systemFingerprint(core: EngineCore): string {
  const { version, model } = core.options;
  return `vllm-${version}-${createHash('sha256').update(model).digest('hex').slice(0, 8)}`;
}
