/**
 * A fake Kubernetes API server: lists in pages as of one revision, watches as JSON lines, bookmarks, both forms of 410, tokens. What
 * it answers is compared with a real one's in test/kubernetes/fake-kube-api.test.ts.
 */
import { once } from 'node:events';
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { type LabelSelector, parseLabelSelector } from '../../src/routing/label-selector.ts';
import {
  apiVersionOf,
  type Change,
  FakeKubeStore,
  type KubeObject,
  type KubeResource,
} from './fake-kube-store.ts';
import { Inbox } from './inbox.ts';

export type { KubeObject, KubeResource } from './fake-kube-store.ts';

export const PODS: KubeResource = { root: '/api/v1', plural: 'pods', kind: 'Pod', isCustom: false };
export const INFERENCE_POOLS: KubeResource = {
  root: '/apis/inference.networking.k8s.io/v1',
  plural: 'inferencepools',
  kind: 'InferencePool',
  isCustom: true,
};

export interface KubeRequest {
  /** `page`: of a list, but not the first one. */
  readonly kind: 'list' | 'page' | 'watch' | 'get';
  readonly path: string;
  readonly query: URLSearchParams;
  readonly authorization: string | undefined;
}

/** What is to happen to a request instead of an answer. */
export type Fault =
  | {
      readonly kind: 'status';
      readonly code: number;
      readonly message?: string;
      readonly retryAfter?: number;
    }
  /** HTTP 200 and an ERROR event with this code. */
  | { readonly kind: 'error_event'; readonly code: number }
  /** Bytes as they are, after HTTP 200; then the end. */
  | { readonly kind: 'bytes'; readonly chunks: readonly (string | Uint8Array)[] }
  | { readonly kind: 'hang' }
  | { readonly kind: 'reset' };

export interface FakeKubeApiOptions {
  readonly resources?: readonly KubeResource[];
  /** PEM. */
  readonly tls?: { readonly key: string; readonly cert: string; readonly clientCa?: string };
}

export class FakeKubeApi {
  readonly requests = new Inbox<KubeRequest>();
  /** Watches that were accepted, in order; also those that are over. */
  readonly watches = new Inbox<FakeWatch>();
  /** Asked of each request; undefined: it is answered. */
  fault: (request: KubeRequest) => Fault | undefined = () => undefined;
  /** What tokens may do; undefined: nobody needs one. */
  tokens: Map<string, 'allowed' | 'forbidden'> | undefined;
  /** Objects of a page, however many are asked for. */
  maxPage = Number.POSITIVE_INFINITY;
  /** How a version is refused that is too old for a watch. */
  expiry: 'error_event' | 'status' = 'error_event';
  readonly #store = new FakeKubeStore(change => this.#changed(change));
  readonly #server: Server;
  readonly #resources: readonly KubeResource[];
  readonly #scheme: 'http' | 'https';

  private constructor({ resources = [PODS, INFERENCE_POOLS], tls }: FakeKubeApiOptions) {
    this.#resources = resources;
    this.#scheme = tls === undefined ? 'http' : 'https';
    const answer = (request: IncomingMessage, response: ServerResponse) => this.#answer(request, response);
    this.#server =
      tls === undefined
        ? createHttpServer(answer)
        : createHttpsServer(
            { ...tls, ca: tls.clientCa, requestCert: tls.clientCa !== undefined, rejectUnauthorized: false },
            answer,
          );
  }

