/** What an exchange learns of where a request may go, and of how it was answered. */
import { assert } from 'chai';
import type { Endpoint } from '../../src/domain.ts';
import type { WireRequest, WireValue } from '../../src/extproc/wire.ts';
import type { RouteRequest, Visibility } from '../../src/routing/route.ts';
import {
  type ProtocolConfig,
  requestBody,
  requestHeaders,
  responseHeaders,
} from '../support/envoy-messages.ts';
import { anExchange, happen, PICK } from './dialogue.ts';
import { told } from './told.ts';

const BUFFERED: ProtocolConfig = { request_body_mode: 'BUFFERED', response_body_mode: 'NONE' };
const FULL_DUPLEX: ProtocolConfig = {
  request_body_mode: 'FULL_DUPLEX_STREAMED',
  response_body_mode: 'FULL_DUPLEX_STREAMED',
};

function withMetadata(message: WireRequest, namespace: string, key: string, value: WireValue): WireRequest {
  return { ...message, metadata_context: { filter_metadata: { [namespace]: { fields: { [key]: value } } } } };
}

/** The request that the route is asked for, and the first reply. */
function routedFrom(headers: WireRequest, config = BUFFERED, watch: Visibility = 'unwatched') {
  const exchange = anExchange(config, { watchNext: () => watch });
  const actions = [...happen(exchange, headers), ...happen(exchange, requestBody('hello', 'end'))];
  const route = actions.find(action => action.kind === 'route');
  assert(route?.kind === 'route');
  return { request: route.request as RouteRequest, first: told(actions[0]!) };
}

describe('The gateway’s subset hint', () => {
  const hint = (value: WireValue) =>
    routedFrom(
      withMetadata(requestHeaders(), 'envoy.lb.subset_hint', 'x-gateway-destination-endpoint-subset', value),
    ).request.subset;

  it('is a list', () => {
    const values = ['10.0.0.1:80', ' 10.0.0.2 '].map(stringValue => ({ stringValue }));
    assert.deepEqual(hint({ listValue: { values } }), ['10.0.0.1:80', '10.0.0.2']);
  });

  it('is a text, where a filter made it from a header', () => {
    assert.deepEqual(hint({ stringValue: '10.0.0.1:80, 10.0.0.2' }), ['10.0.0.1:80', '10.0.0.2']);
  });

  for (const [what, value] of [
    ['an empty list', { listValue: { values: [] } }],
    ['a list without values', { listValue: {} }],
    ['an empty text', { stringValue: '' }],
    ['something else', { numberValue: 7 }],
  ] as const) {
    it(`allows nobody as ${what}`, () => assert.deepEqual(hint(value), []));
  }

  it('is not there in other metadata', () => {
    const { request } = routedFrom(
      withMetadata(requestHeaders(), 'envoy.lb', 'x-gateway-destination-endpoint-subset', {
        stringValue: 'x',
      }),
    );
    assert.isUndefined(request.subset);
  });
});

