import type { IncomingMessage, ServerResponse } from 'node:http';
import { HttpDoor } from './http-door.ts';
import { isLocalRequest } from './loopback.ts';

export interface AdminOptions {
  /** An address to bind, IPv6 with or without brackets. */
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  /** Who may see more than `/metrics`, `/version`, `/healthz` and `/readyz`: clients on this host, or all that reach the port. */
  readonly debug: 'loopback' | 'everyone';
  /** Answers /metrics in full. */
  readonly metrics: Page;
  readonly isReady: () => { readonly ready: boolean; readonly why: string };
  /** Of this program; `/version` shows it. */
  readonly version: string;
  /** Every model name that can be asked for and the base model behind it. */
  readonly models: () => readonly { readonly id: string; readonly root: string }[];
  /** What `/debug/publishers` shows: anything that is JSON. */
  readonly publishers: () => readonly unknown[];
  /** What `/debug/pods` shows: anything that is JSON. */
  readonly pods: () => readonly unknown[];
  readonly now?: () => number;
  /** How long `stop` lets running answers finish. Default 1000. */
  readonly stopGraceMs?: number;
  /** How long a client may take to send a request, or to take an answer. Default 10,000: Prometheus's own. */
  readonly patienceMs?: number;
}

type Page = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

export interface Admin {
  readonly address: string;
  readonly port: number;
  /** Lets running answers finish, for `stopGraceMs` at most, and closes all connections. */
  stop(): Promise<void>;
}

const MAX_BODY_BYTES = 64 << 10;
const PATIENCE_MS = 10_000;
const LIMITS = {
  /** Of all clients: Prometheus, probes and a few operators need a dozen. */
  maxConnections: 64,
  /** Most of a request, and few enough of the smallest ones. */
  sliceBytes: 512,
  /** No client that we know sends requests before it has its answer. */
  maxWaiting: 8,
} as const;
/** For scrapers and probes on other hosts: they name no prompt, no tenant and no address. */
const FOR_THE_NETWORK: ReadonlySet<string> = new Set(['/healthz', '/readyz', '/metrics', '/version']);
const LOOPBACK_ONLY =
  'only served to clients on the same host; set WARMROUTE_ADMIN_DEBUG=true to serve it to all that reach this port';

/**
 * The operator's HTTP door: `/healthz` (the process runs), `/readyz` (200, or 503 while requests should go to another replica, and
 * why), `/metrics`, `/version`, `/debug/pods` (each pod: health and why, requests in flight, seen and failed, ports), `/debug/publishers`
 * (each event stream: state, sequence, lag, blocks, last errors), and `/v1/models` in OpenAI's list format. The latter three are
 * for clients on this host unless `debug` says otherwise. Clients that do not read, or open many connections, cost nobody else.
 * Rejects with the system's error if it cannot listen.
 */
export async function startAdmin(options: AdminOptions): Promise<Admin> {
  const {
    metrics,
    isReady,
    version,
    models,
    publishers,
    pods,
    debug,
    now = Date.now,
    stopGraceMs = 1000,
  } = options;
  // OpenAI clients require a creation time; ours is the same for all models while the process lives.
  const created = Math.floor(now() / 1000);

  const pages = new Map<string, Page>([
    ['/healthz', (_, response) => send(response, 200, 'text/plain; charset=utf-8', 'ok')],
    [
      '/readyz',
      (_, response) => {
        const { ready, why } = isReady();
        sendJson(response, ready ? 200 : 503, { ready, why });
      },
    ],
    ['/metrics', metrics],
    ['/version', (_, response) => sendJson(response, 200, { version })],
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

  function answer(
    request: IncomingMessage,
    response: ServerResponse,
    from: string | undefined,
  ): void | Promise<void> {
    const path = request.url?.split('?', 1)[0] ?? '';
    const { headers, method } = request;
    const isOpen = debug === 'everyone' || FOR_THE_NETWORK.has(path);
    const page = pages.get(path);
    if (Number(headers['content-length'] ?? 0) > MAX_BODY_BYTES) {
      response.setHeader('connection', 'close');
      sendJson(response, 413, { error: 'request body too large' });
    } else if (!isOpen && !isLocalRequest(from, headers.host)) {
      sendJson(response, 403, { error: LOOPBACK_ONLY });
    } else if (page === undefined) {
      sendJson(response, 404, { error: 'not found' });
    } else if (method !== 'GET' && method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD');
      sendJson(response, 405, { error: 'method not allowed' });
    } else {
      return page(request, response);
    }
  }

  async function answerSafely(...exchange: Parameters<typeof answer>): Promise<void> {
    const [request, response] = exchange;
    ignoreBody(request);
    try {
      await answer(...exchange);
    } catch {
      // What failed is ours, not the operator's to read here; a probe must still get an answer.
      if (response.headersSent) response.destroy();
      else sendJson(response, 500, { error: 'internal error' });
    }
  }

  const door = new HttpDoor(answerSafely, { ...LIMITS, patienceMs: options.patienceMs ?? PATIENCE_MS });
  const { address, port } = await door.listen(options.port, options.host.replace(/^\[(.*)\]$/, '$1'));
  return { address, port, stop: () => door.stop(stopGraceMs) };
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
