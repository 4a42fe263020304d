/** A model hub with real HTTP on port 0, which keeps large files at another server, as hubs do. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface FakeHub {
  readonly url: string;
  readonly host: string;
  /** Of its models, by `organization/name`, then by the files' names. */
  readonly models: Map<string, Record<string, string | Buffer>>;
  commit: string;
  /** What it asks for; undefined: nothing. */
  token: string | undefined;
  /** Answers in the hub's place; false: it answers itself. */
  answer: (request: IncomingMessage, response: ServerResponse) => boolean;
  /** The same for where it keeps large files. */
  give: (request: IncomingMessage, response: ServerResponse) => boolean;
  /** `METHOD path`, and whether there was a token. */
  readonly asked: { readonly line: string; readonly authorization: string | undefined }[];
  readonly given: { readonly line: string; readonly authorization: string | undefined }[];
  close(): Promise<void>;
}

/** Longer files are somewhere else. */
const LARGE = 64;

export async function startFakeHub(): Promise<FakeHub> {
  const stores = new Map<string, Buffer>();
  const hub: Omit<FakeHub, 'url' | 'host' | 'close'> = {
    models: new Map(),
    commit: 'a'.repeat(40),
    token: undefined,
    answer: () => false,
    give: () => false,
    asked: [],
    given: [],
  };
  const noted = ({ method, url, headers: { authorization } }: IncomingMessage) => ({
    ...{ line: `${method} ${url}`, authorization },
  });

  const store = createServer((request, response) => {
    hub.given.push(noted(request));
    if (hub.give(request, response)) return;
    response.end(stores.get(request.url!));
  });
  const storeUrl = await listen(store);

  const server = createServer((request, response) => {
    hub.asked.push(noted(request));
    if (hub.answer(request, response)) return;
    const [, model, revision, file] = /^\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.*)$/.exec(request.url!) ?? [];
    const files = hub.models.get(model ?? '');
    const isOpen = hub.token === undefined || request.headers.authorization === `Bearer ${hub.token}`;
    if (files === undefined || !isOpen) {
      const code = isOpen ? 'RepoNotFound' : 'GatedRepo';
      response.writeHead(isOpen ? 404 : 401, { 'x-error-code': code }).end();
      return;
    }
    response.setHeader('x-repo-commit', hub.commit);
    if (revision !== 'main' && revision !== hub.commit) {
      response.writeHead(404, { 'x-error-code': 'RevisionNotFound' }).end();
      return;
    }
    const content = files[file!];
    if (content === undefined) {
      response.writeHead(404, { 'x-error-code': 'EntryNotFound' }).end();
      return;
    }
    const bytes = Buffer.from(content);
    if (bytes.length <= LARGE) {
      response.end(bytes);
      return;
    }
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    stores.set(`/${sha256}?signed=1`, bytes);
    const location = `${storeUrl}/${sha256}?signed=1`;
    response.writeHead(302, { location, 'x-linked-etag': `"${sha256}"` }).end();
  });
  const url = await listen(server);

  return Object.assign(hub, {
    url,
    host: new URL(url).host,
    async close() {
      for (const each of [server, store]) {
        each.closeAllConnections();
        await new Promise(resolve => each.close(resolve));
      }
    },
  });
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
