/** `/v1/messages` and `/v1/messages/count_tokens`: Anthropic's Messages API as vLLM serves it. */
import { missingField, validationError } from './api-error.ts';
import { answerText } from './completions.ts';
import type { EngineCore } from './core.ts';
import { modelOf, requestId, run, type Work, workOf } from './generation.ts';
import type { Body, Exchange } from './http.ts';
import { messagesTokens } from './prompts.ts';
import type { FinishReason } from './scheduler.ts';

export function messagesWork(core: EngineCore, body: Body): Work {
  if (body.max_tokens === undefined) throw validationError(missingField(body, 'max_tokens'));
  return workOf(core, body, messagesTokens(body, core.options), body.max_tokens);
}

export async function createMessage(core: EngineCore, exchange: Exchange): Promise<void> {
  const body = await exchange.body();
  const work = messagesWork(core, body);
  const head = {
    id: requestId(exchange, 'chatcmpl-'),
    type: 'message',
    role: 'assistant',
    model: work.model,
  };
  if (body.stream !== true) {
    const { tokenIds, cachedTokens, finishReason } = await run(core, exchange, work);
    exchange.json({
      ...head,
      content: [{ type: 'text', text: answerText(tokenIds) }],
      stop_reason: stopReason(finishReason),
      stop_sequence: null,
      usage: usage(work, tokenIds.length, cachedTokens),
    });
    return;
  }
  const stream = exchange.stream();
  const send = (type: string, fields: object) => stream.send({ type, ...fields }, type);
  const opening = { ...head, content: [], stop_reason: null, stop_sequence: null };
  send('message_start', { message: { ...opening, usage: usage(work, 0, 0) } });
  send('content_block_start', { index: 0, content_block: { type: 'text', text: '' } });
  const { tokenIds, cachedTokens, finishReason } = await run(core, exchange, work, token =>
    send('content_block_delta', { index: 0, delta: { type: 'text_delta', text: answerText([token]) } }),
  );
  send('content_block_stop', { index: 0 });
  send('message_delta', {
    delta: { stop_reason: stopReason(finishReason), stop_sequence: null },
    usage: usage(work, tokenIds.length, cachedTokens),
  });
  send('message_stop', {});
  stream.end();
}

export async function countTokens(core: EngineCore, exchange: Exchange): Promise<void> {
  const body = await exchange.body();
  modelOf(core, body);
  const count = messagesTokens(body, core.options).length;
  exchange.json({ input_tokens: count, context_management: { original_input_tokens: count } });
}

function stopReason(finishReason: FinishReason): string {
  return finishReason === 'length' ? 'max_tokens' : 'end_turn';
}

/** Anthropic counts cached tokens apart from the input. */
function usage(work: Work, outputTokens: number, cachedTokens: number) {
  return {
    input_tokens: work.promptTokens.length - cachedTokens,
    output_tokens: outputTokens,
    cache_read_input_tokens: cachedTokens,
  };
}
