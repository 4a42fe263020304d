/** Engines that are found by the labels of their pods, in a real cluster, behind a real Envoy. */
import { assert } from 'chai';
import type { SimulatedEngine } from '../../src/simulator/engine.ts';
import { eventually } from '../support/eventually.ts';
import { envoyReady, MODEL } from '../support/fleet.ts';
import { freePort } from '../support/free-port.ts';
import type { LlmClient } from '../support/llm-client.ts';
import type { ProgramProcess } from '../support/program.ts';
import { KubeWorld, knows } from './world/world.ts';

const PREFIX = 'The quick brown fox jumps over the lazy dog and runs into the deep forest. '.repeat(8);

describe('Pods of a real cluster', function () {
  this.timeout(120_000);
  let world: KubeWorld;

  before(async function () {
    await envoyReady.call(this);
    world = await KubeWorld.open();
  });
  afterEach(() => world.endTest());
  after(() => world.close());

  async function engines(count: number): Promise<SimulatedEngine[]> {
    const started: SimulatedEngine[] = [];
    for (let i = 0; i < count; i++) {
      const engine = await world.startEngine();
      await world.put(engine);
      started.push(engine);
    }
    return started;
  }

  const ask = (client: LlmClient, prompt = PREFIX) =>
    client.post('/v1/completions', { model: MODEL, prompt, max_tokens: 4 });

  const addressOf = ({ url }: SimulatedEngine) => url.replace('http://', '');

  /** The engine that served, by Envoy's word. */
  async function served(client: LlmClient, prompt?: string): Promise<string | undefined> {
    const { status, servedBy } = await ask(client, prompt);
    assert.equal(status, 200);
    return servedBy;
  }

  /** Asks until events have told where the prompt is; returns its engine. */
  async function warmed(client: LlmClient, all: readonly SimulatedEngine[]): Promise<SimulatedEngine> {
    const servedBy = await eventually('the prompt is found where it was computed', async () => {
      const { decision, servedBy, usage } = await ask(client);
      for (const engine of all) engine.publishPending();
      return decision?.reason === 'prefix_match' && usage!.cachedTokens > 0 && servedBy;
    });
    return all.find(engine => addressOf(engine) === servedBy)!;
  }

  /** Requests on four connections until it is stopped; their statuses. */
  function keepAsking(client: LlmClient) {
    let asking = true;
    const statuses: number[] = [];
    const askers = Array.from({ length: 4 }, async (_, asker) => {
      for (let i = 0; asking; i++) statuses.push((await ask(client, `${asker} ${i} ${PREFIX}`)).status);
    });
    return {
      statuses,
      async stop() {
        asking = false;
        await Promise.all(askers);
      },
    };
  }

  async function routed(count: number) {
    const all = await engines(count);
    const router = await world.startRouter();
    await knows(router, ...all.map(({ name }) => name).sort());
    const client = await world.startEnvoy([`127.0.0.1:${router.grpcPort}`]);
    return { all, router, client };
  }

  it('get the prompts that they hold', async () => {
    const { all, client } = await routed(3);
    const warm = await warmed(client, all);
    for (let i = 0; i < 5; i++) assert.equal(await served(client), addressOf(warm));
  });

  it('come, go, become unready and ready again, and start anew', async () => {
    const { all, router, client } = await routed(2);
    const warm = await warmed(client, all);
    const other = all.find(engine => engine !== warm)!;
    const names = all.map(({ name }) => name).sort();

    await world.put(warm, { ready: false });
    await knows(router, ...names.map(name => (name === warm.name ? `${name} unready` : name)));
    assert.equal(await served(client, 'another prompt'), addressOf(other));
    await world.put(warm);
    await knows(router, ...names);
    assert.include((await ask(client)).decision, { pod: `llm/${warm.name}`, reason: 'prefix_match' });

    await world.put(warm, { containers: { engine: { restarts: 1 } } });
    await eventually(
      'it is another one',
      () => router.logLines.filter(({ message }) => message === 'pod joined').length === 3,
    );
    await knows(router, ...names);

    const third = await world.startEngine();
    await world.put(third);
    await knows(router, ...[...names, third.name].sort());

    await world.terminate(other);
    await knows(router, ...[warm.name, third.name].sort());
    for (let i = 0; i < 5; i++) assert.notEqual(await served(client, `${i}`), addressOf(other));
    await world.remove(other);
    await world.remove(warm);
    await knows(router, third.name);
    assert.equal(await served(client), addressOf(third));
  });

  it('finish what they have while they are deleted', async () => {
    const { all, router, client } = await routed(2);
    const generation = await client.stream('/v1/completions', {
      model: MODEL,
      prompt: PREFIX,
      max_tokens: 400,
      stream: true,
    });
    const busy = all.find(({ requests }) => requests.length > 0) ?? all[0]!;
    await world.terminate(busy);
    await knows(router, ...all.filter(engine => engine !== busy).map(({ name }) => name));
    assert.include(await generation.text, '[DONE]');
    assert.equal(generation.status, 200);
  });

  it('are others when they are made again under the same name', async () => {
    const { all, router, client } = await routed(2);
    const warm = await warmed(client, all);
    await world.remove(warm);
    await world.put({ ...(await world.startEngine()), name: warm.name });
    await eventually(
      'it has left and joined',
      () => router.logLines.filter(({ message }) => message === 'pod joined').length === 3,
    );
    assert.include((await ask(client)).decision, { matchedBlocks: 0 });
  });

  it('serve through a rolling upgrade of two routers without one failed request', async () => {
    const all = await engines(3);
    const ports = [await freePort(), await freePort(), await freePort(), await freePort()];
    const start = async (port: number): Promise<ProgramProcess> => {
      const router = await world.startRouter({ WARMROUTE_GRPC_ADDRESS: `127.0.0.1:${port}` });
      await knows(router, ...all.map(({ name }) => name).sort());
      return router;
    };
    let [first, second] = [await start(ports[0]!), await start(ports[1]!)];
    const client = await world.startEnvoy(ports.map(port => `127.0.0.1:${port}`));
    const healthy = 'cluster.warmroute_ext_proc.membership_healthy';
    const seen = (count: number) =>
      eventually(
        `Envoy finds ${count} healthy`,
        async () => (await client.envoy.stats(healthy)).get(healthy) === count,
      );
    await seen(2);
    const asking = keepAsking(client);

    const replaced = async (old: ProgramProcess, port: number): Promise<ProgramProcess> => {
      const next = await start(port);
      await seen(3);
      old.kill('SIGTERM');
      assert.deepEqual(await old.exited, { code: 0, signal: null });
      await seen(2);
      return next;
    };
    first = await replaced(first, ports[2]!);
    second = await replaced(second, ports[3]!);
    const before = asking.statuses.length;
    await eventually('more are served', () => asking.statuses.length > before + 20);
    await asking.stop();
    assert.deepEqual([...new Set(asking.statuses)], [200]);
    for (const router of [first, second])
      assert.isAbove((await router.metrics())('warmroute_decisions_total'), 0);
  });
});
