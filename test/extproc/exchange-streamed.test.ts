import {
  requestBody,
  requestHeaders,
  requestTrailers,
  responseBody,
  responseHeaders,
  responseTrailers,
} from '../support/envoy-messages.ts';
import {
  ASK,
  type Dialogues,
  GET,
  HEADERS,
  holdDialogues,
  NO_MODEL,
  OTHER_POST,
  PICK,
  SILENCE,
  SKIP,
  TOO_LONG,
  UNDECIDED,
} from './dialogue.ts';

const STREAMED: Dialogues = {
  'asks for the body in one piece, and decides when it comes so': [
    [HEADERS, ASK],
    [requestBody('hello', 'end'), 'route "hello"'],
    [PICK, 'request_body pick'],
  ],
  'goes on without a decision when the body comes in pieces all the same': [
    [HEADERS, ASK],
    [requestBody('he'), 'request_body'],
    [requestBody('llo'), 'request_body'],
    [requestBody('', 'end'), 'request_body'],
    ['late'],
  ],
  'passes trailers': [
    [HEADERS, ASK],
    [requestBody('hello'), 'request_body'],
    [requestTrailers, 'request_trailers'],
  ],
  'declines the rest of a path that is not routed': [
    [OTHER_POST, SKIP],
    [requestBody('a', 'end'), 'request_body'],
  ],
  'answers 413 by the announced length': [[TOO_LONG, 'immediate 413'], ...SILENCE],
  'answers 413 by the length that came': [
    [HEADERS, ASK],
    [requestBody('eleven byte'), 'immediate 413'],
    ...SILENCE,
  ],
};

const HELD: Dialogues = {
  'holds the reply to the headers until the end, then owes one neutral reply per chunk': [
    [HEADERS, 'start the body deadline'],
    [requestBody('he')],
    [requestBody('llo')],
    [requestBody('', 'end'), 'route "hello"'],
    [PICK, 'request_headers pick', 'request_body', 'request_body', 'request_body'],
  ],
  'takes trailers for the end': [
    [HEADERS, 'start the body deadline'],
    [requestBody('hello')],
    [requestTrailers, 'route "hello"'],
    [PICK, 'request_headers pick', 'request_body', 'request_trailers'],
  ],
  'goes on without a decision when there will be none': [
    [HEADERS, 'start the body deadline'],
    [requestBody('he')],
    ['late', 'request_headers', 'request_body'],
    [requestBody('llo'), 'request_body'],
    [requestTrailers, 'request_trailers'],
    ['late'],
  ],
  'decides on the beginning after the deadline': [
    [HEADERS, 'start the body deadline'],
    [requestBody('he')],
    ['late_body', 'route "he" late_body'],
    [requestBody('llo')],
    [PICK, 'request_headers pick', 'request_body', 'request_body'],
    [requestBody('', 'end'), 'request_body'],
    ['late_body'],
  ],
  'goes on without a decision where the beginning is not enough for one': [
    [HEADERS, 'start the body deadline'],
    [requestBody('he')],
    ['late_body', 'route "he" late_body'],
    [UNDECIDED, 'request_headers', 'request_body'],
    [requestBody('llo', 'end'), 'request_body'],
    [PICK],
  ],
  'answers a GET at once, without an override that Envoy would ignore': [[GET, 'request_headers']],
  'lets pass a path that is not routed': [
    [OTHER_POST, 'request_headers'],
    [requestBody('a', 'end'), 'request_body'],
  ],
  'answers 400 to a POST without a body': [
    [requestHeaders({ endOfStream: true }), 'immediate 400'],
    ...SILENCE,
  ],
  'answers 404 to a model that nobody knows': [
    [HEADERS, 'start the body deadline'],
    [requestBody('hello', 'end'), 'route "hello"'],
    [NO_MODEL, 'immediate 404'],
    ...SILENCE,
  ],
  'answers 413 by the announced length': [[TOO_LONG, 'immediate 413'], ...SILENCE],
  'answers 413 as soon as too much came': [
    [HEADERS, 'start the body deadline'],
    [requestBody('ten bytes!')],
    [requestBody('!'), 'immediate 413'],
    ...SILENCE,
  ],
  'sends no answer of its own after response headers': [
    [HEADERS, 'start the body deadline'],
    [responseHeaders(408), 'response_headers'],
    [requestBody('eleven byte'), 'request_headers', 'request_body'],
    [requestBody('', 'end'), 'request_body'],
  ],
};

