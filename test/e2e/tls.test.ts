/** Real Envoy dials the router by TLS. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { assert } from 'chai';
import type { Bootstrap, EnvoyMessage } from '../../demo/envoy.ts';
import type { Environment } from '../../src/config.ts';
import { type Authority, createAuthority, type Issued } from '../support/certificates.ts';
import { withEnvoy } from '../support/envoy.ts';
import { eventually } from '../support/eventually.ts';
import { envoyReady, type Fleet, startFleet, startFleetWithProcess, withFleet } from '../support/fleet.ts';
import { createLlmClient } from '../support/llm-client.ts';
import { startProgram } from '../support/program.ts';
import { startTinyPod, type TinyPod } from '../support/tiny-pod.ts';

const CHAT = { model: 'demo', messages: [{ role: 'user', content: 'Tell me a long story.' }] };
const ROUTER_CLUSTER = 'warmroute_ext_proc';

/** What Envoy asks of the router's certificate. Of nothing it verifies nothing, as Envoy AI Gateway and kgateway do. */
interface Dialling {
  readonly ca?: string;
  readonly client?: Issued;
}

function dialledByTls({ ca, client }: Dialling = {}): (bootstrap: Bootstrap) => void {
  const pem = (inline_string: string) => ({ inline_string });
  const common_tls_context: EnvoyMessage = {
    ...(client && {
      tls_certificates: [{ certificate_chain: pem(client.cert), private_key: pem(client.key) }],
    }),
    validation_context:
      ca === undefined
        ? { trust_chain_verification: 'ACCEPT_UNTRUSTED' }
        : {
            trusted_ca: pem(ca),
            match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { exact: 'localhost' } }],
          },
  };
  return ({ static_resources }) => {
    const cluster = static_resources.clusters.find(({ name }) => name === ROUTER_CLUSTER);
    Object.assign(cluster!, {
      transport_socket: {
        name: 'envoy.transport_sockets.tls',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
          common_tls_context,
        },
      },
    });
  };
}

/** Envoy's connections to the router do not get old. */
function dialledAnew({ static_resources }: Bootstrap): void {
  const cluster = static_resources.clusters.find(({ name }) => name === ROUTER_CLUSTER);
  const options = cluster?.typed_extension_protocol_options as Record<string, EnvoyMessage>;
  const http = options['envoy.extensions.upstreams.http.v3.HttpProtocolOptions'];
  const common = http?.common_http_protocol_options as EnvoyMessage | undefined;
  Object.assign(http!, { common_http_protocol_options: { ...common, max_connection_duration: '0.2s' } });
}

