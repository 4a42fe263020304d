/** Answers whose id is looked for, and requests that name one. */
import { assert } from 'chai';
import type { PathRule } from '../../src/domain.ts';
import type { WireRequest } from '../../src/extproc/wire.ts';
import {
  type ProtocolConfig,
  requestBody,
  requestHeaders,
  responseBody,
  responseHeaders,
  responseTrailers,
} from '../support/envoy-messages.ts';
import { ASK_DEBUG, anExchange, type Event, happen, PICK, SKIP } from './dialogue.ts';
import { told } from './told.ts';

const BUFFERED: ProtocolConfig = { request_body_mode: 'BUFFERED', response_body_mode: 'NONE' };
const STREAMED_RESPONSE: ProtocolConfig = { request_body_mode: 'BUFFERED', response_body_mode: 'STREAMED' };
const HELD: ProtocolConfig = {
  request_body_mode: 'STREAMED',
  response_body_mode: 'NONE',
  send_body_without_waiting_for_header_response: true,
};
const FULL_DUPLEX: ProtocolConfig = {
  request_body_mode: 'FULL_DUPLEX_STREAMED',
  response_body_mode: 'FULL_DUPLEX_STREAMED',
};
const RESPONSES = '/v1/responses';
const POST = requestHeaders({ headers: { ':path': RESPONSES } });
const ofNamed = (method: string, end = true) =>
  requestHeaders({ headers: { ':method': method, ':path': `${RESPONSES}/r1` }, endOfStream: end });
const ENCODED = withHeader(responseHeaders(), 'content-encoding', 'gzip');
const ASK_BODY = 'response_headers override BUFFERED (response headers SEND, body STREAMED)';

const ruleOf = (path: string): PathRule => ({
  treatment: path === RESPONSES ? 'makes_response' : path.startsWith(RESPONSES) ? 'names_response' : 'routed',
  errors: 'openai',
});

function withHeader(message: WireRequest, key: string, value: string): WireRequest {
  const headers = message.response_headers!.headers!.headers!;
  return { response_headers: { headers: { headers: [...headers, { key, raw_value: Buffer.from(value) }] } } };
}

const WANTED = 'the answer is wanted';

/** Holds a dialogue; `WANTED` is a pick whose answer is to be read. */
function hold(
  config: ProtocolConfig,
  turns: readonly (readonly [Event | typeof WANTED, ...string[]])[],
): void {
  const exchange = anExchange(config, { ruleOf });
  for (const [i, [event, ...answers]] of turns.entries()) {
    const actions = event === WANTED ? exchange.decided(PICK, 'wanted') : happen(exchange, event);
    assert.deepEqual(actions.map(told), answers, `turn ${i + 1}`);
    if (answers.includes('read "enough"')) exchange.answerRead();
  }
}

describe('An answer whose id is looked for', () => {
  it('is asked for when its headers are good, and read until there is enough', () =>
    hold(BUFFERED, [
      [POST, ASK_DEBUG],
      [requestBody('hello', 'end'), 'route "hello"'],
      [WANTED, 'request_body pick'],
      [responseHeaders(), ASK_BODY, 'answered 200'],
      [responseBody('a'), 'read "a"', 'response_body'],
      [responseBody('enough'), 'read "enough"', 'response_body'],
      [responseBody('b'), 'response_body'],
      [responseBody('', 'end'), 'response_body'],
    ]));

  for (const [what, headers, answer] of [
    ['an error', responseHeaders(404), 'answered 404'],
    ['compressed', ENCODED, 'answered 200'],
  ] as const) {
    it(`is not where it is ${what}`, () => {
      const start = [
        [POST, ASK_DEBUG],
        [requestBody('hello', 'end'), 'route "hello"'],
        [WANTED, 'request_body pick'],
      ] as const;
      hold(BUFFERED, [...start, [headers, 'response_headers', answer]]);
    });
  }

  it('is not where nobody wants it', () =>
    hold(BUFFERED, [
      [POST, ASK_DEBUG],
      [requestBody('hello', 'end'), 'route "hello"'],
      [PICK, 'request_body pick'],
      [responseHeaders(), 'response_headers', 'answered 200'],
    ]));

  it('is read without asking where it comes anyway', () =>
    hold(STREAMED_RESPONSE, [
      [POST, 'request_headers'],
      [requestBody('hello', 'end'), 'route "hello"'],
      [WANTED, 'request_body pick'],
      [responseHeaders(), 'response_headers', 'answered 200'],
      [responseBody('a'), 'read "a"', 'response_body'],
      [responseTrailers, 'response_trailers'],
    ]));

  it('is read and handed back where it passes through us', () =>
    hold(FULL_DUPLEX, [
      [POST, 'start the body deadline'],
      [requestBody('hello', 'end'), 'route "hello"'],
      [WANTED, 'request_headers pick', 'request_body "hello" end'],
      [responseHeaders(), 'response_headers', 'answered 200'],
      [responseBody('enough'), 'read "enough"', 'response_body "enough"'],
      [responseBody('b', 'end'), 'response_body "b" end'],
    ]));

  it('is not asked for where Envoy takes no override', () =>
    hold(HELD, [
      [POST, 'start the body deadline'],
      [requestBody('hello', 'end'), 'route "hello"'],
      [WANTED, 'request_headers pick', 'request_body'],
      [responseHeaders(), 'response_headers', 'answered 200'],
    ]));
});

describe('A request that names a response', () => {
  for (const method of ['GET', 'DELETE', 'POST']) {
    it(`is decided by its headers (${method})`, () =>
      hold(BUFFERED, [
        [ofNamed(method), 'route "" any_pod'],
        [PICK, 'request_headers pick'],
      ]));
  }

  it('whatever its body', () => {
    hold(BUFFERED, [
      [ofNamed('POST', false), 'route "" any_pod'],
      [PICK, 'request_headers pick'],
      [requestBody('far more than ten bytes', 'end'), 'request_body'],
    ]);
    hold(FULL_DUPLEX, [
      [ofNamed('POST', false), 'route "" any_pod'],
      [requestBody('far more than')],
      [PICK, 'request_headers pick', 'request_body "far more than"'],
      [requestBody(' ten bytes', 'end'), 'request_body " ten bytes" end'],
    ]);
  });

  it('goes on where there is no decision, and is answered where there is no pod', () => {
    hold(BUFFERED, [[ofNamed('GET'), 'route "" any_pod'], ['late', 'request_headers'], [PICK]]);
    hold(BUFFERED, [
      [ofNamed('GET'), 'route "" any_pod'],
      [{ kind: 'rejected', error: { kind: 'no_ready_pod', model: '' } }, 'immediate 503'],
    ]);
  });

  it('may ask for the debug headers', () => {
    const headers = { ':method': 'GET', ':path': `${RESPONSES}/r1`, 'x-warmroute-debug': '1' };
    hold(BUFFERED, [
      [requestHeaders({ headers, endOfStream: true }), 'route "" any_pod'],
      [PICK, 'request_headers pick override BUFFERED (response headers SEND)'],
    ]);
  });

  it('is no other path', () =>
    hold(BUFFERED, [
      [requestHeaders({ headers: { ':method': 'GET', ':path': '/v1/x' }, endOfStream: true }), SKIP],
    ]));
});