const FULL_DUPLEX: Dialogues = {
  'holds the headers, then picks and hands the body back whole': [
    [HEADERS, 'start the body deadline'],
    [requestBody('he')],
    [requestBody('llo')],
    [requestBody('', 'end'), 'route "hello"'],
    [PICK, 'request_headers pick', 'request_body "hello" end'],
  ],
  'takes trailers for the end': [
    [HEADERS, 'start the body deadline'],
    [requestBody('he')],
    [requestBody('llo')],
    [requestTrailers, 'route "hello"'],
    [PICK, 'request_headers pick', 'request_body "hello"', 'request_trailers'],
  ],
  'hands an only chunk back': [
    [HEADERS, 'start the body deadline'],
    [requestBody('hello', 'end'), 'route "hello"'],
    [PICK, 'request_headers pick', 'request_body "hello" end'],
  ],
  'decides on trailers without a body': [
    [HEADERS, 'start the body deadline'],
    [requestTrailers, 'route ""'],
    [PICK, 'request_headers pick', 'request_trailers'],
  ],
  'picks for what has no prompt, and hands it back chunk by chunk, up to any size': [
    [OTHER_POST, 'route "" any_pod'],
    [requestBody('more than')],
    [PICK, 'request_headers pick', 'request_body "more than"'],
    [requestBody(' ten bytes'), 'request_body " ten bytes"'],
    [requestBody('', 'end'), 'request_body "" end'],
  ],
  'passes trailers of what has no prompt': [
    [OTHER_POST, 'route "" any_pod'],
    [PICK, 'request_headers pick'],
    [requestBody('a'), 'request_body "a"'],
    [requestTrailers, 'request_trailers'],
  ],
  'picks for a GET': [
    [GET, 'route "" any_pod'],
    [PICK, 'request_headers pick'],
  ],
  'picks for a POST without a body': [
    [requestHeaders({ endOfStream: true }), 'route "" any_pod'],
    [PICK, 'request_headers pick'],
  ],
  'lets a GET go on where there will be no decision': [
    [GET, 'route "" any_pod'],
    ['late', 'request_headers'],
    [PICK],
  ],
  'hands back what it has when there will be no decision': [
    [HEADERS, 'start the body deadline'],
    [requestBody('hello', 'end'), 'route "hello"'],
    ['late', 'request_headers', 'request_body "hello" end'],
    [PICK],
  ],
  'decides on the beginning after the deadline, and lets the rest pass, up to any size': [
    [HEADERS, 'start the body deadline'],
    [requestBody('he')],
    [requestBody('llo')],
    ['late_body', 'route "hello" late_body'],
    [requestBody(' wo')],
    [PICK, 'request_headers pick', 'request_body "he"', 'request_body "llo wo"'],
    [requestBody('rld, more than ten bytes'), 'request_body "rld, more than ten bytes"'],
    [requestBody('', 'end'), 'request_body "" end'],
  ],
  'goes on without a decision where the beginning is not enough for one': [
    [HEADERS, 'start the body deadline'],
    [requestBody('he')],
    ['buffers_full', 'route "he" buffers_full'],
    [UNDECIDED, 'request_headers', 'request_body "he"'],
    [requestBody('llo', 'end'), 'request_body "llo" end'],
  ],
  'answers what the beginning is enough to reject': [
    [HEADERS, 'start the body deadline'],
    [requestBody('he')],
    ['late_body', 'route "he" late_body'],
    [NO_MODEL, 'immediate 404'],
    ...SILENCE,
  ],
  'decides before anything of the body has come, when it takes too long': [
    [HEADERS, 'start the body deadline'],
    ['late_body', 'route "" late_body'],
    [PICK, 'request_headers pick'],
    [requestBody('hello', 'end'), 'request_body "hello" end'],
  ],
  'is not hurried once it decides': [
    [HEADERS, 'start the body deadline'],
    [requestBody('hello', 'end'), 'route "hello"'],
    ['late_body'],
    [PICK, 'request_headers pick', 'request_body "hello" end'],
  ],
  'hands the response back chunk by chunk': [
    [HEADERS, 'start the body deadline'],
    [requestBody('hello', 'end'), 'route "hello"'],
    [PICK, 'request_headers pick', 'request_body "hello" end'],
    [responseHeaders(), 'response_headers', 'answered 200'],
    [responseBody('data: 1'), 'response_body "data: 1"'],
    [responseBody('', 'end'), 'response_body "" end'],
  ],
  'passes response trailers': [
    [GET, 'route "" any_pod'],
    [PICK, 'request_headers pick'],
    [responseHeaders(), 'response_headers', 'answered 200'],
    [responseBody('x'), 'response_body "x"'],
    [responseTrailers, 'response_trailers'],
  ],
  'answers 413 as soon as too much came': [
    [HEADERS, 'start the body deadline'],
    [requestBody('ten bytes!')],
    [requestBody('!', 'end'), 'immediate 413'],
    ...SILENCE,
  ],
  'answers 404 to a model that nobody knows': [
    [HEADERS, 'start the body deadline'],
    [requestBody('hello', 'end'), 'route "hello"'],
    [NO_MODEL, 'immediate 404'],
    ...SILENCE,
  ],
};

describe('The exchange in STREAMED mode', () => holdDialogues(STREAMED, { request_body_mode: 'STREAMED' }));
describe('The exchange in STREAMED mode without waiting', () =>
  holdDialogues(HELD, {
    request_body_mode: 'STREAMED',
    send_body_without_waiting_for_header_response: true,
  }));
describe('The exchange in FULL_DUPLEX_STREAMED mode', () =>
  holdDialogues(FULL_DUPLEX, {
    request_body_mode: 'FULL_DUPLEX_STREAMED',
    response_body_mode: 'FULL_DUPLEX_STREAMED',
  }));
