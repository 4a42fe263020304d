import { assert } from 'chai';
import type { Endpoint } from '../../src/domain.ts';
import { FORGEABLE } from '../../src/extproc/headers.ts';
import type { ExchangeOptions } from '../../src/extproc/request-side.ts';
import type { RouteRequest, Server } from '../../src/routing/route.ts';
import { aPod, aRoutedDecision, aStrategy } from '../support/builders.ts';
import {
  CHAT_PATH,
  headersSet,
  requestBody,
  requestHeaders,
  responseHeaders,
} from '../support/envoy-messages.ts';
import { anExchange, happen, PICK } from './dialogue.ts';

type HeadersGiven = Readonly<Record<string, string>>;

/** The request that the exchange asks a decision for. */
function asked(headers: HeadersGiven): RouteRequest {
  const exchange = anExchange();
  happen(exchange, requestHeaders({ headers }));
  const [action] = happen(exchange, requestBody('hello', 'end'));
  assert(action?.kind === 'route');
  return action.request;
}

/** The headers set on the request by the decision, and on the response. */
function headersAfterPick(
  headers: HeadersGiven,
  options?: Partial<ExchangeOptions>,
  decision = PICK,
  answer = responseHeaders(),
) {
  const exchange = anExchange(undefined, options);
  happen(exchange, requestHeaders({ headers }));
  happen(exchange, requestBody('hello', 'end'));
  const [onRequest] = happen(exchange, decision);
  const [onResponse] = happen(exchange, answer);
  assert(onRequest?.kind === 'send' && onResponse?.kind === 'send');
  return {
    request: headersSet(onRequest.reply.request_body?.response?.header_mutation),
    response: Object.fromEntries(headersSet(onResponse.reply.response_headers?.response?.header_mutation)),
  };
}

const servedBy = (stringValue: string) => ({
  metadata_context: {
    filter_metadata: { 'envoy.lb': { fields: { 'x-gateway-destination-endpoint-served': { stringValue } } } },
  },
});

