import {
  CHAT_PATH,
  requestBody,
  requestHeaders,
  requestTrailers,
  responseBody,
  responseHeaders,
  responseTrailers,
} from '../support/envoy-messages.ts';
import {
  ASK,
  ASK_DEBUG,
  DEBUG,
  type Dialogues,
  GET,
  HEADERS,
  holdDialogues,
  NO_MODEL,
  OTHER_POST,
  PASSED,
  PICK,
  SILENCE,
  SKIP,
  TOO_LONG,
} from './dialogue.ts';

const UNKNOWN = {};
const WITH_STRATEGY = requestHeaders({ headers: { 'routing-strategy': 'random' } });

const BUFFERED: Dialogues = {
  'answers the headers at once and the body with the pick': [
    [HEADERS, 'request_headers'],
    [requestBody('hello', 'end'), 'route "hello"'],
    [PICK, 'request_body pick'],
  ],
  'decides on a body that trailers follow, which come after the decision': [
    [HEADERS, 'request_headers'],
    [requestBody('hello'), 'route "hello"'],
    [PICK, 'request_body pick'],
    [requestTrailers, 'request_trailers'],
  ],
  'keeps trailers that come before the decision behind the body': [
    [HEADERS, 'request_headers'],
    [requestBody('hello'), 'route "hello"'],
    [requestTrailers],
    [PICK, 'request_body pick', 'request_trailers'],
  ],
  'lets a request go on whose trailers come without a body': [
    [HEADERS, 'request_headers'],
    [requestTrailers, 'request_trailers'],
  ],
  'names the model where Envoy’s routes decide, and takes no further part': [
    [HEADERS, 'request_headers'],
    [requestBody('hello', 'end'), 'route "hello"'],
    [PASSED, 'request_body model demo'],
    [responseHeaders(), 'response_headers'],
  ],
  'takes the strategy away at once, and gives it back with a pick': [
    [WITH_STRATEGY, 'request_headers without its strategy'],
    [requestBody('hello', 'end'), 'route "hello"'],
    [PICK, 'request_body pick'],
  ],
  'takes the strategy away where there will be no pick, so that no route waits for one': [
    [
      requestHeaders({ headers: { ':path': '/v1/files', 'routing-strategy': 'random' } }),
      SKIP.replace('request_headers', 'request_headers without its strategy'),
    ],
  ],
  'declines the rest of a GET': [[GET, SKIP]],
  'declines the rest of a path that is not routed, and lets its body pass': [
    [OTHER_POST, SKIP],
    [requestBody('more than ten bytes', 'end'), 'request_body'],
    [responseHeaders(), 'response_headers'],
  ],
  'compares the path without its query': [
    [requestHeaders({ headers: { ':path': `${CHAT_PATH}?a=/v1/files` } }), 'request_headers'],
    [requestBody('hello', 'end'), 'route "hello"'],
  ],
  'does not take a query for the path': [
    [requestHeaders({ headers: { ':path': `/v1/files?${CHAT_PATH}` } }), SKIP],
  ],
  'does not trip over headers without a path': [[{ request_headers: {} }, SKIP]],
  'answers 400 to a POST without a body': [
    [requestHeaders({ endOfStream: true }), 'immediate 400'],
    ...SILENCE,
  ],
  'answers 404 to a model that nobody knows, and is silent then': [
    [HEADERS, 'request_headers'],
    [requestBody('hello'), 'route "hello"'],
    [requestTrailers],
    [NO_MODEL, 'immediate 404'],
    ...SILENCE,
  ],
  'answers 413 by the announced length': [[TOO_LONG, 'immediate 413'], ...SILENCE],
  'answers 413 by the length that came': [
    [HEADERS, 'request_headers'],
    [requestBody('eleven byte', 'end'), 'immediate 413'],
    ...SILENCE,
  ],
  'takes a body of exactly the limit': [
    [requestHeaders({ headers: { 'content-length': '10' } }), 'request_headers'],
    [requestBody('ten bytes!', 'end'), 'route "ten bytes!"'],
  ],
  'asks for the response headers when they are to show the decision': [[DEBUG, ASK_DEBUG]],
  'answers response headers that come before the decision, and sends no answer of its own after them': [
    [HEADERS, 'request_headers'],
    [requestBody('hello', 'end'), 'route "hello"'],
    [responseHeaders(503), 'response_headers'],
    [NO_MODEL, 'request_body'],
    [responseBody('x', 'end'), 'response_body'],
  ],
  'answers response headers that come before the body, and lets a body too large pass then': [
    [HEADERS, 'request_headers'],
    [responseHeaders(408), 'response_headers'],
    [requestBody('eleven byte', 'end'), 'request_body'],
  ],
  'still picks after the response headers': [
    [HEADERS, 'request_headers'],
    [requestBody('hello', 'end'), 'route "hello"'],
    [responseHeaders(), 'response_headers'],
    [PICK, 'request_body pick'],
  ],
  'answers everything of a response in its own kind': [
    [HEADERS, 'request_headers'],
    [requestBody('hello', 'end'), 'route "hello"'],
    [PICK, 'request_body pick'],
    [responseHeaders(), 'response_headers', 'answered 200'],
    [responseBody('one'), 'response_body'],
    [responseBody('two'), 'response_body'],
    [responseTrailers, 'response_trailers'],
  ],
  'has no reply for a message that it does not know, and goes on': [
    [UNKNOWN],
    [HEADERS, 'request_headers'],
    [UNKNOWN],
    [requestBody('hello', 'end'), 'route "hello"'],
    [UNKNOWN],
    [PICK, 'request_body pick'],
    [UNKNOWN],
  ],
  'lets pass a stream that begins in the middle': [
    [requestBody('hello'), 'request_body'],
    [requestTrailers, 'request_trailers'],
    [responseHeaders(), 'response_headers'],
  ],
  'answers headers that come twice': [
    [GET, SKIP],
    [HEADERS, 'request_headers'],
  ],
  'gives up a decision that will not come': [
    [HEADERS, 'request_headers'],
    [requestBody('hello'), 'route "hello"'],
    [requestTrailers],
    ['late', 'request_body', 'request_trailers'],
    ['late'],
    [PICK],
  ],
};

