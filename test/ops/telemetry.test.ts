import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import type { AddressInfo, Server } from 'node:net';
import { SpanStatusCode } from '@opentelemetry/api';
import { assert } from 'chai';
import { startTelemetry, type TraceSink } from '../../src/ops/telemetry.ts';
import { recordingExporter } from '../support/telemetry.ts';

interface Post {
  readonly path: string;
  readonly type: string | undefined;
  readonly body: Buffer;
}

interface Collector {
  readonly url: string;
  readonly posts: readonly Post[];
  close(): Promise<void>;
}

/** Takes OTLP over HTTP/1.1 and over HTTP/2 without TLS, as gRPC does, and answers that all is well. */
async function startCollector(protocol: 'grpc' | 'http/protobuf'): Promise<Collector> {
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

async function withEnvironment(name: string, value: string, work: () => Promise<void>): Promise<void> {
  const before = process.env[name];
  process.env[name] = value;
  try {
    await work();
  } finally {
    if (before === undefined) delete process.env[name];
    else process.env[name] = before;
  }
}

describe('telemetry', () => {
  for (const [protocol, path, type] of [
    ['http/protobuf', '/v1/traces', 'application/x-protobuf'],
    ['grpc', '/opentelemetry.proto.collector.trace.v1.TraceService/Export', 'application/grpc'],
  ] as const) {
    it(`sends its spans to a collector over ${protocol}, the last ones when it stops`, async () => {
      const collector = await startCollector(protocol);
      try {
        await withEnvironment('OTEL_EXPORTER_OTLP_ENDPOINT', collector.url, async () => {
          const telemetry = startTelemetry({ serviceName: 'router-7', traces: { kind: 'otlp', protocol } });
          telemetry.tracer.startSpan('warmroute.route').end();
          await telemetry.stop();
        });
        assert.deepEqual(
          collector.posts.map(post => [post.path, post.type]),
          [[path, type]],
        );
        const sent = collector.posts[0]!.body.toString('latin1');
        for (const text of ['service.name', 'router-7', 'warmroute.route']) assert.include(sent, text);
      } finally {
        await collector.close();
      }
    });
  }

  it('stops in peace when nobody takes its spans', async () => {
    await withEnvironment('OTEL_EXPORTER_OTLP_ENDPOINT', 'http://127.0.0.1:1', async () => {
      const sink: TraceSink = { kind: 'otlp', protocol: 'http/protobuf' };
      const telemetry = startTelemetry({ serviceName: 'test', traces: sink });
      await telemetry.stop();
      await telemetry.stop();
    });
  });

  it('sends nothing anywhere when told so', async () => {
    const telemetry = startTelemetry({ serviceName: 'test', traces: { kind: 'none' } });
    telemetry.tracer.startSpan('unseen').end();
    await telemetry.stop();
  });

  it('hands spans with the name of the service to a given exporter', async () => {
    const exporter = recordingExporter();
    const telemetry = startTelemetry({ serviceName: 'router-7', traces: { kind: 'exporter', exporter } });
    const span = telemetry.tracer.startSpan('seen');
    span.setStatus({ code: SpanStatusCode.ERROR });
    span.end();
    await telemetry.stop();
    assert.deepEqual(
      exporter.spans.map(({ name, status }) => ({ name, code: status.code })),
      [{ name: 'seen', code: SpanStatusCode.ERROR }],
    );
    assert.equal(exporter.spans[0]?.resource.attributes['service.name'], 'router-7');
  });
});
