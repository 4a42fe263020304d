/** `/v1/responses`: OpenAI's Responses API, as far as text, reasoning and function calls go; no background mode. */
import { randomBytes } from 'node:crypto';
import type { ChatMessage } from '../chat-template.ts';
import { type EngineCore, nowSeconds } from '../core.ts';
import type { FinishReason, Generation } from '../scheduler.ts';
import { type Answer, answerOf, piecesOf } from './answers.ts';
import { ApiError } from './api-error.ts';
import { run, type Work, workOf } from './generation.ts';
import type { Body, Exchange } from './http.ts';
import { keptResponse, NONE_KEPT } from './kept-responses.ts';
import { responsesTokens, wantsReasoning } from './prompts.ts';
import { itemsOf, type SendEvent, StreamedItems } from './response-items.ts';
import { responsesCall } from './tool-choice.ts';
import { countsOf } from './usage.ts';

export function responsesWork(core: EngineCore, body: Body): Work {
  return workFor(core, body, responsesTokens(body, core.options).tokens);
}

function workFor(core: EngineCore, body: Body, promptTokens: number[]): Work {
  return workOf(core, body, {
    promptTokens,
    maxTokens: body.max_output_tokens ?? undefined,
    call: responsesCall(body),
    reasoning: wantsReasoning(body),
  });
}

export async function createResponse(core: EngineCore, exchange: Exchange): Promise<void> {
  const body = await exchange.body();
  if (core.options.responses === 'forgotten' && body.background === true && body.store !== false)
    throw new ApiError(400, 'invalid_request_error', NONE_KEPT, 'background');
  const { previous_response_id: previousId = null } = body;
  const previous = previousId === null ? [] : keptResponse(core, String(previousId)).messages;
  const { tokens: promptTokens, messages } = responsesTokens(body, core.options, previous);
  const work = workFor(core, body, promptTokens);
  // Not the client's X-Request-Id, other than everywhere else.
  const id =
    typeof body.request_id === 'string' ? body.request_id : `resp_${randomBytes(16).toString('hex')}`;
  const head = { id, created_at: nowSeconds(core) };
  const responseOf = (progress: Progress) => ({ ...head, ...response(body, work, progress) });
  const finish = (generation: Ended, output: (answer: Answer) => readonly object[]) => {
    const answer = answerOf(work.script, generation);
    const whole = responseOf(ended(core, work, generation, output(answer)));
    if (core.options.responses === 'kept' && body.store !== false)
      core.keptResponses.set(id, { response: whole, messages: [...messages, said(answer)] });
    return whole;
  };
  if (body.stream !== true) {
    exchange.json(finish(await run(core, exchange, work), itemsOf));
    return;
  }
  const stream = exchange.stream();
  let sequence = 0;
  const send: SendEvent = (type, fields) =>
    stream.send({ ...fields, sequence_number: sequence++, type }, type);
  send('response.created', { response: responseOf(BEGUN) });
  send('response.in_progress', { response: responseOf(BEGUN) });
  const items = new StreamedItems(send);
  let tokens = 0;
  const generation = await run(core, exchange, work, token => {
    for (const piece of piecesOf(work.script, tokens++, token)) items.add(piece);
  });
  send('response.completed', { response: finish(generation, () => items.end()) });
  stream.end();
}

function said({ reasoning, text, call }: Answer): ChatMessage {
  return { role: 'assistant', reasoning, content: text, toolCalls: call === undefined ? [] : [call] };
}

type Ended = Generation & { readonly finishReason: FinishReason };

interface Progress {
  readonly status: 'in_progress' | 'completed' | 'incomplete';
  readonly output: readonly object[];
  readonly usage: object | null;
}

const BEGUN: Progress = { status: 'in_progress', output: [], usage: null };

function ended(core: EngineCore, work: Work, generation: Ended, output: readonly object[]): Progress {
  const counts = countsOf(core, [{ ...work, generation }]);
  const { promptTokens, completionTokens, cachedTokens, createdTokens, reasoningTokens = 0 } = counts;
  return {
    status: generation.finishReason === 'stop' ? 'completed' : 'incomplete',
    output,
    usage: {
      input_tokens: promptTokens,
      input_tokens_details: {
        cached_tokens: cachedTokens,
        cache_write_tokens: createdTokens,
        input_tokens_per_turn: [],
        cached_tokens_per_turn: [],
      },
      output_tokens: completionTokens,
      output_tokens_details: {
        reasoning_tokens: reasoningTokens,
        tool_output_tokens: 0,
        output_tokens_per_turn: [],
        tool_output_tokens_per_turn: [],
      },
      total_tokens: promptTokens + completionTokens,
    },
  };
}

/** All but id and time. Most of it repeats the request. */
function response(body: Body, work: Work, { status, output, usage }: Progress) {
  const tools = (body.tools ?? []) as readonly Body[];
  return {
    incomplete_details: status === 'incomplete' ? { reason: 'max_output_tokens' } : null,
    instructions: body.instructions ?? null,
    metadata: body.metadata ?? null,
    model: work.model,
    object: 'response',
    output,
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    temperature: body.temperature ?? 0.6,
    tool_choice: tools.length === 0 ? 'none' : choiceShown(body.tool_choice),
    tools: tools.map(toolShown),
    top_p: body.top_p ?? 0.95,
    background: false,
    max_output_tokens: work.maxTokens,
    max_tool_calls: null,
    previous_response_id: body.previous_response_id ?? null,
    prompt: null,
    reasoning: body.reasoning ?? null,
    service_tier: 'auto',
    status,
    text: body.text ?? null,
    top_logprobs: null,
    truncation: 'disabled',
    usage,
    user: body.user ?? null,
    presence_penalty: 0,
    frequency_penalty: 0,
    kv_transfer_params: null,
    ec_transfer_params: null,
    input_messages: null,
    output_messages: null,
  };
}

function toolShown({ name, parameters, strict, type, description }: Body): object {
  return {
    name,
    parameters,
    strict: strict ?? null,
    type,
    ...{ allowed_callers: null, async: null, defer_loading: null },
    description: description ?? null,
    output_schema: null,
  };
}

function choiceShown(choice: unknown): unknown {
  if (typeof choice !== 'object' || choice === null) return choice ?? 'auto';
  const { name, type } = choice as Body;
  return { name, type };
}
