import { once } from 'node:events';
import { status as Status } from '@grpc/grpc-js';
import { assert } from 'chai';
import { GrpcHealth, LIVENESS_SERVICES, READINESS_SERVICES } from '../../src/extproc/health.ts';
import { startExtProcServer } from '../../src/extproc/server.ts';
import { requestBody, requestHeaders } from '../support/envoy-messages.ts';
import { RawEnvoy } from '../support/fake-envoy.ts';
import { OPTIONS } from './dialogue.ts';
import { useServer } from './server-fixture.ts';
import { toldReply } from './told.ts';

const MIB = 1024 * 1024;

describe('The ext_proc server', () => {
  const given = useServer();

  it('is alive from the start, and ready when it is told so', async () => {
    const { health, envoy } = given();
    assert.deepEqual([...LIVENESS_SERVICES], ['', 'liveness']);
    assert.deepEqual(
      [...READINESS_SERVICES],
      ['gateway-plugin', 'readiness', 'inference-extension', 'envoy.service.ext_proc.v3.ExternalProcessor'],
    );
    const asked = (services: readonly string[]) => Promise.all(services.map(name => envoy.health(name)));
    const readiness = async (status: string) => {
      assert.deepEqual(await asked(READINESS_SERVICES), Array(4).fill(status));
      assert.deepEqual(await asked(LIVENESS_SERVICES), Array(2).fill('SERVING'));
    };
    await readiness('NOT_SERVING');
    health.setReadiness('SERVING');
    await readiness('SERVING');
    health.setReadiness('NOT_SERVING');
    await readiness('NOT_SERVING');
    const unknown = await envoy.health('other').catch((error: { code: number }) => error.code);
    assert.equal(unknown, Status.NOT_FOUND);
  });

  it('counts the streams that are open', async () => {
    const { server, envoy } = given();
    assert.equal(server.openStreams, 0);
    const [one, two] = [envoy.open().send(requestHeaders()), envoy.open().send(requestHeaders())];
    await Promise.all([one.reply(), two.reply()]);
    assert.equal(server.openStreams, 2);
    await one.halfClose();
    assert.equal(server.openStreams, 1);
    await two.halfClose();
    assert.equal(server.openStreams, 0);
  });

  it('refuses to start on an address that is taken', async () => {
    const { server, route } = given();
    const refused = await startExtProcServer({
      host: '127.0.0.1',
      port: server.port,
      maxMessageBytes: MIB,
      bodyDeadlineMs: { STREAMED: 1, FULL_DUPLEX_STREAMED: 1 },
      maxBufferedBytes: MIB,
      idleMs: 60_000,
      maxConnections: 1,
      transport: { kind: 'plain_text' },
      health: new GrpcHealth(),
      onRefused: () => {},
      onFailed: () => {},
      unsaidMode: 'BUFFERED',
      route: route.route,
      exchange: OPTIONS,
      onFact: () => {},
      onUnexpected: () => {},
    }).catch((error: unknown) => error);
    assert.instanceOf(refused, Error);
    assert.include(String(refused), 'EADDRINUSE');
  });

  it('tells what it settles without a decision', async () => {
    const { envoy, route, facts } = given();
    const empty = envoy.open().send(requestHeaders({ endOfStream: true }));
    await empty.reply();
    const config = { request_body_mode: 'BUFFERED_PARTIAL' } as const;
    const partial = envoy.open().send(requestHeaders({ config }), requestBody('he'));
    await partial.reply();
    await partial.reply();
    const routed = envoy.open().send(requestHeaders(), requestBody('hello', 'end'));
    await routed.reply();
    (await route.asked()).decide();
    await routed.reply();
    assert.deepEqual(
      facts.map(fact => ('error' in fact ? fact.error.kind : 'why' in fact ? fact.why : fact.what)),
      ['malformed_body', 'body_out_of_reach'],
    );
  });

  it('takes a body of more than 4 MiB, the limit that grpc-js has by default', async () => {
    const { envoy, route } = given();
    const body = Buffer.alloc(5 * MIB, 'warm ');
    const stream = envoy.open().send(requestHeaders());
    await stream.reply();
    stream.send(requestBody(body, 'end'));
    const call = await route.asked();
    assert.isTrue(body.equals(call.request.body));
    call.decide();
    assert.equal(toldReply(await stream.reply()), 'request_body pick');
    await stream.halfClose();
  });

  it('hands back a body of more than 4 MiB', async () => {
    const { envoy, route } = given();
    const body = Buffer.alloc(5 * MIB, 'warm ');
    const stream = envoy.open();
    stream.send(
      requestHeaders({ config: { request_body_mode: 'FULL_DUPLEX_STREAMED' } }),
      requestBody(body.subarray(0, MIB)),
      requestBody(body.subarray(MIB), 'end'),
    );
    (await route.asked()).decide();
    assert.equal(toldReply(await stream.reply()), 'request_headers pick');
    const echoed: Buffer[] = [];
    for (let ended = false; !ended; ) {
      const chunk = (await stream.reply()).request_body!.response!.body_mutation!.streamed_response!;
      echoed.push(chunk.body!);
      ended = chunk.end_of_stream === true;
    }
    assert.isTrue(body.equals(Buffer.concat(echoed)));
    await stream.halfClose();
  });

  it('answers a body just over its own limit itself, instead of having gRPC refuse it', async () => {
    const { envoy } = given();
    const stream = envoy.open().send(requestHeaders());
    await stream.reply();
    stream.send(requestBody(Buffer.alloc(8 * MIB + 1), 'end'));
    assert.equal(httpStatus(await stream.reply()), 'PayloadTooLarge');
    assert.equal((await stream.halfClose()).code, Status.OK);
  });

  it('keeps a connection on which 3,000 streams were reset', async () => {
    const { server, route } = given();
    const raw = await RawEnvoy.connect(server.port);
    try {
      for (let reset = 0; reset < 3_000; reset += 100) {
        await Promise.all(Array.from({ length: 100 }, () => raw.openAndReset(requestHeaders())));
      }
      const stream = raw.open(requestHeaders(), requestBody('hello', 'end'));
      const call = await route.asked();
      assert.equal(String(call.request.body), 'hello');
      call.decide();
      await once(stream, 'data');
      stream.end();
      await Promise.all([call.released, once(stream.resume(), 'end')]);
      assert.deepEqual(raw.goaways, []);
    } finally {
      raw.drop();
    }
  });
});

function httpStatus(reply: object): string {
  return String(
    (reply as { immediate_response: { status: { code: unknown } } }).immediate_response.status.code,
  );
}
