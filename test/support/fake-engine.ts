/** What an engine says of itself over HTTP, on a real socket: each page as a test wants it, and 404 where it says nothing. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type FakeAnswer, json, NOT_FOUND, sendAnswer } from './fake-tokenizer.ts';
import { Inbox } from './inbox.ts';
import type { Version } from './kv-events.ts';

/** `flood` never ends, and is as fast as the reader. */
export type PageAnswer = FakeAnswer | { readonly kind: 'flood' };

/** By path. */
export type Pages = Readonly<Record<string, PageAnswer | Promise<PageAnswer>>>;

export const FLOOD: PageAnswer = { kind: 'flood' };

export class FakeEngine {
  readonly port: number;
  pages: Pages;
  /** `GET /version`, as it comes in. */
  readonly asked = new Inbox<string>();
  /** The same, of those who went before they had an answer. */
  readonly abandoned = new Inbox<string>();
  readonly #server: ReturnType<typeof createServer>;

  private constructor(server: ReturnType<typeof createServer>, pages: Pages) {
    this.#server = server;
    this.pages = pages;
    this.port = (server.address() as AddressInfo).port;
    server.on(
      'request',
      ({ method, url }, response) => void this.#answer(`${method} ${url}`, url!.split('?')[0]!, response),
    );
  }

  /** Port 0 lets the system choose. */
  static async start(pages: Pages = {}, port = 0): Promise<FakeEngine> {
    const server = createServer();
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return new FakeEngine(server, pages);
  }

  /** Resolves when each of its four pages was asked for once more, in any order. */
  async askedAll(): Promise<void> {
    for (let i = 0; i < 4; i++) await this.asked.next();
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(request: string, path: string, response: ServerResponse): Promise<void> {
    response.on('close', () => {
      if (!response.writableFinished) this.abandoned.push(request);
    });
    this.asked.push(request);
    const answer = await (this.pages[path] ?? NOT_FOUND);
    if (answer.kind === 'flood') flood(response);
    else sendAnswer(response, answer);
  }
}

function flood(response: ServerResponse): void {
  const chunk = Buffer.alloc(65_536, ' ');
  const pour = () => {
    while (!response.destroyed && response.write(chunk));
  };
  response.on('drain', pour);
  pour();
}

// ---- pages -----------------------------------------------------------------------------------------------------

export const versionPage = (version: unknown): PageAnswer => json(200, { version });

/** As vLLM lists its models: names of the base model, and adapters of it. */
export function modelsPage(names: readonly string[], adapters: readonly string[] = []): PageAnswer {
  const card = (id: string, parent: string | null) => ({ id, object: 'model', root: id, parent });
  const data = [...names.map(id => card(id, null)), ...adapters.map(id => card(id, names[0]!))];
  return json(200, { object: 'list', data });
}

/** Of one data-parallel rank, in the words of vLLM 0.32. */
export function source(endpoint: string, replayEndpoint: string | null = null) {
  return {
    ...{ enable_kv_cache_events: true, publisher: 'zmq', endpoint, replay_endpoint: replayEndpoint },
    ...{ buffer_steps: 10_000, hwm: 100_000, max_queue_size: 100_000, topic: '' },
  };
}

/** Ranks that bind these ports, and their replays on others. */
export function sourcesPage(...ports: readonly (readonly [port: number, replayPort?: number])[]): PageAnswer {
  const ranks = ports.map(([port, replayPort]) =>
    source(`tcp://*:${port}`, replayPort === undefined ? null : `tcp://*:${replayPort}`),
  );
  return json(200, { ...ranks });
}

interface Recorded {
  readonly server: string;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly answer: unknown;
}

/** What a real vLLM answered; `lora`: with an adapter loaded. */
export function recordedPages(
  version: Version,
  { lora = false } = {},
): Readonly<Record<'/version' | '/v1/models' | '/kv_event_sources', PageAnswer>> {
  const file = new URL(`../fixtures/vllm-${version}-answers.json`, import.meta.url);
  const all = JSON.parse(readFileSync(file, 'utf8')) as Recorded[];
  const page = (server: string, path: string): PageAnswer => {
    const found = all.find(each => each.server === server && each.method === 'GET' && each.path === path);
    if (found === undefined) throw new Error(`no ${path} of ${server} was recorded with vLLM ${version}`);
    return json(found.status, found.answer);
  };
  return {
    '/version': page('g', '/version'),
    '/v1/models': page(lora ? 'lora' : 'g', '/v1/models'),
    '/kv_event_sources': page('g', '/kv_event_sources'),
  };
}
