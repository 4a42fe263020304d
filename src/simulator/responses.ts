/** `/v1/responses`: OpenAI's Responses API, as far as text goes; no stored responses. */

import { answerText } from './completions.ts';
import { type EngineCore, nowSeconds } from './core.ts';
import { requestId, run, type Work, workOf } from './generation.ts';
import type { Body, Exchange } from './http.ts';
import { responsesTokens } from './prompts.ts';
import type { FinishReason, Generation } from './scheduler.ts';

export function responsesWork(core: EngineCore, body: Body): Work {
  return workOf(core, body, responsesTokens(body, core.options), body.max_output_tokens);
}

export async function createResponse(core: EngineCore, exchange: Exchange): Promise<void> {
  const body = await exchange.body();
  const work = responsesWork(core, body);
  const id = requestId(exchange, 'resp_');
  const itemId = requestId(exchange, 'msg_');
  const head = { id, object: 'response', created_at: nowSeconds(core), model: work.model };
  if (body.stream !== true) {
    const generation = await run(core, exchange, work);
    exchange.json({ ...head, ...outcome(work, generation, itemId) });
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
  send('response.completed', { response: { ...head, ...outcome(work, generation, itemId) } });
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
