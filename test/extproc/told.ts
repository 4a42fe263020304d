/** Actions and replies in one line each, so that an exchange reads as a dialogue. */
import { assert } from 'chai';
import { FORGEABLE, MODEL, ROUTING_STRATEGY, TARGET_POD } from '../../src/extproc/headers.ts';
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
 * `<kind> [pick | model <name>] [without its strategy] [override …] ["echo"] [end]`. Fails for a reply that Envoy would refuse or half
 * ignore: of two kinds, a decision without its metadata or route refresh, metadata without a decision, request headers that keep what a
 * client may forge.
 */
export function toldReply(reply: WireResponse): string {
  const { dynamic_metadata, mode_override, immediate_response } = reply;
  const [kind, ...others] = Object.keys(reply).filter(key => /^(request|response|immediate)_/.test(key));
  assert.isEmpty(others);
  if (immediate_response) return `immediate ${immediate_response.status?.code}`;
  const words = [kind];
  const common = reply.request_headers?.response ?? reply.request_body?.response;
  const set = headersSet(kind?.startsWith('request_') ? common?.header_mutation : undefined);
  const decided = set.has(TARGET_POD) ? 'pick' : set.has(MODEL) ? `model ${set.get(MODEL)}` : undefined;
  const removed = common?.header_mutation?.remove_headers ?? [];
  const isStripped = removed.includes(ROUTING_STRATEGY);
  assert.equal(common?.clear_route_cache === true, decided !== undefined || isStripped, 'route refresh');
  assert.equal(dynamic_metadata !== undefined, decided !== undefined, 'metadata');
  if (decided !== undefined) words.push(decided);
  if (kind === 'request_headers') {
    const stripped = isStripped ? [ROUTING_STRATEGY] : [];
    assert.deepEqual(removed, [...FORGEABLE, ...stripped], 'forged headers are removed');
    if (isStripped) words.push('without its strategy');
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
