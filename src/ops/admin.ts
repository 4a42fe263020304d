import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface AdminOptions {
  /** An address to bind, IPv6 with or without brackets. */
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  /** Answers /metrics in full. */
  readonly metrics: (request: IncomingMessage, response: ServerResponse) => void;
  readonly isReady: () => { readonly ready: boolean; readonly why: string };
  /** Every model name that can be asked for and the base model behind it. */
  readonly models: () => readonly { readonly id: string; readonly root: string }[];
  /** What `/debug/publishers` shows: anything that is JSON. */
  readonly publishers: () => readonly unknown[];
  /** What `/debug/pods` shows: anything that is JSON. */
  readonly pods: () => readonly unknown[];
  readonly now?: () => number;
  /** How long `stop` lets running answers finish. Default 1000. */
  readonly stopGraceMs?: number;
}

export interface Admin {
  readonly address: string;
  readonly port: number;
  /** Lets running answers finish, for `stopGraceMs` at most, and closes all connections. */
  stop(): Promise<void>;
}

const MAX_BODY_BYTES = 64 << 10;
const HEADERS_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 10_000;

/**
 * The operator's HTTP door: `/healthz` (the process runs), `/readyz` (200, or 503 while requests should go elsewhere, and
 * why), `/metrics`, `/debug/pods` (each pod: health and why, requests in flight and failed, ports), `/debug/publishers` (each event stream: state, sequence, lag, blocks, last errors), and `/v1/models` in
 * OpenAI's list format. Rejects with the system's error if it cannot listen.
 */
export async function startAdmin(options: AdminOptions): Promise<Admin> {
  const { metrics, isReady, models, publishers, pods, now = Date.now, stopGraceMs = 1000 } = options;
  // OpenAI clients require a creation time; ours is the same for all models while the process lives.
  const created = Math.floor(now() / 1000);

  const pages = new Map<string, (request: IncomingMessage, response: ServerResponse) => void>([
    ['/healthz', (_, response) => send(response, 200, 'text/plain; charset=utf-8', 'ok')],
    [
      '/readyz',
      (_, response) => {
        const { ready, why } = isReady();
        sendJson(response, ready ? 200 : 503, { ready, why });
      },
    ],
    ['/metrics', metrics],
    ['/debug/pods', (_, response) => sendJson(response, 200, { pods: pods() })],
    ['/debug/publishers', (_, response) => sendJson(response, 200, { publishers: publishers() })],
    [
      '/v1/models',
      (_, response) => {
        const data = models().map(({ id, root }) => ({
          id,
          object: 'model',
          created,
          owned_by: 'warmroute',
          root,
        }));
        sendJson(response, 200, { object: 'list', data });
      },
    ],
  ]);

  function answer(request: IncomingMessage, response: ServerResponse): void {
    const page = pages.get(request.url?.split('?', 1)[0] ?? '');
    if (Number(request.headers['content-length'] ?? 0) > MAX_BODY_BYTES) {
      response.setHeader('connection', 'close');
      sendJson(response, 413, { error: 'request body too large' });
    } else if (page === undefined) {
      sendJson(response, 404, { error: 'not found' });
    } else if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD');
      sendJson(response, 405, { error: 'method not allowed' });
    } else {
      page(request, response);
    }
  }

  const answering = new Set<ServerResponse>();
  let stopped: Promise<void> | undefined;
  const server = createServer((request, response) => {
    answering.add(response);
    response.once('close', () => {
      answering.delete(response);
      if (stopped !== undefined) closeUnlessAnswering();
    });
    ignoreBody(request);
    try {
      answer(request, response);
    } catch {
      // What failed is ours, not the operator's to read here; a probe must still get an answer.
      if (response.headersSent) response.destroy();
      else sendJson(response, 500, { error: 'internal error' });
    }
  });
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.requestTimeout = REQUEST_TIMEOUT_MS;

  // `closeIdleConnections` would leave connections that have not sent a request yet.
  function closeUnlessAnswering(): void {
    if (answering.size === 0) server.closeAllConnections();
  }

  server.listen(options.port, options.host.replace(/^\[(.*)\]$/, '$1'));
  await once(server, 'listening');
  const { address, port } = server.address() as AddressInfo;

  async function stop(): Promise<void> {
    const closed = once(server, 'close');
    server.close();
    closeUnlessAnswering();
    const impatience = setTimeout(() => server.closeAllConnections(), stopGraceMs);
    await closed;
    clearTimeout(impatience);
  }

  return {
    address,
    port,
    stop() {
      stopped ??= stop();
      return stopped;
    },
  };
}

/** No page reads a body, and nobody has reason to send a long one. */
function ignoreBody(request: IncomingMessage): void {
  let receivedBytes = 0;
  request.on('data', (chunk: Buffer) => {
    receivedBytes += chunk.length;
    if (receivedBytes > MAX_BODY_BYTES) request.destroy();
  });
}

function sendJson(response: ServerResponse, status: number, content: unknown): void {
  send(response, status, 'application/json', JSON.stringify(content));
}

function send(response: ServerResponse, status: number, type: string, content: string): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(content),
    'cache-control': 'no-store',
  });
  response.end(content);
}
