/**
 * A fake of vLLM's HTTP API as far as tokenizing goes, on a real socket. By default it renders, and its tokens are the
 * UTF-8 bytes of what it was asked to tokenize; a test that needs something else gives its own `answer`.
 */
import { EventEmitter, once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Pod } from '../../src/domain.ts';

export interface ReceivedRequest {
  readonly method: string;
  readonly path: string;
  readonly contentType: string | undefined;
  readonly authorization: string | undefined;
  readonly traceparent: string | undefined;
  readonly text: string;
  /** `text` as JSON. */
  readonly body: unknown;
}

/** What to answer; `hang` never answers, `reset` destroys the connection, `text` is sent as it is. */
export type FakeAnswer =
  | { readonly kind: 'json'; readonly status: number; readonly body: unknown }
  | { readonly kind: 'text'; readonly status: number; readonly text: string }
  | { readonly kind: 'hang' }
  | { readonly kind: 'reset' };

export type AnswerRequest = (request: ReceivedRequest) => FakeAnswer | Promise<FakeAnswer>;

export interface FakeTokenizer {
  /** A pod that points at this server. */
  readonly pod: Pod;
  /** Everything that was asked, in order, but for polls of how it is: it is well, whatever becomes of the rest. */
  readonly requests: readonly ReceivedRequest[];
  /** The paths of those. */
  readonly polls: readonly string[];
  /** TCP connections accepted so far. */
  readonly connections: number;
  answer: AnswerRequest;
  /** Of its `/metrics`; undefined: it has none. */
  metrics: string | undefined;
  /** Resolves when `count` requests in all have come in. */
  received(count: number): Promise<void>;
  /** Resolves when `count` requests in all were evicted by the client before they were answered. */
  abandoned(count: number): Promise<void>;
  stop(): Promise<void>;
}

export const json = (status: number, body: unknown): FakeAnswer => ({ kind: 'json', status, body });
export const HANG: FakeAnswer = { kind: 'hang' };
export const RESET: FakeAnswer = { kind: 'reset' };

export function sendAnswer(response: ServerResponse, answer: FakeAnswer): void {
  switch (answer.kind) {
    case 'json':
      response.writeHead(answer.status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(answer.body));
      return;
    case 'text':
      response.writeHead(answer.status);
      response.end(answer.text);
      return;
    case 'reset':
      response.destroy();
      return;
    case 'hang':
      return;
  }
}

/** vLLM 0.30 and later without `--enable-scale-out`. */
export const SCALE_OUT_DISABLED = json(403, {
  error: {
    message: 'Scale-out endpoints are disabled. Restart vllm serve with --enable-scale-out to enable them.',
    type: 'PermissionDeniedError',
    param: null,
    code: 403,
  },
});
/** The web framework's answer for a path that does not exist. */
export const NOT_FOUND = json(404, { detail: 'Not Found' });
export const UNKNOWN_MODEL = json(404, {
  error: {
    message: 'The model `nope` does not exist.',
    type: 'NotFoundError',
    param: 'model',
    code: 404,
  },
});

/** Asked whenever their time has come, so no test may depend on what is answered to the rest. */
const POLLED: ReadonlySet<string> = new Set(['/health', '/is_sleeping', '/metrics']);

/** Renders and tokenizes: the tokens are the bytes of the request's body. */
export const answerBytes: AnswerRequest = ({ path, text }) => {
  const ids = [...Buffer.from(text)];
  if (path === '/tokenize') return json(200, { count: ids.length, max_model_len: 4096, tokens: ids });
  const rendered = { request_id: 'r', token_ids: ids, features: null };
  return json(200, path === '/v1/completions/render' ? [rendered] : rendered);
};

/** Like `answerBytes`, but nothing is rendered. */
export function withoutRender(absent: FakeAnswer): AnswerRequest {
  return request => (request.path === '/tokenize' ? answerBytes(request) : absent);
}

/** @param tls certificate and key of an https server; without it, it speaks http */
export async function startFakeTokenizer(
  name = 'pod-a',
  tls?: { readonly cert: Buffer; readonly key: Buffer },
): Promise<FakeTokenizer> {
  const requests: ReceivedRequest[] = [];
  const polls: string[] = [];
  const events = new EventEmitter();
  let connections = 0;
  let abandoned = 0;

  async function until(reached: () => boolean): Promise<void> {
    while (!reached()) await once(events, 'change');
  }

  function polled(path: string): FakeAnswer {
    if (path === '/health') return json(200, {});
    return path === '/metrics' && fake.metrics !== undefined
      ? { kind: 'text', status: 200, text: fake.metrics }
      : NOT_FOUND;
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('close', () => {
      if (response.writableFinished) return;
      abandoned++;
      events.emit('change');
    });
    const path = request.url ?? '';
    if (POLLED.has(path)) {
      polls.push(path);
      sendAnswer(response, polled(path));
      return;
    }
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString('utf8');
    const received: ReceivedRequest = {
      method: request.method ?? '',
      path,
      contentType: request.headers['content-type'],
      authorization: request.headers.authorization,
      traceparent: request.headers.traceparent?.toString(),
      text,
      body: text === '' ? undefined : JSON.parse(text),
    };
    requests.push(received);
    events.emit('change');
    sendAnswer(response, await fake.answer(received));
  }

  const listener = (request: IncomingMessage, response: ServerResponse) => {
    // A client that goes away while its body is read is what some tests are about.
    handle(request, response).catch(() => response.destroy());
  };
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  server.on('connection', () => connections++);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  const fake: FakeTokenizer = {
    pod: {
      name,
      ip: '127.0.0.1',
      port: (server.address() as AddressInfo).port,
      model: 'tiny',
      aliases: [],
      kvEvents: { kind: 'none' },
      labels: {},
    },
    ...{ requests, polls },
    get connections() {
      return connections;
    },
    answer: answerBytes,
    metrics: undefined,
    received: count => until(() => requests.length >= count),
    abandoned: count => until(() => abandoned >= count),
    async stop() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
  return fake;
}