  static async start(options: FakeKubeApiOptions = {}): Promise<FakeKubeApi> {
    const api = new FakeKubeApi(options);
    api.#server.listen(0, '127.0.0.1');
    await once(api.#server, 'listening');
    return api;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `${this.#scheme}://127.0.0.1:${this.port}`;
  }

  /** Connections that stand. */
  async connections(): Promise<number> {
    return new Promise((resolve, reject) =>
      this.#server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
    );
  }

  get openWatches(): readonly FakeWatch[] {
    return this.watches.all.filter(watch => watch.isOpen);
  }

  count(kind: KubeRequest['kind']): number {
    return this.requests.all.filter(request => request.kind === kind).length;
  }

  /** Creates or replaces. */
  put(object: KubeObject, resource: KubeResource = PODS): KubeObject {
    return this.#store.put(resource, object);
  }

  delete(metadata: KubeObject['metadata'], resource: KubeResource = PODS): void {
    this.#store.delete(resource, metadata);
  }

  objects(resource: KubeResource = PODS, revision?: number): readonly KubeObject[] {
    return this.#store.at(resource, revision);
  }

  get revision(): number {
    return this.#store.revision;
  }

  /** To all watches that allow them. */
  bookmark(): void {
    for (const watch of this.openWatches) watch.bookmark(this.#store.revision);
  }

  /** As `etcdctl compact`: versions from before are too old, also for watches and lists that are under way. */
  compact(): void {
    this.#store.compact();
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  #changed(change: Change): void {
    for (const watch of this.openWatches) watch.tell(change);
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://api');
    const target = this.#targetOf(pathname);
    const isWatch = searchParams.get('watch') === 'true';
    const kind = isWatch ? 'watch' : target?.name ? 'get' : searchParams.has('continue') ? 'page' : 'list';
    const asked = {
      kind,
      path: pathname,
      query: searchParams,
      authorization: request.headers.authorization,
    } as const;
    this.requests.push(asked);
    const fault = this.fault(asked);
    if (fault !== undefined) this.#fail(fault, response);
    else if (this.#mayAsk(request, response, target)) {
      if (target === undefined) notFoundAtAll(response);
      else if (isWatch) this.#watch(target, searchParams, response);
      else if (target.name !== undefined) this.#get(target, response);
      else this.#list(target, searchParams, response);
    }
  }

  #targetOf(path: string): Target | undefined {
    for (const resource of this.#resources) {
      if (!path.startsWith(`${resource.root}/`)) continue;
      const rest = path
        .slice(resource.root.length + 1)
        .split('/')
        .map(decodeURIComponent);
      const namespace = rest[0] === 'namespaces' && rest.length > 2 ? rest[1] : undefined;
      const [plural, name] = namespace === undefined ? rest : rest.slice(2);
      if (plural === resource.plural) return { resource, namespace, name };
    }
    return undefined;
  }

  #mayAsk(request: IncomingMessage, response: ServerResponse, target: Target | undefined): boolean {
    if (this.tokens === undefined || (request.socket as TLSSocket).authorized) return true;
    const right = this.tokens.get(request.headers.authorization?.replace(/^Bearer /, '') ?? '');
    if (right === 'allowed') return true;
    if (right === undefined) refuse(response, 401, 'Unauthorized', 'Unauthorized');
    else forbid(response, target);
    return false;
  }

  #fail(fault: Fault, response: ServerResponse): void {
    if (fault.kind === 'reset') response.socket?.resetAndDestroy();
    else if (fault.kind === 'status') {
      if (fault.retryAfter !== undefined) response.setHeader('retry-after', fault.retryAfter);
      refuse(response, fault.code, 'Fault', fault.message ?? 'a test wants it so');
    } else if (fault.kind === 'error_event') {
      const event = { type: 'ERROR', object: statusOf(fault.code, 'Fault', 'a test wants it so') };
      json(response, 200).end(`${JSON.stringify(event)}\n`);
    } else if (fault.kind === 'bytes') {
      json(response, 200);
      for (const chunk of fault.chunks) response.write(chunk);
      response.end();
    }
  }

  #get({ resource, namespace, name }: Target, response: ServerResponse): void {
    const object = this.#store
      .at(resource)
      .find(({ metadata }) => metadata.name === name && metadata.namespace === namespace);
    if (object !== undefined) json(response, 200).end(JSON.stringify(object));
    else
      refuse(response, 404, 'NotFound', `${resource.plural} "${name}" not found`, {
        name,
        kind: resource.plural,
      });
  }

  #list(target: Target, query: URLSearchParams, response: ServerResponse): void {
    const { resource } = target;
    const token = readToken(query.get('continue'));
    const revision = token?.revision ?? this.#store.revision;
    if (token !== undefined && this.#store.hasForgotten(revision)) {
      const inconsistent = writeToken({ revision: -1, start: token.start });
      const status = statusOf(410, 'Expired', CONTINUE_TOO_OLD);
      json(response, 410).end(JSON.stringify({ ...status, metadata: { continue: inconsistent } }));
      return;
    }
    const matches = selectorOf(target, query);
    const all = this.#store.at(resource, revision).filter(matches);
    const start = token?.start ?? 0;
    const limit = Math.min(this.maxPage, Number(query.get('limit') ?? 0) || all.length);
    const items = all.slice(start, start + limit);
    const left = all.length - start - items.length;
    const metadata = {
      ...(resource.isCustom && { continue: '' }),
      resourceVersion: String(revision),
      ...(left > 0 && { continue: writeToken({ revision, start: start + limit }) }),
      ...(left > 0 && !query.has('labelSelector') && { remainingItemCount: left }),
    };
    json(response, 200).end(
      JSON.stringify({
        kind: `${resource.kind}List`,
        apiVersion: apiVersionOf(resource),
        metadata,
        items: resource.isCustom ? items : items.map(({ kind: _, apiVersion: __, ...item }) => item),
      }),
    );
  }

  #watch(target: Target, query: URLSearchParams, response: ServerResponse): void {
    const from = Number(query.get('resourceVersion'));
    if (this.#store.hasForgotten(from)) {
      const message = `too old resource version: ${from} (${this.#store.revision})`;
      if (this.expiry === 'status') refuse(response, 410, 'Expired', message);
      else
        json(response, 200).end(
          `${JSON.stringify({ type: 'ERROR', object: statusOf(410, 'Expired', message) })}\n`,
        );
      return;
    }
    const watch = new FakeWatch(target, query, json(response, 200));
    // The headers go out before there is anything to tell.
    response.flushHeaders();
    for (const change of this.#store.since(from)) watch.tell(change);
    this.watches.push(watch);
  }
}

