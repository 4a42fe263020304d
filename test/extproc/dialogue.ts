/** Dialogues between Envoy and an exchange, in one line for each turn. */
import { assert } from 'chai';
import type { Decision } from '../../src/domain.ts';
import { type BodyLease, BodyMemory } from '../../src/extproc/body/body-memory.ts';
import { Exchange } from '../../src/extproc/exchange.ts';
import { readMessage, readModes } from '../../src/extproc/incoming.ts';
import type { Action, ExchangeOptions } from '../../src/extproc/request-side.ts';
import type { WireRequest } from '../../src/extproc/wire.ts';
import { aRoutedDecision } from '../support/builders.ts';
import {
  CHAT_PATH,
  type ProtocolConfig,
  requestBody,
  requestHeaders,
  requestTrailers,
  responseBody,
  responseHeaders,
  responseTrailers,
} from '../support/envoy-messages.ts';
import { told } from './told.ts';

export type Event = WireRequest | Decision | 'late' | 'late_body' | 'buffers_full';

/** What happens to an exchange, and the lines that it answers. */
export type Turn = readonly [event: Event, ...answers: string[]];
export type Dialogues = Readonly<Record<string, readonly Turn[]>>;

export const OPTIONS: ExchangeOptions = {
  maxBodyBytes: 10,
  debugHeaders: 'allowed',
  targetHeaders: 'off',
  ruleOf: path => ({ treatment: path === CHAT_PATH ? 'routed' : 'passed_on', errors: 'openai' }),
  destinationEndpoints: 1,
  priorityHeader: 'x-gateway-inference-priority',
  serverOf: pod => ({ kind: 'pod', pod }),
  models: () => [{ id: 'demo', root: 'demo' }],
  watchNext: () => 'unwatched',
  sampleNext: () => 'not_sampled',
  keepsSession: () => false,
  steeringOf: () => 'steered',
  newRequestId: () => 'made-up',
};

/** Without `config`, as Envoy before 1.34. */
export function anExchange(
  config?: ProtocolConfig,
  options: Partial<ExchangeOptions> = {},
  lease: BodyLease = new BodyMemory(Number.MAX_SAFE_INTEGER).lease(() => {}),
): Exchange {
  return new Exchange(
    readModes(config ? { protocol_config: config } : {}, 'BUFFERED'),
    { ...OPTIONS, ...options },
    lease,
  );
}

export function happen(exchange: Exchange, event: Event): Action[] {
  if (event === 'late') return exchange.late();
  if (event === 'late_body' || event === 'buffers_full') return exchange.cutShort(event);
  return 'kind' in event ? exchange.decided(event) : exchange.receive(readMessage(event));
}

/** Makes each dialogue a test. */
export function holdDialogues(dialogues: Dialogues, config: ProtocolConfig | undefined): void {
  for (const [name, turns] of Object.entries(dialogues)) {
    it(name, () => {
      const exchange = anExchange(config);
      for (const [i, [event, ...answers]] of turns.entries()) {
        assert.deepEqual(happen(exchange, event).map(told), answers, `turn ${i + 1}`);
      }
    });
  }
}

export const PICK = aRoutedDecision();
export const NO_MODEL: Decision = { kind: 'rejected', error: { kind: 'unknown_model', model: 'x' } };
export const PASSED: Decision = { kind: 'passed', model: 'demo' };
export const UNDECIDED: Decision = { kind: 'undecided' };
export const HEADERS = requestHeaders();
export const GET = requestHeaders({
  headers: { ':method': 'GET', ':path': '/v1/models' },
  endOfStream: true,
});
export const OTHER_POST = requestHeaders({ headers: { ':path': '/v1/files' } });
export const TOO_LONG = requestHeaders({ headers: { 'content-length': '11' } });
export const DEBUG = requestHeaders({ headers: { 'x-warmroute-debug': '1' } });

export const SKIP = 'request_headers override NONE (response headers SKIP)';
export const ASK = 'request_headers override BUFFERED (response headers as configured)';
export const ASK_DEBUG = 'request_headers override BUFFERED (response headers SEND)';

/** Nothing that comes after our own answer gets a reply. */
export const SILENCE: readonly Turn[] = [
  [requestBody('more')],
  [requestBody('', 'end')],
  [requestTrailers],
  [responseHeaders()],
  [responseBody('x')],
  [responseTrailers],
  [PICK],
  ['late'],
];
