/** Actions and replies in one line each, so that an exchange reads as a dialogue. */
import { assert } from 'chai';
import { FORGEABLE, TARGET_POD } from '../../src/extproc/headers.ts';
import type { Action } from '../../src/extproc/request-side.ts';
import type { WireResponse } from '../../src/extproc/wire.ts';
import { headersSet } from '../support/envoy-messages.ts';

export function told(action: Action): string {
  switch (action.kind) {
    case 'send':
      return toldReply(action.reply);
    case 'answered':
      return `answered ${action.answer.status}`;
    case 'answer_body':
      return `read ${JSON.stringify(action.part.toString())}`;
    case 'route':
      return [
        `route ${JSON.stringify(Buffer.from(action.request.body).toString())}`,
        ...(action.request.extent === 'whole' ? [] : [action.request.extent]),
      ].join(' ');
    case 'start_body_deadline':
      return 'start the body deadline';
  }
}

/**
 * `<kind> [pick] [override …] ["echo"] [end]`. Fails for a reply that Envoy would refuse or half ignore: of two kinds, a pick
 * without its metadata or route refresh, metadata without a pick, request headers that keep what a client may forge.
 */
export function toldReply(reply: WireResponse): string {
  const { dynamic_metadata, mode_override, immediate_response } = reply;
  const [kind, ...others] = Object.keys(reply).filter(key => /^(request|response|immediate)_/.test(key));
  assert.isEmpty(others);
  if (immediate_response) return `immediate ${immediate_response.status?.code}`;
  const words = [kind];
  const common = reply.request_headers?.response ?? reply.request_body?.response;
  const picked = kind?.startsWith('request_') === true && headersSet(common?.header_mutation).has(TARGET_POD);
  assert.equal(common?.clear_route_cache === true, picked, 'route refresh');
  assert.equal(dynamic_metadata !== undefined, picked, 'metadata');
  if (picked) words.push('pick');
  if (kind === 'request_headers') {
    assert.deepEqual(common?.header_mutation?.remove_headers, FORGEABLE, 'forged headers are removed');
  }
  if (mode_override) {
    const { request_body_mode, response_body_mode, response_header_mode = 'as configured' } = mode_override;
    const body = response_body_mode === 'NONE' ? '' : `, body ${response_body_mode}`;
    words.push('override', String(request_body_mode), `(response headers ${response_header_mode}${body})`);
  }
  const echo = (reply.request_body ?? reply.response_body)?.response?.body_mutation?.streamed_response;
  if (echo) words.push(JSON.stringify(String(echo.body)), ...(echo.end_of_stream ? ['end'] : []));
  return words.join(' ');
}