/** The serial number of the certificate that a new connection gets. */
async function shownTo(port: number): Promise<string> {
  const socket = connectTls({ port, host: '127.0.0.1', ALPNProtocols: ['h2'], rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const { serialNumber } = socket.getPeerCertificate();
  socket.destroy();
  return serialNumber;
}

describe('Envoy dials the router by TLS', function () {
  this.timeout(40_000);
  let authority: Authority;
  let folder: string;
  let pods: TinyPod[];
  let finish: () => void;

  before(async function () {
    await envoyReady.call(this);
    authority = await createAuthority();
    const answer: Parameters<typeof startTinyPod>[1] = ({ path }, response) => {
      if (path !== '/v1/chat/completions') return void response.end('{}');
      response.write('data: {"once":"upon a time"}\n\n');
      finish = () => response.end('data: [DONE]\n\n');
    };
    pods = [await startTinyPod('pod-0', answer), await startTinyPod('pod-1', answer)];
  });
  after(() => Promise.all(pods.map(pod => pod.stop())));
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'warmroute-tls-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const at = (name: string) => join(folder, name);

  /** As Kubernetes mounts a secret: links that lead through `..data`, which is replaced. */
  async function mount(issued: Issued): Promise<void> {
    const version = `..${issued.serialNumber}`;
    await mkdir(at(version));
    await writeFile(at(`${version}/tls.crt`), issued.cert);
    await writeFile(at(`${version}/tls.key`), issued.key);
    await writeFile(at(`${version}/ca.crt`), authority.ca);
    await symlink(version, at('..data_tmp'));
    await rename(at('..data_tmp'), at('..data'));
  }

  async function mountFirst() {
    await mount(await authority.issue());
    for (const name of ['tls.crt', 'tls.key', 'ca.crt']) await symlink(`..data/${name}`, at(name));
    return {
      WARMROUTE_TLS: 'files',
      WARMROUTE_TLS_CERT_FILE: at('tls.crt'),
      WARMROUTE_TLS_KEY_FILE: at('tls.key'),
    };
  }

  const SELF_SIGNED = { WARMROUTE_TLS: 'self-signed' };

  async function assertDecided(fleet: Fleet): Promise<void> {
    const { status, decision } = await fleet.post('/v1/completions', { model: 'demo', prompt: 'once' });
    assert.equal(status, 200);
    assert.isDefined(decision?.pod);
    assert.isAtLeast(await fleet.routerStat('ssl.handshake'), 1);
    assert.equal(await fleet.filterStat('failure_mode_allowed'), 0);
  }

  for (const file of ['warmroute.yaml', 'endpoint-picker.yaml'] as const) {
    it(`self-signed, without verifying it (${file})`, async () => {
      const starting = startFleet({ file, pods, environment: SELF_SIGNED, edit: dialledByTls() });
      await withFleet(starting, async fleet => {
        await assertDecided(fleet);
        const body = JSON.stringify({ model: 'demo', prompt: randomBytes(150_000).toString('hex') });
        const { status, servedBy } = await fleet.post('/v1/completions', Buffer.from(body));
        assert.equal(status, 200);
        assert.equal(pods.find(({ address }) => address === servedBy)?.requests.at(-1)?.bytes, body.length);
      });
    });
  }

  it('with a certificate of an authority that it trusts, and one of its own', async () => {
    const environment = { ...(await mountFirst()), WARMROUTE_TLS_CLIENT_CA_FILE: at('ca.crt') };
    const edit = dialledByTls({ ca: authority.ca, client: await authority.issue() });
    await withFleet(startFleet({ pods, environment, edit }), assertDecided);
  });

  it('and is refused by the router without a certificate, or with one of another authority', async () => {
    const environment = { ...(await mountFirst()), WARMROUTE_TLS_CLIENT_CA_FILE: at('ca.crt') };
    const other = await createAuthority('another one');
    for (const [client, why] of [
      [undefined, 'no_client_certificate'],
      [await other.issue(), 'client_certificate'],
    ] as const) {
      const edit = dialledByTls({ ca: authority.ca, ...(client && { client }) });
      await neverHealthy({ environment, edit }, why);
    }
  });

  it('and refuses a router whose certificate is not one of the authority that it trusts', async () => {
    const { ca } = await createAuthority('another one');
    await neverHealthy({ environment: await mountFirst(), edit: dialledByTls({ ca }) }, 'handshake');
  });

  it('or does not where it should: each is told, by the router', async () => {
    await neverHealthy({ environment: SELF_SIGNED, edit: () => {} }, 'plain_text');
    await neverHealthy({ environment: {}, edit: dialledByTls() }, 'tls');
  });

  interface Wiring {
    readonly environment: Environment;
    readonly edit: (bootstrap: Bootstrap) => void;
  }

  /** Envoy does not get through, requests go on without the router, and the router counts why. */
  async function neverHealthy({ environment, edit }: Wiring, why: string): Promise<void> {
    const program = await startProgram({ pods: pods.map(({ pod }) => pod), environment });
    try {
      const routers = [`127.0.0.1:${program.grpcPort}`];
      const addresses = pods.map(({ address }) => address);
      await withEnvoy({ file: 'warmroute.yaml', routers, pods: addresses, edit }, async envoy => {
        await eventually(`it is counted: ${why}`, async () => {
          return (await program.metrics())('warmroute_failed_connections_total', { port: 'grpc', why }) > 0;
        });
        const client = createLlmClient(envoy.url, {});
        const { status, decision } = await client.post('/v1/completions', { model: 'demo', prompt: 'once' });
        client.close();
        assert.deepEqual([status, decision], [200, undefined]);
      });
    } finally {
      await program.stop();
    }
  }

  /** Requests one after another, on several connections, until told to stop. */
  function keepAsking(fleet: Fleet) {
    let asking = true;
    let answered = 0;
    let undecided = 0;
    const statuses = new Set<number>();
    const askers = Array.from({ length: 4 }, async () => {
      while (asking) {
        const { status, decision } = await fleet.post('/v1/completions', { model: 'demo', prompt: 'once' });
        answered++;
        statuses.add(status);
        if (decision === undefined) undecided++;
      }
    });
    return {
      get answered() {
        return answered;
      },
      async stop() {
        asking = false;
        await Promise.all(askers);
        return { statuses: [...statuses], undecided };
      },
    };
  }

  it('while certificates are replaced: no request fails, and bodies go on that were under way', async () => {
    const environment = await mountFirst();
    const edit = (bootstrap: Bootstrap) => {
      dialledByTls({ ca: authority.ca })(bootstrap);
      dialledAnew(bootstrap);
    };
    await withFleet(startFleet({ file: 'endpoint-picker.yaml', pods, environment, edit }), async fleet => {
      const handshakes = () => fleet.routerStat('ssl.handshake');
      const generation = await fleet.stream('/v1/chat/completions', CHAT);
      const asking = keepAsking(fleet);
      for (let i = 0; i < 3; i++) {
        const next = await authority.issue();
        await mount(next);
        await eventually('new connections are shown it', async () => {
          return (await shownTo(fleet.program.grpcPort)) === next.serialNumber;
        });
        const [before, dialled] = [asking.answered, await handshakes()];
        await eventually('requests go on, on new connections of Envoy’s', async () => {
          return asking.answered > before + 20 && (await handshakes()) > dialled;
        });
      }
      const { statuses, undecided } = await asking.stop();
      assert.deepEqual([statuses, undecided], [[200], 0]);
      finish();
      assert.equal(await generation.text, 'data: {"once":"upon a time"}\n\ndata: [DONE]\n\n');
      for (const counter of ['streams_failed', 'failure_mode_allowed', 'message_timeouts'])
        assert.equal(await fleet.filterStat(counter), 0, counter);
      assert.equal(await fleet.routerStat('ssl.connection_error'), 0);
      assert.equal((await fleet.program.metrics())('warmroute_tls_reloads_total', { outcome: 'taken' }), 3);
    });
  });

  it('until the router leaves, which fails no request', async () => {
    const starting = startFleetWithProcess({ pods, environment: SELF_SIGNED, edit: dialledByTls() });
    await withFleet(starting, async fleet => {
      const generation = await fleet.stream('/v1/chat/completions', CHAT);
      const asking = keepAsking(fleet);
      await eventually('requests go on', () => asking.answered > 20);
      fleet.program.kill('SIGTERM');
      assert.deepEqual(await fleet.program.exited, { code: 0, signal: null });
      const { statuses } = await asking.stop();
      assert.deepEqual(statuses, [200]);
      finish();
      assert.equal(await generation.text, 'data: {"once":"upon a time"}\n\ndata: [DONE]\n\n');
    });
  });
});
