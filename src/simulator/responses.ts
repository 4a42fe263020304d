/** `/v1/responses`: OpenAI's Responses API, as far as text goes; no background mode. */

import { randomBytes } from 'node:crypto';
import { ApiError } from './api-error.ts';
import type { ChatMessage } from './chat-template.ts';
import { answerText } from './completions.ts';
import { type EngineCore, type KeptResponse, nowSeconds } from './core.ts';
import { requestId, run, type Work, workOf } from './generation.ts';
import type { Body, Exchange } from './http.ts';
import { responsesTokens } from './prompts.ts';
import type { FinishReason, Generation } from './scheduler.ts';

const NONE_KEPT =
  'This vLLM engine does not support `store=True` and therefore does not support the background mode. To enable these ' +
  'features, set the environment variable `VLLM_ENABLE_RESPONSES_API_STORE=1` when launching the vLLM server.';

export function responsesWork(core: EngineCore, body: Body): Work {
  const { tokens } = responsesTokens(body, core.options.model);
  return workOf(core, body, tokens, body.max_output_tokens);
}

export function showResponse(core: EngineCore, exchange: Exchange): void {
  exchange.json(keptResponse(core, exchange.path.split('/')[3]!).response);
}

export function cancelResponse(core: EngineCore, exchange: Exchange): void {
  keptResponse(core, exchange.path.split('/')[3]!);
  throw new ApiError(400, 'invalid_request_error', 'Cannot cancel a synchronous response.', 'response_id');
}

/** Throws ApiError (404). */
function keptResponse(core: EngineCore, id: string): KeptResponse {
  const kept = core.keptResponses.get(id);
  if (kept !== undefined) return kept;
  const message = `Response with id '${id}' not found.`;
  throw new ApiError(404, 'invalid_request_error', message, 'response_id');
}

export async function createResponse(core: EngineCore, exchange: Exchange): Promise<void> {
  const body = await exchange.body();
  if (core.options.responses === 'forgotten' && body.background === true && body.store !== false)
    throw new ApiError(400, 'invalid_request_error', NONE_KEPT, 'background');
  const { previous_response_id: previousId = null } = body;
  const previous = previousId === null ? [] : keptResponse(core, String(previousId)).messages;
  const { tokens, messages } = responsesTokens(body, core.options.model, previous);
  const work = workOf(core, body, tokens, body.max_output_tokens);
  // Not the client's X-Request-Id, other than everywhere else.
  const id =
    typeof body.request_id === 'string' ? body.request_id : `resp_${randomBytes(16).toString('hex')}`;
  const keep = (response: object, answer: readonly number[]) => {
    if (core.options.responses === 'forgotten' || body.store === false) return;
    const said: ChatMessage = { role: 'assistant', content: answerText(answer), toolCalls: [] };
    core.keptResponses.set(id, { response, messages: [...messages, said] });
  };
  const itemId = requestId(exchange, 'msg_');
  const head = { id, object: 'response', created_at: nowSeconds(core), model: work.model };
  if (body.stream !== true) {
    const generation = await run(core, exchange, work);
    const response = { ...head, ...outcome(work, generation, itemId) };
    keep(response, generation.tokenIds);
    exchange.json(response);
    return;
  }
  const stream = exchange.stream();
  let sequence = 0;
  const send = (type: string, fields: object) =>
    stream.send({ type, sequence_number: sequence++, ...fields }, type);
  const place = { item_id: itemId, output_index: 0, content_index: 0 };
  send('response.created', { response: { ...head, status: 'in_progress', output: [] } });
  send('response.output_item.added', {
    output_index: 0,
    item: { ...messageItem(itemId, []), status: 'in_progress' },
  });
  send('response.content_part.added', { ...place, part: textPart('') });
  const generation = await run(core, exchange, work, token =>
    send('response.output_text.delta', { ...place, delta: answerText([token]), logprobs: [] }),
  );
  const text = answerText(generation.tokenIds);
  send('response.output_text.done', { ...place, text, logprobs: [] });
  send('response.content_part.done', { ...place, part: textPart(text) });
  send('response.output_item.done', { output_index: 0, item: messageItem(itemId, [textPart(text)]) });
  const response = { ...head, ...outcome(work, generation, itemId) };
  keep(response, generation.tokenIds);
  send('response.completed', { response });
  stream.end();
}

function outcome(work: Work, generation: Generation & { finishReason: FinishReason }, itemId: string) {
  const complete = generation.finishReason === 'stop';
  return {
    status: complete ? 'completed' : 'incomplete',
    incomplete_details: complete ? null : { reason: 'max_output_tokens' },
    output: [messageItem(itemId, [textPart(answerText(generation.tokenIds))])],
    usage: {
      input_tokens: work.promptTokens.length,
      input_tokens_details: { cached_tokens: generation.cachedTokens },
      output_tokens: generation.tokenIds.length,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: work.promptTokens.length + generation.tokenIds.length,
    },
  };
}

function messageItem(id: string, content: readonly object[]) {
  return { id, type: 'message', role: 'assistant', status: 'completed', content };
}

function textPart(text: string) {
  return { type: 'output_text', text, annotations: [], logprobs: null };
}
