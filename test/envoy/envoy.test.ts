import { assert } from 'chai';
import type { Bootstrap, RunningEnvoy } from '../../demo/envoy.ts';
import { ENVOY_TEST_TIMEOUT_MS, type EnvoyFile, envoyForTests, withEnvoy } from '../support/envoy.ts';
import { closedAddress, startUpstream, type Upstream } from '../support/envoy-upstream.ts';
import { eventually } from '../support/eventually.ts';

const OPEN_FILES: readonly EnvoyFile[] = ['warmroute.yaml', 'original-dst.yaml', 'aibrix.yaml'];

/** All that a client might try in order to choose the pod, or to fake what the router says. */
const ROUTER_HEADERS = [
  'target-pod',
  'target-pod-ip',
  'request-id',
  'x-gateway-destination-endpoint',
  'x-warmroute-reason',
  'x-warmroute-matched-blocks',
  'x-warmroute-total-blocks',
  'x-warmroute-pod',
  'x-gateway-destination-endpoint-subset',
  'x-gateway-destination-endpoint-served',
  'x-data-parallel-rank',
  'x-data-parallel-host-port',
  'x-prefiller-host-port',
  'x-encoder-hosts-ports',
  'x-envoy-original-dst-host',
];

describe('Envoy without a router', function () {
  this.timeout(ENVOY_TEST_TIMEOUT_MS);
  let pods: Upstream[];
  let outsider: Upstream;
  let noRouter: string;

  before(() => envoyForTests());

  beforeEach(async () => {
    pods = [await startUpstream(), await startUpstream()];
    outsider = await startUpstream();
    noRouter = await closedAddress();
  });

  afterEach(() => Promise.all([...pods, outsider].map(upstream => upstream.close())));

  const envoyWith = (file: EnvoyFile, use: (envoy: RunningEnvoy) => Promise<void>) =>
    withEnvoy({ file, routers: [noRouter], pods: pods.map(({ address }) => address) }, use);

  const chat = (envoy: RunningEnvoy, headers: Record<string, string> = {}) =>
    fetch(`${envoy.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hello' }] }),
    });

  for (const file of OPEN_FILES) {
    describe(file, () => {
      it('serves requests by round robin and counts that it failed open', async () => {
        await envoyWith(file, async envoy => {
          for (let i = 0; i < 6; i++) assert.equal((await chat(envoy)).status, 200);
          assert.deepEqual(
            pods.map(({ requests }) => requests.length),
            [3, 3],
          );
          const stats = await envoy.stats('ext_proc\\.warmroute\\.failure_mode_allowed$');
          assert.deepEqual([...stats.values()], [6]);
        });
      });

      it('does not let a client choose the upstream', async () => {
        await envoyWith(file, async envoy => {
          const forged = Object.fromEntries(ROUTER_HEADERS.map(name => [name, outsider.address]));
          for (let i = 0; i < 2; i++) assert.equal((await chat(envoy, forged)).status, 200);
          assert.isEmpty(outsider.requests);
          const seen = pods.flatMap(({ requests }) => requests);
          assert.lengthOf(seen, 2);
          for (const { headers } of seen) {
            assert.notProperty(headers, 'target-pod');
            if (file !== 'aibrix.yaml') assert.doesNotHaveAnyKeys(headers, ROUTER_HEADERS);
          }
          const { target_pod } = await envoy.accessLogged(({ status }) => status === 200);
          assert.isNull(target_pod);
        });
      });
    });
  }

  for (const file of ['warmroute.yaml', 'original-dst.yaml'] as const) {
    describe(file, () => {
      it('leaves the strategy and the credentials of the client in the request', async () => {
        await envoyWith(file, async envoy => {
          await chat(envoy, { 'routing-strategy': 'random', authorization: 'Bearer secret' });
          const [seen] = pods.flatMap(({ requests }) => requests);
          assert.include(seen?.headers, { 'routing-strategy': 'random', authorization: 'Bearer secret' });
        });
      });

      it('tells nobody which pod served, while no router says that it may', async () => {
        await envoyWith(file, async envoy => {
          assert.isNull((await chat(envoy)).headers.get('x-target-pod'));
        });
      });

      it('writes paths into its access log without what is asked of them', async () => {
        await envoyWith(file, async envoy => {
          await fetch(`${envoy.url}/v1/models?key=secret`);
          const entry = await envoy.accessLogged(({ method }) => method === 'GET');
          assert.equal(entry.path, '/v1/models');
          assert.notInclude(JSON.stringify(entry), 'secret');
        });
      });

      it('takes no more requests when its heap is full', async () => {
        const edit = (bootstrap: Bootstrap) => {
          const manager = bootstrap.overload_manager as {
            resource_monitors: { name: string; typed_config: { max_heap_size_bytes?: number } }[];
            actions: { name: string }[];
          };
          const { resource_monitors } = manager;
          // A connection that is not accepted waits for ever.
          manager.actions = manager.actions.filter(
            ({ name }) => !name.endsWith('stop_accepting_connections'),
          );
          const heap = resource_monitors.find(({ name }) => name === 'envoy.resource_monitors.fixed_heap');
          heap!.typed_config.max_heap_size_bytes = 1024 * 1024;
        };
        const wiring = { routers: [noRouter], pods: pods.map(({ address }) => address) };
        await withEnvoy({ file, ...wiring, edit }, async envoy => {
          await eventually('Envoy notices', async () => {
            const stats = await envoy.stats('overload.*stop_accepting_requests.active$');
            return [...stats.values()][0] === 1;
          });
          assert.equal((await chat(envoy)).status, 503);
          assert.isEmpty(pods.flatMap(({ requests }) => requests));
        });
      });

      it('tries another pod when one refuses', async () => {
        const [dead] = pods.splice(1, 1, {
          address: await closedAddress(),
          requests: [],
          close: async () => {},
        });
        await dead?.close();
        await envoyWith(file, async envoy => {
          for (let i = 0; i < 4; i++) assert.equal((await chat(envoy)).status, 200);
          assert.lengthOf(pods[0]?.requests ?? [], 4);
        });
      });
    });
  }

  it('warmroute.yaml answers by itself outside /v1/', async () => {
    await envoyWith('warmroute.yaml', async envoy => {
      const health = await fetch(`${envoy.url}/healthz`);
      assert.deepEqual([health.status, await health.text()], [200, 'ok\n']);
      const other = await fetch(`${envoy.url}/metrics`);
      assert.equal(other.status, 404);
      assert.equal(other.headers.get('content-type'), 'application/json');
      assert.nestedPropertyVal(await other.json(), 'error.code', 'not_found');
      assert.isEmpty(pods.flatMap(({ requests }) => requests));
      assert.isEmpty([...(await envoy.stats('failure_mode_allowed$')).values()].filter(count => count > 0));
    });
  });

  it('warmroute.yaml works while the name of the collector does not resolve', async () => {
    const wiring = {
      routers: [noRouter],
      pods: [outsider.address],
      collector: 'otel-collector.invalid:4317',
    };
    await withEnvoy({ file: 'warmroute.yaml', ...wiring }, async envoy => {
      assert.equal((await chat(envoy)).status, 200);
      // Tracing is on: the pod gets Envoy's span as its parent.
      assert.match(String(outsider.requests[0]?.headers.traceparent), /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    });
  });

  it('aibrix.yaml serves a request that names a strategy, and does not send it where its client says', async () => {
    await envoyWith('aibrix.yaml', async envoy => {
      const { status } = await chat(envoy, { 'routing-strategy': 'random', 'target-pod': outsider.address });
      assert.equal(status, 200);
      assert.isEmpty(outsider.requests);
    });
  });

  it('endpoint-picker.yaml answers 503', async () => {
    await envoyWith('endpoint-picker.yaml', async envoy => {
      const { status } = await chat(envoy, { 'x-gateway-destination-endpoint': pods[0]?.address ?? '' });
      assert.equal(status, 503);
      assert.isEmpty(pods.flatMap(({ requests }) => requests));
    });
  });
});
