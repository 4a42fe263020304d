/** An HTTP server that ends connections as uvicorn does, vLLM's: without saying when, 5 s after the last answer. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { mock } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { Inbox } from './inbox.ts';

export const UVICORN_KEEP_ALIVE_MS = 5_000;

/**
 * So many milliseconds of mocked timers, in steps: a client sets its timer for an idle connection some turns of the event loop after
 * the answer.
 */
export async function idle(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += STEP_MS) {
    mock.timers.tick(STEP_MS);
    await setImmediate();
  }
}

const STEP_MS = 10;

export class Uvicorn {
  readonly port: number;
  /** As they were accepted. It is left to the test to see who ends them first. */
  readonly connections = new Inbox<Socket>();
  readonly #server: ReturnType<typeof createServer>;

  private constructor(server: ReturnType<typeof createServer>) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', this.connections.push);
  }

  static async start(): Promise<Uvicorn> {
    const server = createServer((request, response) => {
      request.resume();
      response.end('{}');
    });
    // Node would announce it in a header.
    server.keepAliveTimeout = 0;
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Uvicorn(server);
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}
