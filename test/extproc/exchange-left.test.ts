/** Requests that Envoy balances itself: shown to the router, and not steered by it. */
import { assert } from 'chai';
import type { Endpoint } from '../../src/domain.ts';
import { FORGEABLE } from '../../src/extproc/headers.ts';
import type { Action, ExchangeOptions } from '../../src/extproc/request-side.ts';
import type { WireRequest, WireResponse } from '../../src/extproc/wire.ts';
import type { Steering } from '../../src/routing/route.ts';
import {
  CHAT_PATH,
  headersSet,
  type ProtocolConfig,
  requestBody,
  requestHeaders,
  requestTrailers,
  responseBody,
  responseHeaders,
} from '../support/envoy-messages.ts';
import {
  anExchange,
  GET,
  happen,
  NO_MODEL,
  OTHER_POST,
  PASSED,
  PICK,
  TOO_LONG,
  UNDECIDED,
} from './dialogue.ts';

const FORGED = requestHeaders({
  headers: {
    'target-pod': '6.6.6.6:1',
    'routing-strategy': 'random',
    'x-envoy-original-dst-host': '6.6.6.6:1',
    'x-warmroute-debug': '1',
  },
});
const BODY = requestBody('hello', 'end');
const BUFFERED: ProtocolConfig = { request_body_mode: 'BUFFERED' };
const STREAMED: ProtocolConfig = {
  request_body_mode: 'STREAMED',
  send_body_without_waiting_for_header_response: true,
};
const FULL_DUPLEX: ProtocolConfig = {
  request_body_mode: 'FULL_DUPLEX_STREAMED',
  response_body_mode: 'FULL_DUPLEX_STREAMED',
};
const MODES = { BUFFERED, STREAMED, FULL_DUPLEX_STREAMED: FULL_DUPLEX } as const;

/** All replies to what happens. */
function replies(
  steering: Steering,
  config: ProtocolConfig,
  events: readonly Parameters<typeof happen>[1][],
  options: Partial<ExchangeOptions> = {},
) {
  const exchange = anExchange(config, { targetHeaders: 'warmroute', ...options, steeringOf: () => steering });
  const actions = events.flatMap(event => happen(exchange, event));
  const sent = actions.flatMap(action => (action.kind === 'send' ? [action.reply] : []));
  return { exchange, actions, sent, facts: exchange.takeFacts() };
}

/** Fails for anything that changes a request or an answer; what Envoy shows from now on is no part of those. */
function assertUntouched(sent: readonly WireResponse[], echoed?: string): void {
  const bodies: Buffer[] = [];
  for (const { mode_override: _, ...reply } of sent) {
    const [kind, ...others] = Object.keys(reply);
    assert.isEmpty(others, JSON.stringify(reply));
    assert.match(kind!, /^(request|response)_/);
    const { response } = reply[kind as 'request_body'] as { response?: { body_mutation?: object } };
    if (response === undefined) continue;
    assert.hasAllKeys(response, ['body_mutation']);
    bodies.push((response.body_mutation as { streamed_response: { body: Buffer } }).streamed_response.body);
  }
  if (echoed !== undefined) assert.equal(Buffer.concat(bodies).toString(), echoed);
}

