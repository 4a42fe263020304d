import { assert } from 'chai';
import type { Bootstrap } from '../../demo/envoy.ts';
import type { Environment } from '../../src/config.ts';
import { setHosts } from '../support/envoy.ts';
import { eventually } from '../support/eventually.ts';
import { envoyReady, type Fleet, startFleet, withFleet } from '../support/fleet.ts';
import { goingBy, telling, withHint } from '../support/inference-gateway.ts';
import { startTinyPod, type TinyPod } from '../support/tiny-pod.ts';

const ask = {
  model: 'demo',
  prompt: 'The same prompt each time, so that one pod is warm for it. '.repeat(4),
};
const DESTINATION = 'x-gateway-destination-endpoint';

describe('A gateway that walks the destination list', function () {
  this.timeout(30_000);
  let pods: TinyPod[];
  let finish: (() => void)[];

  before(envoyReady);
  beforeEach(async () => {
    finish = [];
    const answer: Parameters<typeof startTinyPod>[1] = ({ headers }, response) => {
      response.setHeader('x-gateway-destination-endpoint-served', '10.6.6.6:1');
      response.write('{"object":"chat.completion"}');
      if (headers['x-lasting'] === undefined) response.end();
      else finish.push(() => response.end());
    };
    pods = await Promise.all(['pod-0', 'pod-1', 'pod-2', 'pod-3'].map(name => startTinyPod(name, answer)));
  });
  afterEach(() => Promise.all(pods.map(pod => pod.stop())));

  const withGateway = (
    environment: Environment,
    gateway: { readonly by: 'header' | 'metadata'; readonly tells: 'attribute' | 'metadata' },
    use: (fleet: Fleet) => Promise<void>,
    { known = pods, hosts = pods }: { known?: TinyPod[]; hosts?: TinyPod[] } = {},
  ) => {
    const edit = (bootstrap: Bootstrap) => {
      withHint(bootstrap);
      goingBy(bootstrap, gateway.by);
      telling(bootstrap, gateway.tells);
      const [cluster] = bootstrap.static_resources.clusters.filter(({ name }) => name === 'llm_pods');
      delete cluster!.outlier_detection;
      setHosts(
        bootstrap,
        'llm_pods',
        hosts.map(({ address }) => address),
      );
    };
    const quiet = { WARMROUTE_HEALTH_INTERVAL_MS: '0', WARMROUTE_TARGET_HEADERS: 'aibrix' };
    return withFleet(
      startFleet({
        ...{ file: 'endpoint-picker.yaml', pods: known, edit },
        environment: { ...quiet, ...environment },
      }),
      use,
    );
  };

  const hint = (...allowed: readonly TinyPod[]) => ({
    'x-hint': allowed.map(({ address }) => address).join(','),
    'x-gateway-destination-endpoint-served': pods[3]!.address,
  });

  /** All pods, beginning with the one that is warm for the prompt from now on. */
  async function warmFirst(fleet: Fleet): Promise<[TinyPod, TinyPod, TinyPod, TinyPod]> {
    await fleet.post('/v1/completions', ask);
    const warm = pods.filter(({ requests }) => requests.length > 0);
    const others = pods.filter(({ requests }) => requests.length === 0);
    return [...warm, ...others] as Awaited<ReturnType<typeof warmFirst>>;
  }

  async function inFlightOf(fleet: Fleet): Promise<Record<string, number>> {
    const response = await fetch(`http://127.0.0.1:${fleet.program.adminPort}/debug/pods`);
    const { pods: told } = (await response.json()) as { pods: { pod: string; inFlight: number }[] };
    return Object.fromEntries(told.map(({ pod, inFlight }) => [pod, inFlight]));
  }

  for (const gateway of [
    { by: 'header', tells: 'metadata' },
    { by: 'metadata', tells: 'attribute' },
  ] as const) {
    it(`of the ${gateway.by} comes to the second pod when the first is dead, and tells so by ${gateway.tells}`, async () => {
      await withGateway({ WARMROUTE_FALLBACK_ENDPOINTS: '2' }, gateway, async fleet => {
        const [dead, next, other] = await warmFirst(fleet);
        await dead.stop();

        const { status, headers, text } = await fleet.stream('/v1/completions', ask, {
          ...hint(dead, next),
          'x-lasting': '1',
        });
        assert.equal(status, 200);
        assert.deepInclude(next.requests.at(-1)?.headers, {
          [DESTINATION]: `${dead.address},${next.address}`,
          'target-pod': dead.address,
        });
        // What is told of it is about the one that served.
        const { name } = next.pod;
        assert.deepInclude(headers, { 'target-pod': name, 'target-pod-ip': next.address });
        assert.equal(headers['x-warmroute-pod'], name);
        assert.notProperty(headers, 'x-warmroute-matched-blocks');
        assert.deepInclude(await inFlightOf(fleet), { [dead.pod.name]: 0, [name]: 1 });
        for (const each of finish) each();
        await text;
        await eventually('it is over', async () => (await fleet.inFlight()) === 0);
        // It is warm where it was served.
        const again = await fleet.post('/v1/completions', ask, hint(next, other));
        assert.deepInclude(again.decision, { pod: name, reason: 'prefix_match' });
      });
    });
  }

  it('finds them in order, none outside of its hint, and as many as there are', async () => {
    const gateway = { by: 'header', tells: 'metadata' } as const;
    await withGateway({ WARMROUTE_FALLBACK_ENDPOINTS: '8' }, gateway, async fleet => {
      const [dead, alsoDead, last, outside] = await warmFirst(fleet);
      await Promise.all([dead.stop(), alsoDead.stop()]);
      const { headers } = await fleet.post('/v1/completions', ask, hint(dead, alsoDead, last));
      assert.equal(headers['target-pod'], last.pod.name);
      const list = String(last.requests.at(-1)?.headers[DESTINATION]).split(',');
      assert.equal(list[0], dead.address);
      assert.sameMembers(list, [dead.address, alsoDead.address, last.address]);
      const { attempts } = await fleet.envoy.accessLogged(entry => entry.attempts !== 1);
      assert.equal(attempts, list.indexOf(last.address) + 1);
      assert.isEmpty(outside.requests);
    });
  });

  it('finds the pick alone by default', async () => {
    await withGateway({}, { by: 'header', tells: 'metadata' }, async fleet => {
      await fleet.post('/v1/completions', ask);
      const { headers } = pods.flatMap(({ requests }) => requests)[0]!;
      assert.equal(headers[DESTINATION], headers['target-pod']);
    });
  });

  it('and ends at a pod that the router does not know: it is counted nowhere, and told by its address alone', async () => {
    const [stranger, ...known] = pods.slice(0, 3) as [TinyPod, ...TinyPod[]];
    const gateway = { by: 'header', tells: 'attribute' } as const;
    await withGateway(
      {},
      gateway,
      async fleet => {
        assert.equal((await fleet.post('/v1/completions', ask, hint(known[0]!))).status, 200);
        await Promise.all(known.map(pod => pod.stop()));
        const { status, headers, text } = await fleet.stream('/v1/completions', ask, {
          ...hint(known[0]!),
          'x-lasting': '1',
        });
        assert.deepEqual([status, headers['target-pod-ip']], [200, stranger.address]);
        assert.notProperty(headers, 'target-pod');
        assert.equal(await fleet.inFlight(), 0);
        const metrics = await fleet.program.metrics();
        assert.equal(metrics('warmroute_pod_failures_total', { why: 'served_by_stranger' }), 1);
        for (const each of finish) each();
        await text;
      },
      { known, hosts: [stranger, ...known] },
    );
  });
});
