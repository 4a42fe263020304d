import { type AdmissionRules, refusalOf } from './admission.ts';
import { type DoorExchange, HttpDoor } from './http-door.ts';
import { BodyRoom, readBody } from './request-body.ts';
import { type AdminExchange, type AdminRoute, sendJson } from './route.ts';

export interface AdminOptions extends AdmissionRules {
  /** An address to bind, IPv6 with or without brackets. */
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  readonly routes: readonly AdminRoute[];
  /** How long `stop` lets running answers finish. Default 1000. */
  readonly stopGraceMs?: number;
  /** How long a client may take to send a request, or to take an answer. Default 10,000: Prometheus's own. */
  readonly patienceMs?: number;
  /** Memory of the bodies of all requests that are not answered yet. Default 32 MiB: four of the longest. */
  readonly maxKeptBytes?: number;
}

export interface Admin {
  readonly address: string;
  readonly port: number;
  /** Lets running answers finish, for `stopGraceMs` at most, and closes all connections. */
  stop(): Promise<void>;
}

/** Of requests whose body nobody wants. */
const MAX_UNREAD_BYTES = 64 << 10;
const MAX_KEPT_BYTES = 32 << 20;
const PATIENCE_MS = 10_000;
const LIMITS = {
  /** Of all clients: Prometheus, probes and a few operators need a dozen. */
  maxConnections: 64,
  /** Most of a request, and few enough of the smallest ones. */
  sliceBytes: 512,
  /** No client that we know sends requests before it has its answer. */
  maxWaiting: 8,
} as const;

/**
 * The operator's HTTP door. Clients that do not read, or open many connections, cost nobody else. Rejects with the system's error if it
 * cannot listen.
 */
export async function startAdmin(options: AdminOptions): Promise<Admin> {
  const { routes, stopGraceMs = 1000 } = options;
  const room = new BodyRoom(options.maxKeptBytes ?? MAX_KEPT_BYTES);
  const exact = Map.groupBy(routes, ({ path }) => path);
  const prefixes = routes.filter(({ path }) => path.endsWith('/*'));

  /** All routes of a path, which differ in their methods. */
  function routesAt(path: string): readonly AdminRoute[] {
    if (path.endsWith('*')) return [];
    return (
      exact.get(path) ??
      prefixes.filter(route => path.startsWith(prefixOf(route)) && path.length > prefixOf(route).length)
    );
  }

  async function answer({ request, response, from, holdOpen }: DoorExchange): Promise<void> {
    const { headers, method } = request;
    const [path, queryText] = split(request.url ?? '');
    const here = routesAt(path);
    const route = here.find(each => each.method === (method === 'HEAD' ? 'GET' : method));
    const refusal = refusalOf({ from, method, headers }, here[0]?.audience ?? 'operator', options);
    const rest = route === undefined ? '' : restOf(path, route);
    const limitBytes = refusal === undefined && route?.method === 'POST' ? route.maxBodyBytes : undefined;
    const lease = limitBytes === undefined ? undefined : room.lease();
    response.once('close', () => lease?.end());
    const body = readBody(request, limitBytes ?? MAX_UNREAD_BYTES, lease);

    if (Number(headers['content-length'] ?? 0) > (limitBytes ?? MAX_UNREAD_BYTES)) {
      response.setHeader('connection', 'close');
      return sendJson(response, 413, { error: 'request body too large' });
    }
    if (refusal !== undefined) return sendJson(response, 403, { error: refusal });
    if (here.length === 0 || rest === undefined) return sendJson(response, 404, { error: 'not found' });
    if (route === undefined) {
      response.setHeader(
        'allow',
        here.map(each => (each.method === 'GET' ? 'GET, HEAD' : each.method)).join(),
      );
      return sendJson(response, 405, { error: 'method not allowed' });
    }
    const exchange: AdminExchange = {
      ...{ request, response, rest, holdOpen },
      query: new URLSearchParams(queryText),
    };
    if (route.method === 'GET') return route.answer(exchange);
    // A form of another site can send any other type without its browser asking first.
    if (!/^application\/json\b/i.test(headers['content-type'] ?? '')) {
      return sendJson(response, 415, { error: 'the content-type must be application/json' });
    }
    const received = await body;
    if (received === 'no_room') {
      response.setHeader('connection', 'close');
      return sendJson(response, 503, { error: 'others have sent all that is taken at a time: ask again' });
    }
    if (received !== 'gone') return route.answer(exchange, received);
  }

  async function answerSafely(exchange: DoorExchange): Promise<void> {
    try {
      await answer(exchange);
    } catch {
      // What failed is ours, not the operator's to read here; a probe must still get an answer.
      const { response } = exchange;
      if (response.headersSent) response.destroy();
      else sendJson(response, 500, { error: 'internal error' });
    }
  }

  const door = new HttpDoor(answerSafely, { ...LIMITS, patienceMs: options.patienceMs ?? PATIENCE_MS });
  const { address, port } = await door.listen(options.port, options.host.replace(/^\[(.*)\]$/, '$1'));
  return { address, port, stop: () => door.stop(stopGraceMs) };
}

function prefixOf({ path }: AdminRoute): string {
  return path.slice(0, -1);
}

/** undefined: it is written in a way that means nothing. */
function restOf(path: string, route: AdminRoute): string | undefined {
  if (!route.path.endsWith('/*')) return '';
  try {
    return decodeURIComponent(path.slice(prefixOf(route).length));
  } catch {
    return undefined;
  }
}

function split(url: string): [path: string, query: string] {
  const at = url.indexOf('?');
  return at < 0 ? [url, ''] : [url.slice(0, at), url.slice(at + 1)];
}