describe('An exchange that is left to Envoy', () => {
  for (const [mode, config] of Object.entries(MODES)) {
    const echoed = mode === 'FULL_DUPLEX_STREAMED' ? 'hello' : undefined;

    for (const decision of [PICK, NO_MODEL, PASSED, UNDECIDED, 'late'] as const) {
      const name = typeof decision === 'string' ? decision : decision.kind;

      it(`changes nothing in shadow mode when it is ${name} (${mode})`, () => {
        const events = [FORGED, BODY, decision, responseHeaders(), responseBody('well', 'end')];
        const { sent, actions } = replies('observed', config, events);
        assert.isTrue(actions.some(({ kind }) => kind === 'route'));
        assertUntouched(sent, echoed && 'hellowell');
        assert.equal(
          actions.some(({ kind }) => kind === 'answered'),
          decision === PICK,
        );
      });
    }

    it(`goes on without what a client may forge, and by its model, in a rollout (${mode})`, () => {
      const { sent } = replies('left', config, [FORGED, BODY, PICK]);
      const removed = sent[0]?.request_headers?.response?.header_mutation?.remove_headers;
      assert.includeMembers(
        [...(removed ?? [])],
        [...FORGEABLE, 'routing-strategy', 'x-envoy-original-dst-host'],
      );
      const changing = sent.find(
        reply => reply.dynamic_metadata?.fields?.warmroute !== undefined && metadataOf(reply).decision,
      )!;
      const common = (changing.request_headers ?? changing.request_body)?.response;
      assert.deepEqual([...headersSet(common?.header_mutation)], [['model', 'demo']]);
      assert.isTrue(common?.clear_route_cache);
      assert.deepEqual(metadataOf(changing), {
        decision: { stringValue: 'left' },
        target_headers: { stringValue: 'warmroute' },
      });
      assert.isUndefined(changing.dynamic_metadata?.fields?.['envoy.lb']);
    });

    it(`is answered no error, and that is told (${mode})`, () => {
      for (const steering of ['left', 'observed'] as const) {
        const large = replies(steering, config, [TOO_LONG, requestBody('hello world', 'end')]);
        assert.isTrue(large.sent.every(reply => reply.immediate_response === undefined));
        assert.isAtLeast(large.sent.length, 2);
        assert.deepEqual(large.facts, [
          { kind: 'rejected', error: { kind: 'body_too_large', limitBytes: 10 }, steering },
        ]);
        const unsaid = replies(steering, config, [HEADERS_OF_CHAT, requestBody('hello world!', 'end')]);
        assert.isTrue(unsaid.sent.every(reply => reply.immediate_response === undefined));
        assert.lengthOf(unsaid.sent, 2);
      }
    });
  }

  it('has no answer of ours for lists of models and closed paths in shadow mode alone', () => {
    const ruleOf: ExchangeOptions['ruleOf'] = path =>
      path === '/v1/models'
        ? { treatment: 'models', model: undefined, errors: 'openai' }
        : { treatment: 'refused', errors: 'openai' };
    const asked = (steering: Steering, message: WireRequest) =>
      replies(steering, BUFFERED, [message], { ruleOf });
    for (const message of [GET, OTHER_POST]) {
      assertUntouched(asked('observed', message).sent);
      assert.isDefined(asked('left', message).sent[0]?.immediate_response);
    }
    const { facts } = asked('observed', OTHER_POST);
    assert.deepEqual(facts, [
      { kind: 'rejected', error: { kind: 'path_refused', path: '/v1/files' }, steering: 'observed' },
    ]);
    assert.deepInclude(asked('left', OTHER_POST).facts[0], { steering: 'steered' });
  });

  it('asks to see who answers, and tells no client anything', () => {
    for (const steering of ['left', 'observed'] as const) {
      const { sent } = replies(steering, BUFFERED, [FORGED, BODY, PICK, responseHeaders()], {
        keepsSession: () => true,
        targetHeaders: 'aibrix',
      });
      assert.deepEqual(sent[0]?.mode_override, {
        request_body_mode: 'BUFFERED',
        response_body_mode: 'NONE',
        response_header_mode: 'SEND',
      });
      assert.deepEqual(sent.at(-1), { response_headers: {} });
    }
  });

  it('has its answer read where that is wanted', () => {
    const exchange = anExchange(BUFFERED, { steeringOf: () => 'observed', sampleNext: () => 'sampled' });
    for (const event of [HEADERS_OF_CHAT, BODY]) happen(exchange, event);
    exchange.decided(PICK, 'wanted');
    const [shown] = happen(exchange, responseHeaders()) as Extract<Action, { kind: 'send' }>[];
    assert.equal(shown?.reply.mode_override?.response_body_mode, 'STREAMED');
    assert.deepEqual(
      happen(exchange, responseBody('x')).map(({ kind }) => kind),
      ['answer_body', 'send'],
    );
  });

  it('is told by what its headers say of the session, and by its id', () => {
    const asked: unknown[] = [];
    const exchange = anExchange(BUFFERED, {
      steeringOf: (...given) => {
        asked.push(given);
        return 'left';
      },
    });
    const headers = {
      ':path': CHAT_PATH,
      'x-request-id': 'r',
      'x-session-id': 's',
      'x-aibrix-session-key': 'k',
    };
    happen(exchange, requestHeaders({ headers }));
    const [action] = happen(exchange, BODY);
    assert.deepEqual(asked, [[{ id: 's', key: 'k' }, 'r']]);
    assert.equal(action?.kind === 'route' && action.request.steering, 'left');
    happen(exchange, PICK);
    assert.deepEqual(happen(exchange, requestTrailers).length, 1);
  });

  it('says nothing of who would have been picked', () => {
    const servedBy = '10.0.0.9:1' as Endpoint;
    const { sent } = replies('left', FULL_DUPLEX, [FORGED, BODY, PICK, responseHeaders()], {
      serverOf: () => ({ kind: 'stranger', endpoint: servedBy }),
    });
    assert.notInclude(JSON.stringify(sent), PICK.pod.name);
  });
});

const HEADERS_OF_CHAT = requestHeaders();

function metadataOf(reply: WireResponse): Record<string, unknown> {
  const warmroute = reply.dynamic_metadata?.fields?.warmroute as
    | { readonly structValue: { readonly fields: Record<string, unknown> } }
    | undefined;
  return warmroute?.structValue.fields ?? {};
}