export class FakeWatch {
  readonly path: string;
  readonly query: URLSearchParams;
  readonly #target: Target;
  readonly #response: ServerResponse;
  readonly #matches: (object: KubeObject) => boolean;
  #isOpen = true;
  #last = '';

  constructor(target: Target, query: URLSearchParams, response: ServerResponse) {
    this.path = `${target.namespace ?? '*'}/${target.resource.plural}`;
    this.query = query;
    this.#target = target;
    this.#response = response;
    this.#matches = selectorOf(target, query);
    response.once('close', () => {
      this.#isOpen = false;
    });
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** One that leaves the selector is told as deleted, one that comes into it as added. */
  tell({ resource, revision, before, after }: Change): void {
    if (resource !== this.#target.resource) return;
    const was = before !== undefined && this.#matches(before);
    const is = after !== undefined && this.#matches(after);
    if (is) this.send(was ? 'MODIFIED' : 'ADDED', after);
    else if (was) {
      this.send('DELETED', {
        ...before,
        metadata: { ...before.metadata, resourceVersion: String(revision) },
      });
    }
  }

  bookmark(revision: number): void {
    if (this.query.get('allowWatchBookmarks') !== 'true') return;
    const { resource } = this.#target;
    const metadata = { resourceVersion: String(revision) };
    this.send('BOOKMARK', { kind: resource.kind, apiVersion: apiVersionOf(resource), metadata });
  }

  send(type: string, object: unknown): void {
    this.#last = `${JSON.stringify({ type, object })}\n`;
    this.write(this.#last);
  }

  /** The last event once more. */
  repeat(): void {
    this.write(this.#last);
  }

  /** Bytes as they are, in a chunk of their own. */
  write(bytes: string | Uint8Array): void {
    this.#response.write(bytes);
  }

  /** In the ERROR event that ends a watch. */
  expire(): void {
    this.send('ERROR', statusOf(410, 'Expired', 'too old resource version'));
    this.end();
  }

  /** As the API server does after `timeoutSeconds`. */
  end(): void {
    this.#isOpen = false;
    this.#response.end();
  }

  reset(): void {
    this.#isOpen = false;
    this.#response.socket?.resetAndDestroy();
  }
}

interface Target {
  readonly resource: KubeResource;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
}

const CONTINUE_TOO_OLD =
  'The provided continue parameter is too old to display a consistent list result. You can start a new list without ' +
  'the continue parameter, or use the continue token in this response to retrieve the remainder of the results. ' +
  'Continuing with the provided token results in an inconsistent list - objects that were created, modified, or ' +
  'deleted between the time the first chunk was returned and now may show up in the list.';

function selectorOf({ namespace }: Target, query: URLSearchParams): (object: KubeObject) => boolean {
  const labels = labelSelectorOf(query);
  const name = /^metadata\.name=(.+)$/.exec(query.get('fieldSelector') ?? '')?.[1];
  return ({ metadata }) =>
    (namespace === undefined || metadata.namespace === namespace) &&
    (name === undefined || metadata.name === name) &&
    labels(metadata.labels ?? {});
}

function labelSelectorOf(query: URLSearchParams): LabelSelector {
  const parsed = parseLabelSelector(query.get('labelSelector') ?? '');
  if (parsed.kind === 'invalid') throw new Error(parsed.reason);
  return parsed.matches;
}

interface ContinueToken {
  readonly revision: number;
  readonly start: number;
}

function writeToken(token: ContinueToken): string {
  return Buffer.from(JSON.stringify(token)).toString('base64url');
}

function readToken(text: string | null): ContinueToken | undefined {
  return text === null ? undefined : JSON.parse(Buffer.from(text, 'base64url').toString());
}

function json(response: ServerResponse, status: number): ServerResponse {
  return response.writeHead(status, { 'content-type': 'application/json' });
}

function refuse(response: ServerResponse, code: number, reason: string, message: string, details = {}): void {
  json(response, code).end(JSON.stringify(statusOf(code, reason, message, details)));
}

function forbid(response: ServerResponse, target: Target | undefined): void {
  const { plural = '', isCustom = false, root = '' } = target?.resource ?? {};
  const group = isCustom ? root.split('/')[2]! : '';
  const where =
    target?.namespace === undefined ? 'at the cluster scope' : `in the namespace "${target.namespace}"`;
  const message =
    `${plural}${group && `.${group}`} is forbidden: User "system:serviceaccount:recorded:warmroute" cannot list ` +
    `resource "${plural}" in API group "${group}" ${where}`;
  refuse(response, 403, 'Forbidden', message, { ...(isCustom && { group }), kind: plural });
}

function statusOf(code: number, reason: string, message: string, details: object = {}): object {
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message,
    reason,
    ...(Object.keys(details).length > 0 && { details }),
    code,
  };
}

/** A path that no API has. */
function notFoundAtAll(response: ServerResponse): void {
  response.writeHead(404, { 'content-type': 'text/plain; charset=utf-8' }).end('404 page not found\n');
}
