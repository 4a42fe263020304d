/** A pod that is no engine: answers at once, or as a test says, and remembers exactly what reached it. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { Pod } from '../../src/domain.ts';
import { aPod } from './builders.ts';
import { freePort } from './free-port.ts';

export interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly trailers: NodeJS.Dict<string>;
  readonly bytes: number;
  readonly sha256: string;
}

/** Tokenizing endpoints go here too. */
export type AnswerTo = (received: Received, response: ServerResponse) => void;

export interface TinyPod {
  readonly pod: Pod;
  /** `127.0.0.1:port` */
  readonly address: string;
  readonly requests: readonly Received[];
  /** Asked by the router on its own account: how the pod is. */
  readonly polls: readonly Received[];
  stop(): Promise<void>;
}

/** A chat completion, as short as can be; for every request. */
export const answerBriefly: AnswerTo = (_, response) => {
  response.setHeader('content-type', 'application/json');
  response.end('{"object":"chat.completion","choices":[]}');
};

/** Takes requests for tokens and never answers them. */
export const hangWhenTokenizing: AnswerTo = (received, response) => {
  if (!/\/(tokenize|render)$/.test(received.path)) answerBriefly(received, response);
};

const POLLED: ReadonlySet<string> = new Set(['/health', '/is_sleeping', '/metrics']);

/** It has no such page. */
const answer404: AnswerTo = (_, response) => {
  response.statusCode = 404;
  response.end('{"detail":"Not Found"}');
};

export async function startTinyPod(
  name: string,
  answer: AnswerTo = answerBriefly,
  answerPoll: AnswerTo = answer404,
): Promise<TinyPod> {
  const requests: Received[] = [];
  const polls: Received[] = [];
  const server = createServer((request, response) => {
    const hash = createHash('sha256');
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      hash.update(chunk);
    });
    request.once('end', () => {
      const { method = '', url: path = '', headers, trailers } = request;
      const received = { method, path, headers, trailers, bytes, sha256: hash.digest('hex') };
      const isPoll = method === 'GET' && POLLED.has(path);
      (isPoll ? polls : requests).push(received);
      (isPoll ? answerPoll : answer)(received, response);
    });
  });
  // Once it has stopped, nobody answers there.
  const port = await freePort();
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    pod: aPod({ name, port }),
    address: `127.0.0.1:${port}`,
    requests,
    polls,
    async stop() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