describe('The response of a request', () => {
  it('is asked for if it is to be watched, where Envoy does not show it by itself', () => {
    const { request, first } = routedFrom(requestHeaders(), BUFFERED, 'watched');
    assert.equal(request.response, 'watched');
    assert.equal(first, 'request_headers override BUFFERED (response headers SEND)');
  });

  it('is not asked for otherwise', () => {
    const { request, first } = routedFrom(requestHeaders());
    assert.deepEqual([request.response, first], ['unwatched', 'request_headers']);
  });

  it('is not asked for where its body passes through us, and seen', () => {
    assert.equal(routedFrom(requestHeaders(), FULL_DUPLEX).request.response, 'watched');
    const streamed: ProtocolConfig = { request_body_mode: 'BUFFERED', response_body_mode: 'STREAMED' };
    const { request, first } = routedFrom(requestHeaders(), streamed);
    assert.deepEqual([request.response, first], ['watched', 'request_headers']);
  });

  it('is not asked for where that may cost the request its decision', () => {
    const streamed: ProtocolConfig = { request_body_mode: 'STREAMED', response_body_mode: 'NONE' };
    const { request, first } = routedFrom(requestHeaders(), streamed, 'watched');
    assert.equal(request.response, 'unwatched');
    assert.equal(first, 'request_headers override BUFFERED (response headers as configured)');
  });

  it('is asked for if it is of the sample, whatever else there is to watch', () => {
    const exchange = anExchange(BUFFERED, { sampleNext: () => 'sampled' });
    const [first] = happen(exchange, requestHeaders()).map(told);
    assert.equal(first, 'request_headers override BUFFERED (response headers SEND)');
    const route = happen(exchange, requestBody('hello', 'end')).find(({ kind }) => kind === 'route');
    assert(route?.kind === 'route');
    assert.deepInclude(route.request, { response: 'watched', sample: 'sampled' });
  });

  it('is of no sample where Envoy may not be asked for it, or the request is not routed', () => {
    const sampleNext = () => assert.fail();
    const streamed: ProtocolConfig = { request_body_mode: 'STREAMED', response_body_mode: 'NONE' };
    happen(anExchange(streamed, { sampleNext }), requestHeaders());
    happen(anExchange(BUFFERED, { sampleNext }), requestHeaders({ headers: { ':path': '/v1/files' } }));
  });

  it('says whether its body comes as it is', () => {
    for (const [headers, encoding] of [
      [{ ':status': '200' }, 'plain'],
      [{ ':status': '200', 'content-encoding': 'gzip' }, 'encoded'],
    ] as const) {
      const exchange = anExchange(BUFFERED);
      for (const event of [requestHeaders(), requestBody('hello', 'end'), PICK]) happen(exchange, event);
      const action = happen(exchange, response(headers)).find(({ kind }) => kind === 'answered');
      assert.deepInclude(action, { encoding });
    }
  });

  const answerOf = (response: WireRequest) => {
    const exchange = anExchange(BUFFERED);
    for (const event of [requestHeaders(), requestBody('hello', 'end'), PICK]) happen(exchange, event);
    const action = happen(exchange, response).find(({ kind }) => kind === 'answered');
    return action?.kind === 'answered' ? action.answer : undefined;
  };
  const response = (headers: Readonly<Record<string, string>>): WireRequest => ({
    response_headers: {
      headers: {
        headers: Object.entries(headers).map(([key, value]) => ({ key, raw_value: Buffer.from(value) })),
      },
    },
  });

  it('says its status, and who answered as far as the gateway says', () => {
    assert.deepEqual(answerOf(responseHeaders(503)), { status: 503, servedBy: undefined });
    // Envoy's own word, not a header that any pod may set.
    assert.deepEqual(answerOf(response({ ':status': '200', 'x-target-pod': '10.0.0.1:80' })), {
      ...{ status: 200, servedBy: undefined },
    });
    const served = withMetadata(
      response({ ':status': '200' }),
      'envoy.lb',
      'x-gateway-destination-endpoint-served',
      { stringValue: '10.0.0.2:80' },
    );
    assert.deepEqual(answerOf(served), { status: 200, servedBy: '10.0.0.2:80' as Endpoint });
    assert.isNaN(answerOf(response({}))?.status);
  });

  for (const [what, metadata, attribute, servedBy] of [
    ['the protocol’s word', '10.0.0.2:80', undefined, '10.0.0.2:80'],
    ['Envoy’s attribute', undefined, '[fd00::1]:80', '[fd00::1]:80'],
    ['the protocol’s word before the attribute', '10.0.0.2:80', '10.0.0.1:80', '10.0.0.2:80'],
    ['the attribute where the protocol’s word is garbled', '10.0.0.2', '10.0.0.1:80', '10.0.0.1:80'],
    ...[
      ...['', 'pod-0', 'pod-0:80', '10.0.0.1', '10.0.0.1:', '10.0.0.1:65536', '10.0.0.256:80', 'fd00::1:80'],
      ...['[10.0.0.1]:80', '[fd00::1]', '10.0.0.1:80,10.0.0.2:80', ' 10.0.0.1:80', '10.0.0.1:80\r\nx: y'],
    ].map(text => [`nobody for ${JSON.stringify(text)}`, text, text, undefined] as const),
  ] as const) {
    it(`names ${what} as who answered`, () => {
      const fields = { 'upstream.address': { stringValue: attribute ?? '' } };
      const namespace = metadata === undefined ? 'other' : 'envoy.lb';
      const key = 'x-gateway-destination-endpoint-served';
      const message = withMetadata(response({ ':status': '200', [key]: '10.6.6.6:80' }), namespace, key, {
        stringValue: metadata ?? '10.6.6.6:80',
      });
      const attributes = attribute === undefined ? {} : { 'envoy.filters.http.ext_proc': { fields } };
      assert.deepEqual(answerOf({ ...message, attributes }), {
        ...{ status: 200, servedBy: servedBy as Endpoint | undefined },
      });
    });
  }

  it('is nothing that was routed before the decision', () => {
    const exchange = anExchange(BUFFERED);
    happen(exchange, requestHeaders());
    assert.deepEqual(happen(exchange, responseHeaders(408)).map(told), ['response_headers']);
  });
});