const BUFFERED_PARTIAL: Dialogues = {
  'decides on a body that fits': [
    [HEADERS, 'request_headers'],
    [requestBody('hello', 'end'), 'route "hello"'],
    [PICK, 'request_body pick'],
  ],
  'goes on without a decision when the rest of the body stays with Envoy': [
    [HEADERS, 'request_headers'],
    [requestBody('hel'), 'request_body'],
  ],
  'asks for the whole body with the response headers': [[DEBUG, ASK_DEBUG]],
  'answers 413 by the announced length': [[TOO_LONG, 'immediate 413'], ...SILENCE],
  'answers 413 by the length that came': [
    [HEADERS, 'request_headers'],
    [requestBody('eleven byte'), 'immediate 413'],
    ...SILENCE,
  ],
};

const NONE: Dialogues = {
  'asks for the body, and decides when it comes': [
    [HEADERS, ASK],
    [requestBody('hello', 'end'), 'route "hello"'],
    [PICK, 'request_body pick'],
  ],
  'answers a response to a request whose body never came': [
    [HEADERS, ASK],
    [responseHeaders(), 'response_headers'],
  ],
  'has nothing to decline': [[GET, 'request_headers']],
  'answers 413 by the announced length': [[TOO_LONG, 'immediate 413'], ...SILENCE],
};

describe('The exchange in BUFFERED mode', () => holdDialogues(BUFFERED, { request_body_mode: 'BUFFERED' }));
describe('The exchange without protocol_config, before Envoy 1.34', () => holdDialogues(BUFFERED, undefined));
describe('The exchange in BUFFERED_PARTIAL mode', () =>
  holdDialogues(BUFFERED_PARTIAL, { request_body_mode: 'BUFFERED_PARTIAL' }));
describe('The exchange in NONE mode', () => holdDialogues(NONE, { request_body_mode: 'NONE' }));
describe('The exchange with a protocol_config that leaves the modes unset', () => holdDialogues(NONE, {}));
