import { once } from 'node:events';
import { connect } from 'node:net';
import { status as Status } from '@grpc/grpc-js';
import { assert } from 'chai';
import { requestBody, requestHeaders, responseBody, responseHeaders } from '../support/envoy-messages.ts';
import { RawEnvoy } from '../support/fake-envoy.ts';
import { useServer } from './server-fixture.ts';
import { toldReply } from './told.ts';

describe('Draining the ext_proc server', () => {
  const given = useServer();

  it('says NOT_SERVING first, answers the decision that is pending, and ends every stream OK', async () => {
    const { server, health, envoy, route } = given();
    health.setReadiness('SERVING');
    const liveness = envoy.watchHealth('');
    assert.equal(await liveness.next(), 'SERVING');
    const readiness = envoy.watchHealth('readiness');
    assert.equal(await readiness.next(), 'SERVING');

    const generating = envoy.open().send(requestHeaders(), requestBody('one', 'end'));
    const first = await route.asked();
    first.decide();
    await generating.reply();
    await generating.reply();
    const deciding = envoy.open().send(requestHeaders(), requestBody('two', 'end'));
    const second = await route.asked();
    await deciding.reply();

    const raw = await RawEnvoy.connect(server.port);
    const told = raw.goaway();
    const drained = server.drain(0);
    assert.equal(await readiness.next(), 'NOT_SERVING');
    assert.equal(await liveness.next(), 'NOT_SERVING');
    readiness.stop();
    liveness.stop();
    await told;
    assert.equal(server.openStreams, 2);
    assert.equal(first.releases, 0);
    second.decide();
    assert.equal(toldReply(await deciding.reply()), 'request_body pick');
    assert.equal((await deciding.status).code, Status.OK);
    assert.equal((await generating.status).code, Status.OK);
    await drained;
    assert.deepEqual([first.releases, second.releases, server.openStreams], [1, 1, 0]);
  });

  it('stops listening', async () => {
    const { server } = given();
    await server.drain(0);
    const socket = connect(server.port, '127.0.0.1');
    const [error] = await once(socket, 'error');
    assert.equal((error as NodeJS.ErrnoException).code, 'ECONNREFUSED');
  });

  it('answers headers that Envoy still holds, so that nothing forged goes on', async () => {
    const { server, envoy } = given();
    const config = {
      request_body_mode: 'STREAMED',
      send_body_without_waiting_for_header_response: true,
    } as const;
    const other = envoy.open().send(requestHeaders());
    const stream = envoy.open().send(requestHeaders({ config }), requestBody('he'));
    await other.reply();
    const drained = server.drain(0);
    assert.equal(toldReply(await stream.reply()), 'request_headers');
    assert.equal(toldReply(await stream.reply()), 'request_body');
    assert.equal((await stream.status).code, Status.OK);
    await drained;
  });

  const DUPLEX = {
    request_body_mode: 'FULL_DUPLEX_STREAMED',
    response_body_mode: 'FULL_DUPLEX_STREAMED',
  } as const;

  it('lets a body that passes through it come to its end', async () => {
    const { server, envoy, route } = given();
    const stream = envoy.open().send(requestHeaders({ config: DUPLEX }), requestBody('he'));
    const other = envoy.open().send(requestHeaders());
    await other.reply();
    const drained = server.drain(0, 60_000);
    assert.equal((await other.status).code, Status.OK);
    stream.send(requestBody('llo', 'end'));
    (await route.asked()).decide();
    assert.equal(toldReply(await stream.reply()), 'request_headers pick');
    assert.equal(toldReply(await stream.reply()), 'request_body "hello" end');
    stream.send(responseHeaders(), responseBody('wor'), responseBody('ld', 'end')).halfClose();
    assert.equal(toldReply(await stream.reply()), 'response_headers');
    assert.equal(toldReply(await stream.reply()), 'response_body "wor"');
    assert.equal(toldReply(await stream.reply()), 'response_body "ld" end');
    assert.equal((await stream.status).code, Status.OK);
    await drained;
  });

  it('gives back what it has of a body that does not end in time', async () => {
    const { server, envoy } = given();
    const other = envoy.open().send(requestHeaders());
    const stream = envoy.open().send(requestHeaders({ config: DUPLEX }), requestBody('he'));
    await other.reply();
    const drained = server.drain(0, 1);
    assert.equal(toldReply(await stream.reply()), 'request_headers');
    assert.equal(toldReply(await stream.reply()), 'request_body "he"');
    assert.equal((await stream.status).code, Status.OK);
    await drained;
  });

  it('does not wait for a health check that stays open', async () => {
    const { server, envoy } = given();
    const health = envoy.watchHealth('readiness');
    assert.equal(await health.next(), 'NOT_SERVING');
    await server.drain(0);
    assert.equal(await health.next(), 'NOT_SERVING');
    const ended = await health.next().catch(String);
    assert.include(ended, 'the watch has ended');
  });

  it('drops a stream whose client never lets go', async () => {
    const { server, envoy, route } = given();
    const stream = envoy.open().send(requestHeaders(), requestBody('one', 'end'));
    const call = await route.asked();
    const drained = server.drain(0);
    await stream.reset();
    call.decide();
    await drained;
    assert.equal(call.releases, 1);
  });
});
