import { assert } from 'chai';
import { reportGrpc } from '../../src/ops/grpc-report.ts';
import type { ShownCertificate } from '../../src/tls/pem-identity.ts';
import { recordingLog } from '../support/builders.ts';
import { samplesOf, type TestTelemetry, testTelemetry } from '../support/telemetry.ts';

const FROM = '10.0.0.1';

describe('the report on the gRPC ports', () => {
  let telemetry: TestTelemetry;
  let logged: ReturnType<typeof recordingLog>;

  beforeEach(() => {
    telemetry = testTelemetry();
    logged = recordingLog();
  });
  afterEach(() => telemetry.stop());

  const report = () => reportGrpc(telemetry.instruments, logged.log);
  const metric = async (name: string) => samplesOf(name, await telemetry.scrape());
  const said = () => logged.lines.map(({ level, message }) => [level, message.split(/[,:;]/)[0]]);

  it('counts connections that fail, and says once what to do of each kind', async () => {
    const { failed, failedOnHealthPort } = report();
    for (let i = 0; i < 3; i++) {
      failed({ why: 'tls', code: undefined, from: FROM });
      failed({ why: 'plain_text', code: undefined, from: FROM });
      failed({ why: 'handshake', code: 'ERR_SSL_A', from: FROM });
    }
    failed({ why: 'handshake', code: 'ERR_SSL_B', from: undefined });
    failedOnHealthPort({ why: 'tls', code: undefined, from: FROM });
    assert.sameMembers(await metric('warmroute_failed_connections_total'), [
      'warmroute_failed_connections_total{port="grpc",why="tls"} 3',
      'warmroute_failed_connections_total{port="grpc",why="plain_text"} 3',
      'warmroute_failed_connections_total{port="grpc",why="handshake"} 4',
      'warmroute_failed_connections_total{port="health",why="tls"} 1',
    ]);
    assert.deepEqual(said(), [
      ['warn', 'a client speaks TLS to the gRPC port'],
      ['warn', 'a client speaks plain text to the gRPC port'],
      ['warn', 'a TLS handshake has failed'],
      ['warn', 'a TLS handshake has failed'],
      ['warn', 'a client speaks TLS to the health port'],
    ]);
    assert.include(logged.lines[0]?.message, 'set WARMROUTE_TLS');
    assert.deepEqual(logged.lines[2]?.fields, { from: FROM, code: 'ERR_SSL_A' });
  });

  it('tells of the certificate: changed, kept, about to end, ended', async () => {
    const certificate: ShownCertificate = {
      ...{
        serialNumber: '4A',
        subject: 'CN=warmroute',
        beginsAt: 0,
        endsAt: Date.parse('2100-01-01T00:00:00Z'),
      },
    };
    const { identity, serves } = report();
    assert.deepEqual(await metric('warmroute_tls_certificate_seconds_left'), [], 'without TLS');
    identity({ kind: 'changed', certificate });
    identity({ kind: 'kept', problem: 'KEY: ENOENT' });
    identity({ kind: 'ends_soon', certificate });
    identity({ kind: 'ended', certificate });
    assert.deepEqual(said(), [
      ['info', 'the TLS files have changed'],
      ['error', 'the TLS files have changed and cannot be used'],
      ['warn', 'the TLS certificate ends soon'],
      ['error', 'the TLS certificate has ended'],
    ]);
    const fields = { serialNumber: '4A', subject: 'CN=warmroute', ends: '2100-01-01T00:00:00.000Z' };
    assert.deepEqual(
      logged.lines.map(line => line.fields),
      [fields, { problem: 'KEY: ENOENT' }, fields, fields],
    );
    assert.sameMembers(await metric('warmroute_tls_reloads_total'), [
      'warmroute_tls_reloads_total{outcome="taken"} 1',
      'warmroute_tls_reloads_total{outcome="kept"} 1',
    ]);

    serves({ certificate });
    const [sample] = await metric('warmroute_tls_certificate_seconds_left');
    const seconds = Number(sample?.split(' ').at(-1));
    assert.closeTo(seconds, (certificate.endsAt - Date.now()) / 1_000, 60);
  });
});
