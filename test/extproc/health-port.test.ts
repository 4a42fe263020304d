import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { status as Status } from '@grpc/grpc-js';
import { assert } from 'chai';
import type { ConnectionFailure } from '../../src/extproc/connections.ts';
import { GrpcHealth, LIVENESS_SERVICES, READINESS_SERVICES } from '../../src/extproc/health.ts';
import { type HealthPort, openHealthPort } from '../../src/extproc/health-port.ts';
import { requestHeaders } from '../support/envoy-messages.ts';
import { FakeEnvoy } from '../support/fake-envoy.ts';

describe('The health port', () => {
  let health: GrpcHealth;
  let port: HealthPort;
  let probe: FakeEnvoy;
  let failures: ConnectionFailure[];

  beforeEach(async () => {
    health = new GrpcHealth();
    failures = [];
    port = await openHealthPort({
      ...{ host: '127.0.0.1', port: 0, health, maxConnections: 3 },
      onFailed: failure => failures.push(failure),
    });
    probe = new FakeEnvoy(port.port);
  });
  afterEach(async () => {
    probe.close();
    await port.stop();
  });

  it('answers what the health is, until it drains', async () => {
    const asked = (names: readonly string[]) => Promise.all(names.map(name => probe.health(name)));
    assert.deepEqual(await asked(LIVENESS_SERVICES), Array(2).fill('SERVING'));
    assert.deepEqual(await asked(READINESS_SERVICES), Array(4).fill('NOT_SERVING'));
    health.setReadiness('SERVING');
    assert.deepEqual(await asked(READINESS_SERVICES), Array(4).fill('SERVING'));
    health.drain();
    health.setReadiness('SERVING');
    assert.deepEqual(await asked(READINESS_SERVICES), Array(4).fill('NOT_SERVING'));
    assert.deepEqual(await asked(LIVENESS_SERVICES), Array(2).fill('NOT_SERVING'));
  });

  it('tells watchers, also of a name that it does not know', async () => {
    const known = probe.watchHealth('inference-extension');
    const unknown = probe.watchHealth('other');
    assert.equal(await known.next(), 'NOT_SERVING');
    assert.equal(await unknown.next(), 'SERVICE_UNKNOWN');
    health.setReadiness('SERVING');
    assert.equal(await known.next(), 'SERVING');
    health.drain();
    assert.equal(await known.next(), 'NOT_SERVING');
    const ends = [known.next(), unknown.next()].map(next => next.catch(String));
    await port.stop();
    for (const end of await Promise.all(ends)) assert.include(end, 'the watch has ended');
  });

  it('answers NOT_FOUND for other names, and knows nothing but health', async () => {
    const unknown = await probe.health('other').catch((error: { code: number }) => error.code);
    assert.equal(unknown, Status.NOT_FOUND);
    const { code } = await probe.open().send(requestHeaders()).status;
    assert.equal(code, Status.UNIMPLEMENTED);
  });

  it('takes no names that are longer than any', async () => {
    const refused = await probe.health('x'.repeat(2_000)).catch((error: { code: number }) => error.code);
    assert.equal(refused, Status.RESOURCE_EXHAUSTED);
  });

  it('has room for a probe while somebody hoards connections', async () => {
    const hoarded: Socket[] = [];
    for (let i = 0; i < 10; i++) {
      const socket = connect(port.port, '127.0.0.1').on('error', () => {});
      await once(socket, 'connect');
      hoarded.push(socket);
    }
    assert.equal(await probe.health(''), 'SERVING');
    for (const socket of hoarded) socket.destroy();
  });

  it('is plain text, and tells of clients that think otherwise', async () => {
    const socket = connectTls({ port: port.port, host: '127.0.0.1' }).on('error', () => {});
    await new Promise(resolve => socket.once('close', resolve));
    assert.deepEqual(
      failures.map(({ why }) => why),
      ['tls'],
    );
  });
});
