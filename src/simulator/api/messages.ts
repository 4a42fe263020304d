/** `/v1/messages` and `/v1/messages/count_tokens`: Anthropic's Messages API as vLLM serves it. */

import type { EngineCore } from '../core.ts';
import type { FinishReason, Generation } from '../scheduler.ts';
import { answerOf, piecesOf } from './answers.ts';
import { AnthropicApiError, ApiError, missingField, validationError } from './api-error.ts';
import { blocksOf, StreamedBlocks } from './content-blocks.ts';
import { modelOf, requestId, run, type Work, workOf } from './generation.ts';
import type { Body, Exchange } from './http.ts';
import { messagesTokens, wantsReasoning } from './prompts.ts';
import { messagesCall } from './tool-choice.ts';
import { countsOf } from './usage.ts';

export function messagesWork(core: EngineCore, body: Body): Work {
  if (body.max_tokens === undefined) throw validationError(missingField(body, 'max_tokens'));
  return workOf(core, body, {
    promptTokens: messagesTokens(body, core.options),
    maxTokens: body.max_tokens,
    call: messagesCall(body),
    reasoning: wantsReasoning(body),
  });
}

export async function createMessage(core: EngineCore, exchange: Exchange): Promise<void> {
  const body = await exchange.body();
  const work = inItsShape(() => messagesWork(core, body));
  const head = {
    id: requestId(exchange, 'chatcmpl-'),
    type: 'message',
    role: 'assistant',
  };
  if (body.stream === true) return streamMessage(core, exchange, work, head);
  const generation = await run(core, exchange, work);
  const answer = answerOf(work.script, generation);
  exchange.json({
    ...head,
    content: blocksOf(answer),
    model: work.model,
    stop_reason: answer.call === undefined ? stopReason(generation.finishReason) : 'tool_use',
    usage: usage(core, work, generation),
  });
}

export async function countTokens(core: EngineCore, exchange: Exchange): Promise<void> {
  const body = await exchange.body();
  const count = inItsShape(() => {
    modelOf(core, body);
    return messagesTokens(body, core.options).length;
  });
  exchange.json({ input_tokens: count, context_management: { original_input_tokens: count } });
}

async function streamMessage(core: EngineCore, exchange: Exchange, work: Work, head: object): Promise<void> {
  const stream = exchange.stream();
  const send = (type: string, fields: object) => stream.send({ type, ...fields }, type);
  const opening = { ...head, content: [], model: work.model, stop_reason: null, stop_sequence: null };
  const usageAtStart = { input_tokens: work.promptTokens.length, output_tokens: 0 };
  send('message_start', { message: { ...opening, usage: usageAtStart } });
  const blocks = new StreamedBlocks(send);
  let tokens = 0;
  const generation = await run(core, exchange, work, token => {
    for (const piece of piecesOf(work.script, tokens++, token)) blocks.add(piece);
  });
  blocks.end();
  const stop_reason = blocks.called ? 'tool_use' : stopReason(generation.finishReason);
  send('message_delta', {
    delta: { stop_reason, stop_sequence: null },
    usage: usage(core, work, generation),
  });
  send('message_stop', {});
  stream.end();
}

function stopReason(finishReason: Generation['finishReason']): string {
  return finishReason === 'length' ? 'max_tokens' : 'end_turn';
}

/** Anthropic counts what was cached, and what is now, apart from the input. */
function usage(
  core: EngineCore,
  work: Work,
  generation: Generation & { readonly finishReason: FinishReason },
) {
  const { promptTokens, completionTokens, cachedTokens, createdTokens } = countsOf(core, [
    { ...work, generation },
  ]);
  return {
    input_tokens: promptTokens - cachedTokens - createdTokens,
    output_tokens: completionTokens,
    cache_creation_input_tokens: createdTokens,
    cache_read_input_tokens: cachedTokens,
  };
}

function inItsShape<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof ApiError) || error.type === 'Bad Request') throw error;
    throw new AnthropicApiError(error.status, error.type, error.message);
  }
}
