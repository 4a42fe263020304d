/**
 * Engines that tell the tokens of recorded prompts at once, in a process of their own. Forked by its bench, which stores answers by
 * `PUT /recorded/KEY`, and finds them there; the key of a prompt is the SHA-1 of its body.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { PATH } from './conversation.ts';

/** What it says whenever it is asked. */
export interface RecordedEngines {
  readonly ports: readonly number[];
  /** How many prompts there were so far. */
  readonly rendered: number;
}

const ENGINES = 3;
const recorded = new Map<string, Buffer>();
let rendered = 0;

const ports: number[] = [];
for (let i = 0; i < ENGINES; i++) {
  const server = createServer((request, response) => void answer(request, response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  ports.push((server.address() as AddressInfo).port);
}
process.on('message', () => process.send!({ ports, rendered } satisfies RecordedEngines));
process.on('disconnect', () => process.exit());
process.send!({ port: ports[0] });

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method, url = '' } = request;
  const body = await buffer(request);
  const send = (status: number, text: Buffer | string = '{}') =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(text);
  if (url === '/health') send(200);
  else if (method === 'PUT') {
    recorded.set(url, body);
    send(200);
  } else if (url === `${PATH}/render`) {
    rendered++;
    const known = recorded.get(`/recorded/${createHash('sha1').update(body).digest('hex')}`);
    send(known === undefined ? 500 : 200, known);
  } else {
    const known = recorded.get(url);
    send(known === undefined ? 404 : 200, known);
  }
}
