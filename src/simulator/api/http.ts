/** The HTTP server under the simulated engine's API: routing, bodies, errors, event streams, connections. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { ApiError, unsupportedMediaType, validationError } from './api-error.ts';

export type Body = Readonly<Record<string, unknown>>;

/** One request and the ways to answer it; exactly one of them is used. */
export interface Exchange {
  /** Without the query. */
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  /** Aborts when the client has gone before the answer was complete, and when the server stops. */
  readonly signal: AbortSignal;
  /** The JSON object that was sent. Rejects with ApiError (400). */
  body(): Promise<Body>;
  json(value: unknown): void;
  /** No body if `content` is ''. */
  text(content: string, contentType: string): void;
  /** Starts a server-sent event stream. */
  stream(): EventStream;
}

export interface EventStream {
  /** `event` is written as the event's name; OpenAI's completions have none. */
  send(value: unknown, event?: string): void;
  /** Writes `data: [DONE]`. */
  done(): void;
  end(): void;
}

export type Handler = (exchange: Exchange) => void | Promise<void>;

/** Keys are `METHOD /path`; `{id}` in the place of a response's. */
export type Routes = ReadonlyMap<string, Handler>;

/** Longer than proxies keep idle connections, so that they never send into one that is being closed. */
const KEEP_ALIVE_MS = 300_000;

export class HttpDoor {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #stopping = new AbortController();

  constructor(routes: Routes) {
    this.#server = createServer((request, response) => void this.#serve(routes, request, response));
    this.#server.keepAliveTimeout = KEEP_ALIVE_MS;
    this.#server.on('connection', socket => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
  }

  /** Resolves to the bound port. */
  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, () => resolve((this.#server.address() as AddressInfo).port));
    });
  }

  /** `reset` drops connections as a killed process does, `close` ends them. Answers under way stay incomplete. */
  async stop(how: 'close' | 'reset'): Promise<void> {
    this.#stopping.abort();
    const closed = new Promise<void>(resolve => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) {
      if (how === 'reset') socket.resetAndDestroy();
      else socket.destroy();
    }
    await closed;
  }

  async #serve(routes: Routes, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '/').split('?')[0]!;
    const pattern = path.replace(/(?<=^\/v1\/responses\/)[^/]+/, '{id}');
    const handler = routes.get(`${request.method} ${path}`) ?? routes.get(`${request.method} ${pattern}`);
    if (handler === undefined) return answerUnrouted(routes, path, response);
    const gone = new AbortController();
    // A write that meets a connection just gone: 'close' follows and aborts the request.
    response.on('error', () => {});
    response.once('close', () => {
      if (!response.writableFinished) gone.abort();
    });
    try {
      await handler(
        exchangeOf(request, response, path, AbortSignal.any([gone.signal, this.#stopping.signal])),
      );
    } catch (error) {
      answerError(response, error);
    }
  }
}

function exchangeOf(
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  signal: AbortSignal,
): Exchange {
  return {
    path,
    headers: request.headers,
    signal,
    body: () => readBody(request),
    json: value => answerJson(response, 200, value),
    text: (content, contentType) => {
      response.writeHead(200, content === '' ? {} : { 'content-type': contentType });
      response.end(content);
    },
    stream: () => {
      response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
      response.flushHeaders();
      return {
        send: (value, event) => {
          response.write(
            `${event === undefined ? '' : `event: ${event}\n`}data: ${JSON.stringify(value)}\n\n`,
          );
        },
        done: () => void response.write('data: [DONE]\n\n'),
        end: () => void response.end(),
      };
    },
  };
}

async function readBody(request: IncomingMessage): Promise<Body> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  const isJson = request.headers['content-type']?.includes('application/json') === true;
  if (!isJson || text === '') throw unsupportedMediaType();
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (error) {
    throw jsonError(text, error);
  }
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as Body;
  const msg = 'Input should be a valid dictionary';
  throw validationError({ type: 'model_attributes_type', loc: 'body', msg, input: body });
}

/** In the words of Python's parser, as far as the two most common mistakes go. */
function jsonError(text: string, error: unknown): ApiError {
  const at = Number(/position (\d+)/.exec(String(error))?.[1] ?? text.length);
  const expected = /[{,]\s*$/.test(text.slice(0, at)) ? 'property name enclosed in double quotes' : 'value';
  const ctx = `{'error': 'Expecting ${expected}'}`;
  return validationError({
    type: 'json_invalid',
    loc: `body.${at}`,
    msg: 'JSON decode error',
    input: {},
    ctx,
  });
}

function answerJson(response: ServerResponse, status: number, value: unknown): void {
  const text = JSON.stringify(value);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  });
  response.end(text);
}

function answerError(response: ServerResponse, error: unknown): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  if (error instanceof ApiError) answerJson(response, error.status, error.body);
  else answerJson(response, 500, new ApiError(500, 'InternalServerError', String(error)).body);
}

function answerUnrouted(routes: Routes, path: string, response: ServerResponse): void {
  const known = [...routes.keys()].some(key => key.endsWith(` ${path}`));
  answerJson(response, known ? 405 : 404, { detail: known ? 'Method Not Allowed' : 'Not Found' });
}
