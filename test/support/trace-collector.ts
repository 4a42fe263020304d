/** A collector of traces, and the environment that names it. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import type { AddressInfo, Server } from 'node:net';

export interface Post {
  readonly path: string;
  readonly type: string | undefined;
  readonly body: Buffer;
}

export interface Collector {
  readonly url: string;
  readonly posts: readonly Post[];
  close(): Promise<void>;
}

/** Takes OTLP over HTTP/1.1 and over HTTP/2 without TLS, as gRPC does, and answers that all is well. */
export async function startCollector(protocol: 'grpc' | 'http/protobuf'): Promise<Collector> {
  const posts: Post[] = [];
  const sessions = new Set<{ destroy(): void }>();
  let server: Server;
  if (protocol === 'grpc') {
    const http2 = createHttp2Server();
    http2.on('session', session => sessions.add(session));
    http2.on('stream', (stream, headers) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.once('end', () => {
        posts.push({
          path: String(headers[':path']),
          type: headers['content-type'],
          body: Buffer.concat(chunks),
        });
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
        stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
        // One empty message: uncompressed, of no bytes.
        stream.end(Buffer.alloc(5));
      });
    });
    server = http2;
  } else {
    const http = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.once('end', () => {
        posts.push({
          path: request.url ?? '',
          type: request.headers['content-type'],
          body: Buffer.concat(chunks),
        });
        response.writeHead(200, { 'content-type': 'application/x-protobuf', connection: 'close' }).end();
      });
    });
    server = http;
  }
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    posts,
    async close() {
      const closed = once(server, 'close');
      server.close();
      for (const session of sessions) session.destroy();
      await closed;
    },
  };
}

/** What exporters read themselves. */
export async function withEnvironment(name: string, value: string, work: () => Promise<void>): Promise<void> {
  const before = process.env[name];
  process.env[name] = value;
  try {
    await work();
  } finally {
    if (before === undefined) delete process.env[name];
    else process.env[name] = before;
  }
}
