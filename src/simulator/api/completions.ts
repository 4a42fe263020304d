/** `/v1/completions`, whole and streamed. */

import { type EngineCore, nowSeconds } from '../core.ts';
import type { Generation } from '../scheduler.ts';
import { answerText } from './answers.ts';
import { requestId, run, systemFingerprint, type Work, workOf } from './generation.ts';
import type { Body, Exchange } from './http.ts';
import { completionTokens } from './prompts.ts';
import { countsOf, type Done, streamedUsage, usage, wantsUsage } from './usage.ts';

/** vLLM's default, as in OpenAI's API. */
const DEFAULT_COMPLETION_TOKENS = 16;

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
    usage: usage(core, 'completions', countsOf(core, doneOf(works, generations))),
    kv_transfer_params: null,
    ...(core.dialect === '0.32' ? { ec_transfer_params: null, metrics: null } : {}),
  });
}

/** One per prompt. */
export function completionWorks(core: EngineCore, body: Body): Work[] {
  return completionTokens(body).map(tokens =>
    workOf(core, body, {
      promptTokens: tokens,
      maxTokens: body.max_tokens ?? DEFAULT_COMPLETION_TOKENS,
      ...{ call: undefined, reasoning: false },
    }),
  );
}

interface Head {
  readonly id: string;
  readonly created: number;
  readonly model: string;
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
    const counts = countsOf(core, doneOf(works, generations));
    const tail = {
      usage: streamedUsage(core, 'completions', counts),
      system_fingerprint: systemFingerprint(core),
    };
    stream.send({ ...chunk, choices: [], ...tail });
  }
  stream.done();
  stream.end();
}

function doneOf(works: readonly Work[], generations: readonly Generation[]): Done[] {
  return works.map((work, i) => ({ ...work, generation: generations[i]! }));
}
