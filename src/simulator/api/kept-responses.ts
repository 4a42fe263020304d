/** Responses that the engine keeps, where it is configured to, to be shown or continued later. */

import type { EngineCore, KeptResponse } from '../core.ts';
import { ApiError } from './api-error.ts';
import type { Exchange } from './http.ts';

export const NONE_KEPT =
  'This vLLM engine does not support `store=True` and therefore does not support the background mode. To enable these ' +
  'features, set the environment variable `VLLM_ENABLE_RESPONSES_API_STORE=1` when launching the vLLM server.';

export function showResponse(core: EngineCore, exchange: Exchange): void {
  exchange.json(keptResponse(core, idIn(exchange)).response);
}

export function cancelResponse(core: EngineCore, exchange: Exchange): void {
  keptResponse(core, idIn(exchange));
  throw new ApiError(400, 'invalid_request_error', 'Cannot cancel a synchronous response.', 'response_id');
}

/** Throws ApiError (404). */
export function keptResponse(core: EngineCore, id: string): KeptResponse {
  const kept = core.keptResponses.get(id);
  if (kept !== undefined) return kept;
  const message = `Response with id '${id}' not found.`;
  throw new ApiError(404, 'invalid_request_error', message, 'response_id');
}

function idIn({ path }: Exchange): string {
  return path.split('/')[3]!;
}
