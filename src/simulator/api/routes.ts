/** Every endpoint of the simulated engine. */

import { type EngineCore, nowSeconds } from '../core.ts';
import { chatCompletion } from './chat-completions.ts';
import { textCompletion } from './completions.ts';
import { createEmbedding } from './embeddings.ts';
import type { Handler, Routes } from './http.ts';
import { cancelResponse, showResponse } from './kept-responses.ts';
import { countTokens, createMessage } from './messages.ts';
import { METRICS_CONTENT_TYPE, metricsText } from './metrics.ts';
import { renderRoutes } from './render.ts';
import { createResponse } from './responses.ts';
import { detokenize, tokenize } from './tokenize.ts';

export function routesOf(core: EngineCore): Routes {
  const routes = new Map<string, Handler>([
    ['POST /v1/chat/completions', exchange => chatCompletion(core, exchange)],
    ['POST /v1/completions', exchange => textCompletion(core, exchange)],
    ['POST /v1/responses', exchange => createResponse(core, exchange)],
    ['GET /v1/responses/{id}', exchange => showResponse(core, exchange)],
    ['POST /v1/responses/{id}/cancel', exchange => cancelResponse(core, exchange)],
    ['POST /v1/messages', exchange => createMessage(core, exchange)],
    ['POST /v1/messages/count_tokens', exchange => countTokens(core, exchange)],
    ['POST /v1/embeddings', exchange => createEmbedding(core, exchange)],
    ['POST /tokenize', exchange => tokenize(core, exchange)],
    ['POST /detokenize', exchange => detokenize(core, exchange)],
    ['POST /reset_prefix_cache', exchange => exchange.json({ success: core.cache.reset() })],
    ['GET /v1/models', exchange => exchange.json(models(core))],
    ['GET /version', exchange => exchange.json({ version: core.options.version })],
    ['GET /health', exchange => exchange.text('', '')],
    ['GET /ping', exchange => exchange.text('', '')],
    [
      'GET /load',
      exchange => exchange.json({ server_load: core.scheduler.running + core.scheduler.waiting }),
    ],
    ['GET /metrics', exchange => exchange.text(metricsText(core), METRICS_CONTENT_TYPE)],
    ...renderRoutes(core),
  ]);
  // vLLM #55844, in 0.31.
  if (core.dialect === '0.32')
    routes.set('GET /kv_event_sources', exchange => exchange.json(eventSources(core)));
  return routes;
}

function models(core: EngineCore) {
  const { model, adapters, maxModelLen } = core.options;
  const created = nowSeconds(core);
  const card = (id: string, parent: string | null, maxLength: number | null) => ({
    id,
    object: 'model',
    created,
    owned_by: 'vllm',
    root: id,
    parent,
    max_model_len: maxLength,
    permission: [
      {
        id: `modelperm-${id}`,
        object: 'model_permission',
        created,
        allow_create_engine: false,
        allow_sampling: true,
        allow_logprobs: true,
        allow_search_indices: false,
        allow_view: true,
        allow_fine_tuning: false,
        organization: '*',
        group: null,
        is_blocking: false,
      },
    ],
  });
  return {
    object: 'list',
    data: [card(model, null, maxModelLen), ...adapters.map(adapter => card(adapter, model, null))],
  };
}

/** Keyed by data-parallel rank. */
function eventSources(core: EngineCore) {
  const { publisher, options } = core;
  // An engine that listens says `*`; a host would mean that it connects to there.
  const endpoint = (port: number | undefined) => (port === undefined ? null : `tcp://*:${port}`);
  return {
    '0': {
      enable_kv_cache_events: publisher.port !== undefined,
      publisher: publisher.port === undefined ? 'null' : 'zmq',
      endpoint: endpoint(publisher.port),
      replay_endpoint: endpoint(publisher.replayPort),
      buffer_steps: options.replayBufferSteps,
      hwm: 100_000,
      max_queue_size: 100_000,
      topic: options.topic,
    },
  };
}
