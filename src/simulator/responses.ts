/** `/v1/responses`: OpenAI's Responses API, as far as text, reasoning and function calls go; no stored responses. */
import { answerOf, piecesOf } from './answers.ts';
import { type EngineCore, nowSeconds } from './core.ts';
import { requestId, run, type Work, workOf } from './generation.ts';
import type { Body, Exchange } from './http.ts';
import { responsesTokens, wantsReasoning } from './prompts.ts';
import { itemsOf, type SendEvent, StreamedItems } from './response-items.ts';
import type { FinishReason, Generation } from './scheduler.ts';
import { responsesCall } from './tool-choice.ts';
import { countsOf } from './usage.ts';

export function responsesWork(core: EngineCore, body: Body): Work {
  return workOf(core, body, {
    promptTokens: responsesTokens(body, core.options),
    maxTokens: body.max_output_tokens ?? undefined,
    call: responsesCall(body),
    reasoning: wantsReasoning(body),
  });
}

export async function createResponse(core: EngineCore, exchange: Exchange): Promise<void> {
  const body = await exchange.body();
  const work = responsesWork(core, body);
  const head = { id: requestId(exchange, 'resp_'), created_at: nowSeconds(core) };
  const responseOf = (progress: Progress) => ({ ...head, ...response(body, work, progress) });
  if (body.stream !== true) {
    const generation = await run(core, exchange, work);
    exchange.json(responseOf(ended(core, work, generation, itemsOf(answerOf(work.script, generation)))));
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
  send('response.completed', { response: responseOf(ended(core, work, generation, items.end())) });
  stream.end();
}

interface Progress {
  readonly status: 'in_progress' | 'completed' | 'incomplete';
  readonly output: readonly object[];
  readonly usage: object | null;
}

const BEGUN: Progress = { status: 'in_progress', output: [], usage: null };

function ended(
  core: EngineCore,
  work: Work,
  generation: Generation & { readonly finishReason: FinishReason },
  output: readonly object[],
): Progress {
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
    previous_response_id: null,
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
