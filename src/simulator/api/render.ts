/**
 * `…/render`: the prompt's token ids exactly as the endpoint would compute them, without computing anything. Since
 * vLLM 0.30 only with `--enable-scale-out`.
 */

import type { EngineCore } from '../core.ts';
import { ApiError, renderDisabled } from './api-error.ts';
import { chatWork } from './chat-completions.ts';
import { completionWorks } from './completions.ts';
import { requestId, type Work } from './generation.ts';
import type { Body, Exchange, Handler } from './http.ts';
import { messagesWork } from './messages.ts';
import { responsesWork } from './responses.ts';

/** Endpoint → handler, only those that the engine's options know. */
export function renderRoutes(core: EngineCore): [string, Handler][] {
  const one = (
    path: string,
    prefix: string,
    workOf: (core: EngineCore, body: Body) => Work,
  ): [string, Handler] => [
    `POST ${path}/render`,
    async exchange => {
      if (core.options.render === 'off') throw renderDisabled();
      const body = await exchange.body();
      exchange.json(rendered(core, body, workOf(core, body), requestId(exchange, prefix)));
    },
  ];
  const both: [string, Handler][] = [
    one('/v1/chat/completions', 'chatcmpl-', chatWork),
    ['POST /v1/completions/render', exchange => renderCompletions(core, exchange)],
  ];
  if (core.options.render === 'chat-and-completions') {
    // There it is the route of a stored response with this id, so that a POST is answered with 405.
    return [...both, ['GET /v1/responses/render', () => Promise.reject(noSuchResponse())]];
  }
  return [
    ...both,
    one('/v1/responses', 'resp_', responsesWork),
    one('/v1/messages', 'chatcmpl-', messagesWork),
  ];
}

function noSuchResponse(): ApiError {
  return new ApiError(404, 'invalid_request_error', "Response with id 'render' not found.");
}

/** A list, one element per prompt; ids are numbered if there are several. */
async function renderCompletions(core: EngineCore, exchange: Exchange): Promise<void> {
  if (core.options.render === 'off') throw renderDisabled();
  const body = await exchange.body();
  const works = completionWorks(core, body);
  const id = requestId(exchange, 'cmpl-');
  exchange.json(works.map((work, i) => rendered(core, body, work, works.length === 1 ? id : `${id}-${i}`)));
}

function rendered(core: EngineCore, body: Body, work: Work, id: string) {
  const modern = core.dialect === '0.32';
  return {
    request_id: id,
    token_ids: work.promptTokens,
    ...(modern ? { token_offsets: null } : {}),
    features: null,
    ...(modern ? { content_parts: null } : {}),
    sampling_params: samplingParams(body, work, id),
    model: work.model,
    ...(modern
      ? {
          reasoning_ended: null,
          reasoning_parser_kwargs: null,
          return_token_ids: null,
          output_mode: 'tokens',
        }
      : {}),
    stream: body.stream === true,
    stream_options: body.stream_options ?? null,
    cache_salt: work.context.salt ?? null,
    priority: 0,
    kv_transfer_params: null,
    ...(modern ? { ec_transfer_params: null } : {}),
  };
}

function samplingParams(body: Body, work: Work, id: string) {
  const chat = id.startsWith('chatcmpl-');
  const greedy = body.temperature === 0;
  return {
    presence_penalty: body.presence_penalty ?? 0,
    frequency_penalty: body.frequency_penalty ?? 0,
    repetition_penalty: 1,
    temperature: body.temperature ?? 0.6,
    ...(greedy ? {} : { top_p: body.top_p ?? 0.95, top_k: 20, min_p: 0 }),
    ...(typeof body.seed === 'number' ? { seed: body.seed } : {}),
    stop: [],
    stop_token_ids: [],
    ...(work.ignoreEos ? { ignore_eos: true } : {}),
    max_tokens: work.maxTokens,
    // A tool parser has to see the special tokens.
    ...(chat && Array.isArray(body.tools) ? { skip_special_tokens: false } : {}),
    output_kind: body.stream === true ? 1 : 2,
    skip_clone: true,
    ...(id.startsWith('resp_') ? { extra_args: {} } : {}),
    bad_words: [],
    skip_reading_prefix_cache: false,
  };
}
