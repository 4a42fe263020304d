/** TLS and health of the whole server, by its settings. */
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { assert } from 'chai';
import type { Environment } from '../src/config.ts';
import { type Authority, createAuthority, type Issued } from './support/certificates.ts';
import { requestBody, requestHeaders } from './support/envoy-messages.ts';
import { eventually } from './support/eventually.ts';
import { type DialledBy, FakeEnvoy, RawEnvoy } from './support/fake-envoy.ts';
import { freePort } from './support/free-port.ts';
import { adminPage, MODEL, routed, ServeBench, type Served } from './support/serve-bench.ts';

describe('TLS on the gRPC port', function () {
  // Sockets and files are real.
  this.timeout(20_000);

  let authority: Authority;
  let bench: ServeBench;

  before(async () => {
    authority = await createAuthority();
  });
  beforeEach(async () => {
    bench = await ServeBench.open();
    const pods = [{ name: 'pod-0', address: '127.0.0.1', port: 1, model: MODEL }];
    await writeFile(bench.podsFile, JSON.stringify({ pods }));
  });
  afterEach(() => bench.stop());

  const FILES = (): Environment => ({
    WARMROUTE_TLS: 'files',
    WARMROUTE_TLS_CERT_FILE: bench.path('tls.crt'),
    WARMROUTE_TLS_KEY_FILE: bench.path('tls.key'),
  });
  const verifying = (client?: Issued): DialledBy => ({
    kind: 'tls',
    ca: authority.ca,
    ...(client && { client }),
  });
  const messagesOf = ({ lines }: Served) => lines.map(({ message }) => message);

  async function metric({ server }: Served, name: string): Promise<number | undefined> {
    const { text } = await adminPage(server, '/metrics');
    const line = text.split('\n').find(each => each.startsWith(`${name} `));
    return line === undefined ? undefined : Number(line.slice(name.length));
  }

  /** As Kubernetes mounts a secret: links that lead through `..data`, which is replaced. */
  async function mount(issued: Issued): Promise<void> {
    const folder = `..${issued.serialNumber}`;
    await mkdir(bench.path(folder));
    await writeFile(bench.path(`${folder}/tls.crt`), issued.cert);
    await writeFile(bench.path(`${folder}/tls.key`), issued.key);
    await symlink(folder, bench.path('..data_tmp'));
    await rename(bench.path('..data_tmp'), bench.path('..data'));
  }

  async function mountFirst(): Promise<Issued> {
    const issued = await authority.issue();
    await mount(issued);
    for (const name of ['tls.crt', 'tls.key']) await symlink(`..data/${name}`, bench.path(name));
    return issued;
  }

  it('is off, unless WARMROUTE_TLS says otherwise', async () => {
    const served = await bench.start();
    assert.equal((await routed(served.envoy)).reason, 'only_pod');
    const envoy = new FakeEnvoy(served.server.grpcPort, { kind: 'tls' });
    assert.instanceOf(await envoy.health('').catch((error: unknown) => error), Error);
    envoy.close();
    assert.isAtLeast((await metric(served, 'warmroute_failed_connections_total{port="grpc",why="tls"}'))!, 1);
    assert.lengthOf(
      messagesOf(served).filter(message => message.includes('set WARMROUTE_TLS')),
      1,
    );
    assert.isUndefined(await metric(served, 'warmroute_tls_certificate_seconds_left'));
  });

  it('is with a certificate of its own making when that is self-signed', async () => {
    const served = await bench.start({ WARMROUTE_TLS: 'self-signed' }, { kind: 'tls' });
    assert.equal((await routed(served.envoy)).reason, 'only_pod');
    const years = (await metric(served, 'warmroute_tls_certificate_seconds_left'))! / (365 * 86_400);
    assert.closeTo(years, 10, 0.1);

    const plain = new FakeEnvoy(served.server.grpcPort);
    assert.instanceOf(await plain.health('').catch((error: unknown) => error), Error);
    plain.close();
    const failed = 'warmroute_failed_connections_total{port="grpc",why="plain_text"}';
    assert.isAtLeast((await metric(served, failed))!, 1);
  });

  it('is with that of the files, and a new one when they are replaced, while streams go on', async () => {
    const first = await mountFirst();
    const served = await bench.start(FILES(), verifying());
    const { server, envoy, lines } = served;
    const stream = envoy.open().send(requestHeaders({ headers: { ':path': '/v1/completions' } }));
    await stream.reply();
    const raw = await RawEnvoy.connect(server.grpcPort, verifying());
    assert.equal(raw.serialNumber, first.serialNumber);

    const next = await authority.issue();
    await mount(next);
    await eventually('it is read', async () =>
      metric(served, 'warmroute_tls_reloads_total{outcome="taken"}'),
    );
    const later = await RawEnvoy.connect(server.grpcPort, verifying());
    assert.equal(later.serialNumber, next.serialNumber);
    assert.deepInclude(
      lines.find(({ message }) => message.startsWith('the TLS files have changed'))?.fields,
      { serialNumber: next.serialNumber },
    );
    stream.send(requestBody(JSON.stringify({ model: MODEL, prompt: 'x' }), 'end'));
    assert.isDefined((await stream.reply()).request_body);
    await stream.halfClose();
    assert.deepEqual(raw.goaways, []);
    raw.drop();
    later.drop();
  });

  it('stays as it was while the files are of two pairs', async () => {
    const first = await mountFirst();
    const served = await bench.start(FILES(), verifying());
    const other = await authority.issue();
    await mount({ ...other, cert: first.cert });
    await eventually('it is told', async () => metric(served, 'warmroute_tls_reloads_total{outcome="kept"}'));
    const said = served.lines.filter(({ level }) => level === 'error');
    assert.lengthOf(said, 1);
    assert.include(JSON.stringify(said), 'is not that of the key of WARMROUTE_TLS_KEY_FILE');
    assert.equal((await routed(served.envoy)).reason, 'only_pod');
  });

  it('refuses the start when the files cannot be used, and says which', async () => {
    await mountFirst();
    await rm(bench.path('tls.key'));
    const failure = async (environment: Environment) =>
      String(await bench.start(environment).catch((error: unknown) => error));
    assert.match(await failure(FILES()), /WARMROUTE_TLS_KEY_FILE: ENOENT/);
    const ca = { WARMROUTE_TLS: 'self-signed', WARMROUTE_TLS_CLIENT_CA_FILE: bench.podsFile };
    assert.match(await failure(ca), /WARMROUTE_TLS_CLIENT_CA_FILE: there is no PEM certificate in the file/);
  });

  it('is for clients of WARMROUTE_TLS_CLIENT_CA_FILE alone; probes have WARMROUTE_HEALTH_ADDRESS', async () => {
    await mountFirst();
    await writeFile(bench.path('ca.crt'), authority.ca);
    const served = await bench.start(
      {
        ...FILES(),
        WARMROUTE_TLS_CLIENT_CA_FILE: bench.path('ca.crt'),
        WARMROUTE_HEALTH_ADDRESS: '127.0.0.1:0',
      },
      verifying(await authority.issue()),
    );
    assert.equal((await routed(served.envoy)).reason, 'only_pod');
    const stranger = new FakeEnvoy(served.server.grpcPort, verifying());
    assert.instanceOf(await stranger.health('').catch((error: unknown) => error), Error);
    stranger.close();
    const failed = 'warmroute_failed_connections_total{port="grpc",why="no_client_certificate"}';
    assert.isAtLeast((await metric(served, failed))!, 1);

    const probe = new FakeEnvoy(served.server.healthPort!);
    bench.atEnd(() => probe.close());
    assert.equal(await probe.health('inference-extension'), 'SERVING');
    const watch = probe.watchHealth('');
    assert.equal(await watch.next(), 'SERVING');
    await served.server.stop();
    assert.equal(await watch.next(), 'NOT_SERVING');
  });

  it('has no health port of its own without WARMROUTE_HEALTH_ADDRESS, and names it when it is taken', async () => {
    assert.isUndefined((await bench.start()).server.healthPort);
    const port = await freePort();
    const { server } = await bench.start({ WARMROUTE_HEALTH_ADDRESS: `127.0.0.1:${port}` });
    assert.equal(server.healthPort, port);
    const environment = { WARMROUTE_HEALTH_ADDRESS: `127.0.0.1:${port}`, WARMROUTE_DRAIN_MS: '600000' };
    const error = String(await bench.start(environment).catch((reason: unknown) => reason));
    assert.match(error, /cannot listen on WARMROUTE_HEALTH_ADDRESS: .*EADDRINUSE/);
  });

  it('costs a port scanner nothing that others need', async () => {
    const served = await bench.start(
      { WARMROUTE_TLS: 'self-signed', WARMROUTE_GRPC_MAX_CONNECTIONS: '2' },
      { kind: 'tls' },
    );
    for (let i = 0; i < 20; i++) {
      const socket = connect(served.server.grpcPort, '127.0.0.1').on('error', () => {});
      socket.end(i % 2 ? 'x' : '');
      await new Promise(resolve => socket.resume().once('close', resolve));
    }
    assert.equal((await routed(served.envoy)).reason, 'only_pod');
    assert.equal(await metric(served, 'warmroute_refused_connections_total'), 0);
  });
});
