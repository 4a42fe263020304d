import { assert } from 'chai';
import fc from 'fast-check';
import type { Action } from '../../src/extproc/request-side.ts';
import type { WireRequest } from '../../src/extproc/wire.ts';
import {
  type ProtocolConfig,
  requestBody,
  requestHeaders,
  requestTrailers,
  responseBody,
  responseHeaders,
  responseTrailers,
} from '../support/envoy-messages.ts';
import { anExchange, happen, NO_MODEL, PICK } from './dialogue.ts';
import { toldReply } from './told.ts';

interface Mode {
  readonly config: ProtocolConfig;
  /** Whether the body comes in one message, as far as it comes. */
  readonly pieces: 'one' | 'many';
  /** Whether the decision can have the whole body, however it is cut. */
  readonly decides: 'always' | 'on_one_piece';
}

const MODES: readonly Mode[] = [
  { config: { request_body_mode: 'BUFFERED' }, pieces: 'one', decides: 'always' },
  { config: { request_body_mode: 'BUFFERED_PARTIAL' }, pieces: 'one', decides: 'on_one_piece' },
  { config: { request_body_mode: 'STREAMED' }, pieces: 'many', decides: 'on_one_piece' },
  { config: { request_body_mode: 'NONE' }, pieces: 'many', decides: 'on_one_piece' },
  {
    config: { request_body_mode: 'STREAMED', send_body_without_waiting_for_header_response: true },
    pieces: 'many',
    decides: 'always',
  },
  { config: { request_body_mode: 'FULL_DUPLEX_STREAMED' }, pieces: 'many', decides: 'always' },
];

type ResponseMode = 'BUFFERED' | 'STREAMED' | 'FULL_DUPLEX_STREAMED';

const bytes = fc.oneof(
  { weight: 9, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 200 }) },
  fc.nat(150_000).map(size => new Uint8Array(size + 1).fill(size)),
);
/** One body and where it is cut: places may fall together, so empty pieces come too. */
const cutBody = fc.record({ body: bytes, cuts: fc.array(fc.nat(1_000), { maxLength: 6 }) });

const scenarios = fc.record({
  mode: fc.constantFrom(...MODES),
  responseMode: fc.constantFrom<ResponseMode>('BUFFERED', 'STREAMED', 'FULL_DUPLEX_STREAMED'),
  request: cutBody,
  response: cutBody,
  requestTrailers: fc.boolean(),
  responseTrailers: fc.boolean(),
  decision: fc.constantFrom(PICK, NO_MODEL),
  turns: fc.infiniteStream(fc.nat(2)),
});

function cut(body: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [0, ...cuts.map(at => at % (body.length + 1)), body.length].sort((a, b) => a - b);
  return places.slice(1).map((end, i) => body.subarray(places[i], end));
}

function bodyMessages(make: typeof requestBody, pieces: readonly Buffer[], trailers: boolean): WireRequest[] {
  return pieces.map((piece, i) => make(piece, i === pieces.length - 1 && !trailers ? 'end' : undefined));
}

function kindOf(message: object): string {
  return Object.keys(message).find(key => /^(request|response|immediate)_/.test(key))!;
}

