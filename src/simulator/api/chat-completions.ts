/** `/v1/chat/completions`, whole and streamed. */
import { randomBytes } from 'node:crypto';
import { type EngineCore, nowSeconds } from '../core.ts';
import type { FinishReason } from '../scheduler.ts';
import { answerOf, type Piece, piecesOf } from './answers.ts';
import { requestId, run, systemFingerprint, type Work, workOf } from './generation.ts';
import type { Body, Exchange } from './http.ts';
import { chatTokens, wantsReasoning } from './prompts.ts';
import { chatCall } from './tool-choice.ts';
import { countsOf, streamedUsage, usage, wantsUsage } from './usage.ts';

export async function chatCompletion(core: EngineCore, exchange: Exchange): Promise<void> {
  const body = await exchange.body();
  const work = chatWork(core, body);
  const head = { id: requestId(exchange, 'chatcmpl-'), created: nowSeconds(core), model: work.model };
  if (body.stream === true) return streamChat(core, exchange, body, work, head);
  const generation = await run(core, exchange, work);
  const { reasoning, text, call } = answerOf(work.script, generation);
  const calls = call && [{ id: toolCallId(), type: 'function', function: call }];
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
          content: reasoning !== '' && text === '' && call === undefined ? null : text,
          refusal: null,
          annotations: null,
          audio: null,
          function_call: null,
          ...(calls !== undefined
            ? { tool_calls: calls }
            : core.dialect === '0.23'
              ? { tool_calls: [] }
              : {}),
          reasoning: reasoning === '' ? null : reasoning,
        },
        logprobs: null,
        finish_reason: call === undefined ? generation.finishReason : finishOf(body, generation.finishReason),
        stop_reason: null,
        token_ids: body.return_token_ids === true ? generation.tokenIds : null,
        routed_experts: null,
      },
    ],
    service_tier: null,
    system_fingerprint: systemFingerprint(core),
    usage: usage(core, 'chat', countsOf(core, [{ ...work, generation }])),
    prompt_logprobs: null,
    prompt_token_ids: body.return_token_ids === true ? work.promptTokens : null,
    prompt_text: null,
    kv_transfer_params: null,
    ...(core.dialect === '0.32' ? { ec_transfer_params: null, metrics: null } : {}),
  });
}

/** Also what `…/render` shows. */
export function chatWork(core: EngineCore, body: Body): Work {
  return workOf(core, body, {
    promptTokens: chatTokens(body, core.options),
    maxTokens: body.max_completion_tokens ?? body.max_tokens,
    call: chatCall(body),
    reasoning: wantsReasoning(body),
  });
}

export function toolCallId(): string {
  return `chatcmpl-tool-${randomBytes(8).toString('hex')}`;
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
  let tokens = 0;
  let calls = false;
  const generation = await run(core, exchange, work, (token, finishReason) => {
    if (tokens === 0) {
      const delta = { role: 'assistant', content: '' };
      const choice = { index: 0, delta, logprobs: null, finish_reason: null };
      const prompt = { prompt_token_ids: null, ...(core.dialect === '0.32' && { prompt_text: null }) };
      stream.send({ ...chunk, choices: [choice], ...prompt });
    }
    const pieces = piecesOf(work.script, tokens++, token);
    calls ||= pieces.some(({ kind }) => kind === 'call');
    const deltas = pieces.map(deltaOf);
    // The end token shows nothing, but has to say that it is the end.
    if (finishReason !== undefined && deltas.length === 0) deltas.push({});
    for (const [i, delta] of deltas.entries()) {
      const end = i === deltas.length - 1 ? finishReason : undefined;
      const choice = {
        index: 0,
        delta,
        logprobs: null,
        finish_reason: end === undefined ? null : calls ? finishOf(body, end) : end,
        ...(end === undefined ? {} : { stop_reason: null }),
        token_ids: body.return_token_ids === true ? [token] : null,
      };
      stream.send({ ...chunk, choices: [choice] });
    }
  });
  if (wantsUsage(body)) {
    const counts = countsOf(core, [{ ...work, generation }]);
    const tail = { usage: streamedUsage(core, 'chat', counts), system_fingerprint: systemFingerprint(core) };
    stream.send({ ...chunk, choices: [], ...tail });
  }
  stream.done();
  stream.end();
}

function deltaOf({ kind, text }: Piece): object {
  switch (kind) {
    case 'text':
      return { content: text };
    case 'reasoning':
      return { reasoning: text };
    case 'call': {
      const call = { id: toolCallId(), type: 'function', index: 0, function: { name: text } };
      return { content: null, tool_calls: [call] };
    }
    case 'arguments':
      return { content: null, tool_calls: [{ index: 0, function: { arguments: text } }] };
  }
}

/** A call that the request has named ends with `stop`, as in OpenAI's API. */
function finishOf({ tool_choice: choice }: Body, finishReason: FinishReason): FinishReason | 'tool_calls' {
  return finishReason === 'stop' && choice === 'required' ? 'tool_calls' : finishReason;
}
