/** The pods of an InferencePool of a real cluster. */
import { assert } from 'chai';
import { eventually } from '../support/eventually.ts';
import { MODEL } from '../support/fleet.ts';
import { defineInferencePools, deletePool, poolOf } from './world/inference-pools.ts';
import { adminPage, KubeWorld, knows } from './world/world.ts';

const OF_POOL = { WARMROUTE_DISCOVERY: 'inference-pool', WARMROUTE_INFERENCE_POOL: 'llm/pool' };

describe('An InferencePool of a real cluster', function () {
  this.timeout(120_000);
  let world: KubeWorld;

  before(async () => {
    world = await KubeWorld.open();
    await defineInferencePools(world.cluster);
    await eventually('the API server knows InferencePools', () =>
      world.cluster.ask('GET', '/apis/inference.networking.k8s.io/v1/namespaces/llm/inferencepools').then(
        () => true,
        () => false,
      ),
    );
  });
  afterEach(() => world.endTest());
  after(() => world.close());

  it('is followed: its selector, its ports, its end and its return', async () => {
    const [blue, green] = [await world.startEngine(), await world.startEngine()];
    await world.put(blue, { labels: { app: 'blue' } });
    await world.put(green, { labels: { app: 'green' } });
    const router = await world.startRouter(OF_POOL);
    await eventually('it is missed', async () => {
      const { why } = (await adminPage(router, '/readyz')) as { why: string };
      return why === 'the InferencePool llm/pool does not exist';
    });

    await world.apply(poolOf('pool', { app: 'blue' }, [blue.httpPort]));
    await knows(router, blue.name);
    const { data } = (await adminPage(router, '/v1/models')) as { data: { id: string }[] };
    assert.deepEqual(
      data.map(({ id }) => id),
      [MODEL],
    );

    await world.apply(poolOf('pool', { app: 'green' }, [green.httpPort]));
    await knows(router, green.name);

    const other = await world.startEngine({ host: green.options.host });
    await world.apply(poolOf('pool', { app: 'green' }, [green.httpPort, other.httpPort]));
    const ports = [green.httpPort, other.httpPort].map(port => `${green.name}:${port}`);
    await knows(router, ...ports.sort());

    await deletePool(world.cluster, 'pool');
    await knows(router);
    await world.apply(poolOf('pool', { app: 'blue' }, [blue.httpPort]));
    await knows(router, blue.name);
  });
});