describe('An exchange, whatever the mode, the pieces and the order of things', () => {
  it('answers every message once, in its own kind and order, and picks once, by the whole body', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(scenarios, given => {
        const { mode, responseMode, decision } = given;
        const body = Buffer.from(given.request.body);
        const answer = Buffer.from(given.response.body);
        const pieces = mode.pieces === 'one' ? [body] : cut(body, given.request.cuts);
        const config = { ...mode.config, response_body_mode: responseMode };
        const requests = [
          requestHeaders({ config }),
          ...bodyMessages(requestBody, pieces, given.requestTrailers),
          ...(given.requestTrailers ? [requestTrailers] : []),
        ];
        const responses = [
          responseHeaders(),
          ...bodyMessages(responseBody, cut(answer, given.response.cuts), given.responseTrailers),
          ...(given.responseTrailers ? [responseTrailers] : []),
        ];
        const exchange = anExchange(config, { maxBodyBytes: 1_000_000 });
        const [requestsSent, responsesSent, actions]: [WireRequest[], WireRequest[], Action[]] = [[], [], []];
        let pending: typeof decision | undefined;
        const send = (from: WireRequest[], sent: WireRequest[]) => {
          const message = from.shift()!;
          sent.push(message);
          return happen(exchange, message);
        };
        const steps = [
          () => (requests.length > 0 ? send(requests, requestsSent) : []),
          () => (requestsSent.length > 0 && responses.length > 0 ? send(responses, responsesSent) : []),
          () => {
            const made = pending;
            pending = undefined;
            return made ? happen(exchange, made) : [];
          },
        ];
        while (requests.length > 0 || responses.length > 0 || pending) {
          const now = steps[given.turns.next().value!]!();
          if (now.some(action => action.kind === 'route')) pending = decision;
          actions.push(...now);
        }

        const replies = actions.flatMap(action => (action.kind === 'send' ? [action.reply] : []));
        const routes = actions.flatMap(action => (action.kind === 'route' ? [action.request] : []));
        const lines = replies.map(toldReply);
        const kinds = replies.map(kindOf);

        const whole = mode.decides === 'always' || (pieces.length === 1 && !given.requestTrailers);
        assert.lengthOf(routes, whole ? 1 : 0);
        for (const { body: decidedOn } of routes) assert.isTrue(body.equals(decidedOn));

        const rejected = kinds.includes('immediate_response');
        const picks = lines.filter(line => line.includes(' pick'));
        assert.lengthOf(picks, whole && decision === PICK ? 1 : 0);
        if (rejected) {
          assert.isTrue(whole && decision === NO_MODEL);
          assert.equal(kinds.indexOf('immediate_response'), kinds.length - 1);
          assert.notInclude(kinds, 'response_headers');
        }

        const echoesRequest = mode.config.request_body_mode === 'FULL_DUPLEX_STREAMED';
        const check = (direction: 'request' | 'response', sent: WireRequest[], echoes: boolean) => {
          const got = kinds.filter(kind => kind.startsWith(direction));
          const asked = sent.map(kindOf);
          if (rejected) {
            assert.deepEqual(got, asked.slice(0, got.length));
          } else if (echoes) {
            assert.deepEqual([...new Set(got)], [...new Set(asked)]);
            assert.deepEqual(
              got,
              [...got].sort((a, b) => asked.indexOf(a) - asked.indexOf(b)),
            );
          } else {
            assert.deepEqual(got, asked);
          }
        };
        check('request', requestsSent, echoesRequest);
        check('response', responsesSent, responseMode === 'FULL_DUPLEX_STREAMED');

        const echo = (phase: 'request_body' | 'response_body') =>
          replies.flatMap(reply => reply[phase]?.response?.body_mutation?.streamed_response ?? []);
        const checkEcho = (phase: 'request_body' | 'response_body', all: Buffer, trailers: boolean) => {
          const chunks = echo(phase);
          assert.isTrue(Buffer.concat(chunks.map(chunk => chunk.body!)).equals(all));
          const ends = chunks.flatMap((chunk, i) => (chunk.end_of_stream ? [i] : []));
          assert.deepEqual(ends, trailers ? [] : [chunks.length - 1]);
        };
        if (!rejected && echoesRequest) checkEcho('request_body', body, given.requestTrailers);
        if (!rejected && responseMode === 'FULL_DUPLEX_STREAMED')
          checkEcho('response_body', answer, given.responseTrailers);
        if (!echoesRequest) assert.isEmpty(echo('request_body'));
        if (responseMode !== 'FULL_DUPLEX_STREAMED') assert.isEmpty(echo('response_body'));
        seen.add(rejected ? 'rejected' : picks.length > 0 ? 'picked' : 'passed');
      }),
      { numRuns: 400 },
    );
    assert.sameMembers([...seen], ['rejected', 'picked', 'passed']);
  });
});
