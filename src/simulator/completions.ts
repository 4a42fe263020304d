/** `/v1/chat/completions` and `/v1/completions`, whole and streamed. */
import { type EngineCore, nowSeconds } from './core.ts';
import {
  fullBlockTokens,
  requestId,
  run,
  streamedUsage,
  systemFingerprint,
  type TokenCounts,
  usage,
  type Work,
  workOf,
} from './generation.ts';
import type { Body, Exchange } from './http.ts';
import { chatTokens, completionTokens } from './prompts.ts';
import type { Generation } from './scheduler.ts';
import { decode, END_OF_SEQUENCE } from './tokenizer.ts';

/** vLLM's default for `/v1/completions`, as in OpenAI's API. */
const DEFAULT_COMPLETION_TOKENS = 16;

/** The text of an answer: without its end token. */
export function answerText(tokenIds: readonly number[]): string {
  return decode(tokenIds.filter(token => token !== END_OF_SEQUENCE));
}

export async function chatCompletion(core: EngineCore, exchange: Exchange): Promise<void> {
  const body = await exchange.body();
  const work = chatWork(core, body);
  const head = { id: requestId(exchange, 'chatcmpl-'), created: nowSeconds(core), model: work.model };
  if (body.stream === true) return streamChat(core, exchange, body, work, head);
  const generation = await run(core, exchange, work);
  const counts = countsOf([work], [generation]);
  const created = fullBlockTokens(core, counts.promptTokens) - counts.cachedTokens;
  exchange.json({
    id: head.id,
    object: 'chat.completion',
    created: head.created,
    model: head.model,
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: answerText(generation.tokenIds),
          refusal: null,
          annotations: null,
          audio: null,
          function_call: null,
          ...(core.dialect === '0.23' ? { tool_calls: [] } : {}),
          reasoning: null,
        },
        logprobs: null,
        finish_reason: generation.finishReason,
        stop_reason: null,
        token_ids: body.return_token_ids === true ? generation.tokenIds : null,
        routed_experts: null,
      },
    ],
    service_tier: null,
    system_fingerprint: systemFingerprint(core),
    usage: usage(core, counts, Math.max(0, created)),
    prompt_logprobs: null,
    prompt_token_ids: body.return_token_ids === true ? work.promptTokens : null,
    prompt_text: null,
    kv_transfer_params: null,
    ...(core.dialect === '0.32' ? { ec_transfer_params: null, metrics: null } : {}),
  });
}

export async function textCompletion(core: EngineCore, exchange: Exchange): Promise<void> {
  const body = await exchange.body();
  const works = completionWorks(core, body);
  const head = { id: requestId(exchange, 'cmpl-'), created: nowSeconds(core), model: works[0]!.model };
  if (body.stream === true) return streamText(core, exchange, body, works, head);
  const generations = await Promise.all(works.map(work => run(core, exchange, work)));
  exchange.json({
    id: head.id,
    object: 'text_completion',
    created: head.created,
    model: head.model,
    choices: generations.map((generation, index) => ({
      index,
      text: answerText(generation.tokenIds),
      logprobs: null,
      finish_reason: generation.finishReason,
      stop_reason: null,
      token_ids: body.return_token_ids === true ? generation.tokenIds : null,
      prompt_logprobs: null,
      prompt_token_ids: body.return_token_ids === true ? works[index]!.promptTokens : null,
      routed_experts: null,
    })),
    service_tier: null,
    system_fingerprint: systemFingerprint(core),
    usage: usage(core, countsOf(works, generations), null),
    kv_transfer_params: null,
    ...(core.dialect === '0.32' ? { ec_transfer_params: null, metrics: null } : {}),
  });
}

/** Also what `…/render` shows. */
export function chatWork(core: EngineCore, body: Body): Work {
  const tokens = chatTokens(body, core.options);
  return workOf(core, body, tokens, body.max_completion_tokens ?? body.max_tokens);
}

/** One per prompt. */
export function completionWorks(core: EngineCore, body: Body): Work[] {
  return completionTokens(body).map(tokens =>
    workOf(core, body, tokens, body.max_tokens ?? DEFAULT_COMPLETION_TOKENS),
  );
}

interface Head {
  readonly id: string;
  readonly created: number;
  readonly model: string;
}

async function streamChat(
  core: EngineCore,
  exchange: Exchange,
  body: Body,
  work: Work,
  head: Head,
): Promise<void> {
  const chunk = { id: head.id, object: 'chat.completion.chunk', created: head.created, model: head.model };
  const stream = exchange.stream();
  let first = true;
  const generation = await run(core, exchange, work, (token, finishReason) => {
    if (first) {
      const choice = {
        index: 0,
        delta: { role: 'assistant', content: '' },
        logprobs: null,
        finish_reason: null,
      };
      stream.send({ ...chunk, choices: [choice], prompt_token_ids: null });
      first = false;
    }
    const end = finishReason === undefined ? {} : { stop_reason: null };
    const choice = {
      index: 0,
      delta: { content: answerText([token]) },
      logprobs: null,
      finish_reason: finishReason ?? null,
      ...end,
      token_ids: body.return_token_ids === true ? [token] : null,
    };
    stream.send({ ...chunk, choices: [choice] });
  });
  if (wantsUsage(body)) {
    const counts = countsOf([work], [generation]);
    const tail = { usage: streamedUsage(core, counts), system_fingerprint: systemFingerprint(core) };
    stream.send({ ...chunk, choices: [], ...tail });
  }
  stream.done();
  stream.end();
}

async function streamText(
  core: EngineCore,
  exchange: Exchange,
  body: Body,
  works: readonly Work[],
  head: Head,
): Promise<void> {
  const chunk = { id: head.id, object: 'text_completion', created: head.created, model: head.model };
  const stream = exchange.stream();
  const streamOne = (work: Work, index: number) =>
    run(core, exchange, work, (token, finishReason) => {
      const choice = {
        index,
        text: answerText([token]),
        logprobs: null,
        finish_reason: finishReason ?? null,
        stop_reason: null,
        prompt_token_ids: null,
        token_ids: body.return_token_ids === true ? [token] : null,
      };
      stream.send({ ...chunk, choices: [choice] });
    });
  const generations = await Promise.all(works.map(streamOne));
  if (wantsUsage(body)) {
    const counts = countsOf(works, generations);
    const tail = { usage: streamedUsage(core, counts), system_fingerprint: systemFingerprint(core) };
    stream.send({ ...chunk, choices: [], ...tail });
  }
  stream.done();
  stream.end();
}

function wantsUsage(body: Body): boolean {
  const options = body.stream_options;
  return typeof options === 'object' && options !== null && (options as Body).include_usage === true;
}

function countsOf(works: readonly Work[], generations: readonly Generation[]): TokenCounts {
  const sum = (numbers: readonly number[]) => numbers.reduce((total, each) => total + each, 0);
  return {
    promptTokens: sum(works.map(work => work.promptTokens.length)),
    completionTokens: sum(generations.map(generation => generation.tokenIds.length)),
    cachedTokens: sum(generations.map(generation => generation.cachedTokens)),
  };
}