describe('The headers of an exchange', () => {
  it('tell the route what it needs', () => {
    const request = asked({
      ':path': `${CHAT_PATH}?trace=1`,
      'content-type': 'application/json; charset=utf-8',
      'content-encoding': 'gzip',
      'routing-strategy': 'random',
      'x-session-id': 'MTI3LjAuMC4xOjgwMDA=',
      'x-aibrix-session-key': 'agent-7',
      'external-filter': 'tenant=a',
      'x-gateway-inference-priority': '-1',
      'x-request-id': 'abc',
      traceparent: '00-a-b-01',
      tracestate: 'c=d',
    });
    assert.deepEqual(request, {
      path: CHAT_PATH,
      contentType: 'application/json; charset=utf-8',
      contentEncoding: 'gzip',
      strategy: 'random',
      session: { id: 'MTI3LjAuMC4xOjgwMDA=', key: 'agent-7' },
      priority: -1,
      labels: 'tenant=a',
      subset: undefined,
      response: 'unwatched',
      sample: 'not_sampled',
      steering: 'steered',
      requestId: 'abc',
      trace: { traceparent: '00-a-b-01', tracestate: 'c=d' },
      body: Buffer.from('hello'),
      extent: 'whole',
      unroutable: 'reject',
    });
  });

  it('tell nothing that is not there', () => {
    const exchange = anExchange();
    const bare = [':method', ':path'].map((key, i) => ({
      key,
      raw_value: Buffer.from(['POST', CHAT_PATH][i]!),
    }));
    happen(exchange, { request_headers: { headers: { headers: bare } } });
    const [action] = happen(exchange, { request_body: {} });
    assert.deepEqual(action, {
      kind: 'route',
      request: {
        path: CHAT_PATH,
        contentType: undefined,
        contentEncoding: undefined,
        strategy: undefined,
        session: { id: undefined, key: undefined },
        priority: 0,
        labels: undefined,
        subset: undefined,
        response: 'unwatched',
        sample: 'not_sampled',
        steering: 'steered',
        requestId: 'made-up',
        trace: {},
        body: Buffer.alloc(0),
        extent: 'whole',
        unroutable: 'reject',
      },
    });
  });

  it('are read in any case, from either field, the first of a name', () => {
    const exchange = anExchange();
    const headers = [
      { key: ':method', value: 'POST' },
      { key: ':Path', value: CHAT_PATH, raw_value: Buffer.alloc(0) },
      { key: 'X-Request-Id', raw_value: Buffer.from('first') },
      { key: 'x-request-id', raw_value: Buffer.from('second') },
      { key: 'content-type' },
    ];
    happen(exchange, { request_headers: { headers: { headers } } });
    const [action] = happen(exchange, requestBody('hello', 'end'));
    assert(action?.kind === 'route');
    assert.equal(action.request.requestId, 'first');
    assert.equal(action.request.contentType, '');
  });

  const IDS: readonly (readonly [what: string, sent: HeadersGiven, used: string])[] = [
    ['is kept', { 'x-request-id': 'abc-1' }, 'abc-1'],
    ['is made valid', { 'x-request-id': 'a\nb é' }, 'a?b ?'],
    ['is made up when there is none', {}, 'made-up'],
    ['is made up when it is blank', { 'x-request-id': '  ' }, 'made-up'],
  ];
  for (const [what, sent, used] of IDS) {
    it(`name the request by an id that ${what}, on both ways`, () => {
      assert.equal(asked(sent).requestId, used);
      const { request, response } = headersAfterPick(sent);
      assert.equal(request.get('x-request-id'), used);
      assert.equal(response['request-id'], used);
    });
  }

  it('name the pod on the response in AIBrix’s way, where that is wanted, and otherwise not', () => {
    const decision = aRoutedDecision({ pod: aPod({ name: 'engine-6', ip: 'fd00::1', port: 9000 }) });
    const response = (targetHeaders: ExchangeOptions['targetHeaders']) =>
      headersAfterPick({ 'x-request-id': 'abc' }, { targetHeaders }, decision).response;
    const rest = { 'routing-strategy': 'prefix-cache', 'request-id': 'abc' };
    assert.deepEqual(response('aibrix'), {
      'target-pod': 'engine-6',
      'target-pod-ip': '[fd00::1]:9000',
      ...rest,
    });
    // Envoy sets x-target-pod itself.
    assert.deepEqual(response('warmroute'), rest);
    assert.deepEqual(response('off'), rest);
  });

  it('say where a session is, to who asked for sessions: at the pod that served', () => {
    const decision = aRoutedDecision({ strategy: aStrategy('session-affinity:2,least-request') });
    const idOf = (text: string) => Buffer.from(text).toString('base64');
    const { request, response } = headersAfterPick({}, {}, decision);
    assert.equal(response['x-session-id'], idOf('127.0.0.1:8000'));
    assert.equal(response['routing-strategy'], 'session-affinity:2,least-request');
    assert.equal(request.get('routing-strategy'), 'session-affinity:2,least-request');
    const serverOf = () => ({ kind: 'pod', pod: OTHER }) as const;
    const other = headersAfterPick({}, { serverOf }, decision).response;
    assert.equal(other['x-session-id'], idOf('10.0.0.9:9000'));
    assert.notProperty(headersAfterPick({}).response, 'x-session-id');
  });

  for (const [asks, visibility] of [
    ['session-affinity', 'watched'],
    [undefined, 'unwatched'],
  ] as const) {
    it(`are asked for of a response where it is to say where a session is: ${asks}`, () => {
      const exchange = anExchange(undefined, { keepsSession: text => text === 'session-affinity' });
      const headers = asks === undefined ? {} : { 'routing-strategy': asks };
      happen(exchange, requestHeaders({ headers }));
      const [action] = happen(exchange, requestBody('hello', 'end'));
      assert(action?.kind === 'route');
      assert.equal(action.request.response, visibility);
    });
  }

  const OTHER = aPod({ name: 'engine-9', ip: '10.0.0.9', port: 9000 });
  for (const [what, server, expected] of [
    [
      'another pod that served',
      { kind: 'pod', pod: OTHER },
      { 'target-pod': 'engine-9', 'target-pod-ip': '10.0.0.9:9000', 'x-warmroute-pod': 'engine-9' },
    ],
    [
      'somebody who is no pod by the address alone',
      { kind: 'stranger', endpoint: '10.6.6.6:1' as Endpoint },
      { 'target-pod-ip': '10.6.6.6:1' },
    ],
  ] as const) {
    it(`name ${what}, and claim nothing of what it holds`, () => {
      const serverOf = () => server as Server;
      const answer = { ...responseHeaders(), ...servedBy('10.0.0.9:9000') };
      const told = (targetHeaders: ExchangeOptions['targetHeaders']) =>
        headersAfterPick({ 'x-warmroute-debug': '1' }, { targetHeaders, serverOf }, PICK, answer).response;
      const rest = {
        ...{ 'routing-strategy': 'prefix-cache', 'request-id': 'made-up' },
        'x-warmroute-reason': 'prefix_match',
      };
      assert.deepEqual(told('aibrix'), { ...expected, ...rest });
      const { 'x-target-pod': target, ...others } = told('warmroute');
      assert.equal(target, expected['target-pod-ip']);
      assert.hasAllKeys(
        others,
        Object.keys({ ...expected, ...rest }).filter(key => !key.startsWith('target')),
      );
    });
  }

  it('lose what Envoy alone may set only where a client has sent it', () => {
    const removed = (sent: HeadersGiven) => {
      const [action] = happen(anExchange(), requestHeaders({ headers: sent }));
      assert(action?.kind === 'send');
      return action.reply.request_headers?.response?.header_mutation?.remove_headers;
    };
    assert.deepEqual(removed({}), FORGEABLE);
    assert.deepEqual(removed({ 'x-envoy-original-dst-host': '10.0.0.1:80' }), [
      ...FORGEABLE,
      'x-envoy-original-dst-host',
    ]);
    assert.deepEqual(removed({ 'routing-strategy': '' }), [...FORGEABLE, 'routing-strategy']);
  });

  for (const [text, priority] of [
    ['-1', -1],
    [' -20 ', -20],
    ['7', 7],
    ['-0', 0],
    ['', 0],
    ['low', 0],
    ['-1.5', 0],
    ['-1e3', 0],
    ['-99999999999', 0],
  ] as const) {
    it(`say a priority of ${priority} by ${JSON.stringify(text)}, whatever the header is called`, () => {
      const exchange = anExchange(undefined, { priorityHeader: 'x-matters' });
      happen(
        exchange,
        requestHeaders({ headers: { 'x-matters': text, 'x-gateway-inference-priority': '-9' } }),
      );
      const [action] = happen(exchange, requestBody('hello', 'end'));
      assert.equal(action?.kind === 'route' && action.request.priority, priority);
    });
  }

  const DEBUGGING: readonly (readonly [ExchangeOptions['debugHeaders'], string | undefined, boolean])[] = [
    ['allowed', '1', true],
    ['allowed', '0', false],
    ['allowed', undefined, false],
    ['off', '1', false],
    ['off', undefined, false],
  ];
  for (const [debugHeaders, value, shown] of DEBUGGING) {
    it(`${shown ? 'show' : 'hide'} the decision when that is ${debugHeaders} and x-warmroute-debug is ${value}`, () => {
      const { response } = headersAfterPick(value === undefined ? {} : { 'x-warmroute-debug': value }, {
        debugHeaders,
      });
      const debug = Object.entries(response).filter(([key]) => key.startsWith('x-warmroute-'));
      assert.deepEqual(
        Object.fromEntries(debug),
        shown
          ? {
              'x-warmroute-pod': 'engine-0',
              'x-warmroute-matched-blocks': '3',
              'x-warmroute-total-blocks': '4',
              'x-warmroute-reason': 'prefix_match',
            }
          : {},
      );
    });
  }
});
