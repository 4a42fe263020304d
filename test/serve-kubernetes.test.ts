/** Pods from Kubernetes, through the whole server. */
import { writeFile } from 'node:fs/promises';
import { assert } from 'chai';
import type { SimulatedEngine } from '../src/simulator/engine.ts';
import { requestBody, requestHeaders } from './support/envoy-messages.ts';
import { eventually } from './support/eventually.ts';
import { FakeEngine, modelsPage } from './support/fake-engine.ts';
import { BY_LABEL, KubeBench, OF_POOL } from './support/kube-bench.ts';
import {
  addressOf,
  adminPage,
  askDirectly,
  MODEL,
  PROMPT,
  routed,
  routedTo,
  type Served,
  WITH_EVENTS,
} from './support/serve-bench.ts';

interface ShownPod {
  readonly pod: string;
  readonly endpoint: string;
  readonly model: string;
  readonly unready?: true;
  readonly inFlight: number;
}

async function shownPods({ server }: Served): Promise<readonly ShownPod[]> {
  return (JSON.parse((await adminPage(server, '/debug/pods')).text) as { pods: ShownPod[] }).pods;
}

/** Waits until exactly these pods are known; an unready one has ` unready` behind its name. */
async function knows(served: Served, ...names: readonly string[]): Promise<void> {
  let known: readonly string[] = [];
  await eventually(`known is ${names}`, async () => {
    known = (await shownPods(served)).map(({ pod, unready }) => (unready ? `${pod} unready` : pod));
    return known.join() === names.join();
  }).catch(error => {
    throw new Error(`${error.message}, but ${known}`);
  });
}

async function isReady({ server }: Served): Promise<{ ready: boolean; why: string }> {
  return JSON.parse((await adminPage(server, '/readyz')).text);
}

const messages = ({ lines }: Served) => lines.map(({ message }) => message);
const times = (served: Served, pattern: RegExp) => messages(served).filter(text => pattern.test(text)).length;

/** The prompt is held, as its events say, by this pod alone. */
async function isHeld(served: Served, engine: SimulatedEngine): Promise<void> {
  await askDirectly(engine);
  await eventually(`${engine.name} is known to hold the prompt`, async () => {
    engine.publishPending();
    const { target, matchedBlocks } = await routed(served.envoy);
    return target === addressOf(engine) && matchedBlocks > 0;
  });
}

/** Without what is expected of a pod because a request was sent there: events alone count. */
const BY_EVENTS = { ...BY_LABEL, ...WITH_EVENTS, WARMROUTE_EXPECTED_BLOCKS_TTL_MS: '0' };

describe('pods from Kubernetes', function () {
  // Engines and sockets are real.
  this.timeout(20_000);

  let cluster: KubeBench;

  beforeEach(async () => {
    cluster = await KubeBench.open();
  });
  afterEach(() => cluster.stop());

  /** Two engines, each in a pod. */
  async function twoEngines(): Promise<[SimulatedEngine, SimulatedEngine]> {
    const engines = (await cluster.bench.startEngines(2)) as [SimulatedEngine, SimulatedEngine];
    for (const engine of engines) cluster.put(engine);
    return engines;
  }

  describe('by their labels', () => {
    it('get the prompts that they hold', async () => {
      const [, warm] = await twoEngines();
      const served = await cluster.start(BY_EVENTS);
      await knows(served, 'default/engine-0', 'default/engine-1');
      await isHeld(served, warm);
      assert.deepInclude(await routed(served.envoy), { target: addressOf(warm), reason: 'prefix_match' });
      const { text } = await adminPage(served.server, '/metrics');
      assert.include(text, 'warmroute_pod_health{pod="default/engine-1",state="unknown"} 1');
      assert.match(text, /^warmroute_kv_events_total\{pod="default\/engine-1",outcome="stored"\} \d/m);
    });

    it('come, go, and come from one list and one watch', async () => {
      const [first, second] = await twoEngines();
      const served = await cluster.start();
      await knows(served, 'default/engine-0', 'default/engine-1');
      cluster.delete(first.name);
      await knows(served, 'default/engine-1');
      cluster.put({ ...first, name: 'new' });
      await knows(served, 'default/engine-1', 'default/new');
      cluster.put(second, { labels: { app: 'other' } });
      await knows(served, 'default/new');
      assert.deepEqual([cluster.api.count('list'), cluster.api.count('watch')], [1, 1]);
    });

    it('are waited for: the router is not ready before they are listed', async () => {
      cluster.api.fault = () => ({ kind: 'hang' });
      const served = await cluster.start();
      assert.deepEqual(await isReady(served), {
        ready: false,
        why: 'the pods of namespace default are not listed yet',
      });
      assert.equal(await served.envoy.health('readiness'), 'NOT_SERVING');
    });

    it('make the router ready when one is', async () => {
      const served = await cluster.start();
      await eventually('the list is there', async () => (await isReady(served)).why === 'no pod is known');
      await twoEngines();
      await eventually('it is ready', async () => (await isReady(served)).ready);
      assert.equal(await served.envoy.health('readiness'), 'SERVING');
    });

    it('serve on while the API server is away', async () => {
      await twoEngines();
      const served = await cluster.start();
      await knows(served, 'default/engine-0', 'default/engine-1');
      cluster.api.fault = () => ({ kind: 'reset' });
      for (const watch of cluster.api.openWatches) watch.reset();
      await eventually('it is missed', () => cluster.api.count('watch') > 1);
      assert.equal((await isReady(served)).ready, true);
      assert.isString((await routed(served.envoy)).target);
      assert.lengthOf(await shownPods(served), 2);
      const { text } = await adminPage(served.server, '/metrics');
      assert.match(
        text,
        /^warmroute_kubernetes_errors_total\{source="default\/pods",during="(list|watch)",error="unavailable"\} \d/m,
      );
      assert.match(text, /^warmroute_kubernetes_silent_seconds\{source="default\/pods"\} \d/m);
      assert.equal(times(served, /^the Kubernetes API does not answer as it should/), 1);
    });

    it('are looked for in several namespaces, or in all', async () => {
      const [first, second] = await twoEngines();
      cluster.put(first, { namespace: 'blue' });
      cluster.put({ ...second, name: 'engine-1' }, { namespace: 'green' });
      const two = await cluster.start({ ...BY_LABEL, WARMROUTE_KUBERNETES_NAMESPACES: 'blue,green' });
      await knows(two, 'blue/engine-0', 'green/engine-1');
      assert.equal(cluster.api.count('list'), 2);
      cluster.delete('engine-0', 'default');
      cluster.delete('engine-1', 'default');
      const all = await cluster.start({ ...BY_LABEL, WARMROUTE_KUBERNETES_NAMESPACES: '*' });
      await knows(all, 'blue/engine-0', 'green/engine-1');
      assert.equal(cluster.api.count('list'), 3);
    });

    it('are chosen by a selector of one’s own', async () => {
      const [first] = await twoEngines();
      cluster.put(first, { labels: { app: 'vllm' } });
      const served = await cluster.start({ ...BY_LABEL, WARMROUTE_KUBERNETES_SELECTOR: 'app in (vllm)' });
      await knows(served, 'default/engine-0');
    });

    it('are told once what is wrong with their annotations, and serve', async () => {
      const [first] = await twoEngines();
      const annotations = { 'warmroute.dev/ranks': 'many' };
      cluster.put(first, { annotations });
      const served = await cluster.start();
      await knows(served, 'default/engine-0', 'default/engine-1');
      cluster.put(first, { annotations, labels: { 'model.aibrix.ai/name': MODEL, tier: 'gold' } });
      await eventually('the change is seen', async () => messages(served).length > 0);
      cluster.put({ ...first, name: 'last' });
      cluster.delete(first.name);
      await knows(served, 'default/engine-1', 'default/last');
      assert.equal(
        times(served, /^warmroute.dev\/ranks of pod default\/engine-0 is left out: "many" must be/),
        1,
      );
    });

    it('add up with the pods file, and one that both know is one', async () => {
      const [first, second] = await twoEngines();
      const pods = [{ name: 'mine', address: '127.0.0.1', port: first.httpPort, model: MODEL }];
      await writeFile(cluster.bench.podsFile, JSON.stringify({ pods }));
      const served = await cluster.start({ WARMROUTE_DISCOVERY: 'file,kubernetes' });
      await knows(served, 'default/engine-1', 'mine');
      cluster.delete(second.name);
      await knows(served, 'mine');
    });
  });

  describe('that are not ready any more', () => {
    it('get no requests, and what they hold is there when they are again', async () => {
      const [other, warm] = await twoEngines();
      const served = await cluster.start(BY_EVENTS);
      await knows(served, 'default/engine-0', 'default/engine-1');
      await isHeld(served, warm);
      cluster.put(warm, { ready: false });
      await knows(served, 'default/engine-0', 'default/engine-1 unready');
      assert.deepInclude(await routed(served.envoy), { target: addressOf(other), reason: 'only_pod' });
      cluster.put(warm);
      await knows(served, 'default/engine-0', 'default/engine-1');
      assert.deepInclude(await routed(served.envoy), { target: addressOf(warm), reason: 'prefix_match' });
      assert.equal(times(served, /^pod joined$/), 2);
    });

    it('are why a model has no pod, and not why it does not exist', async () => {
      const [first, second] = await twoEngines();
      cluster.put(first, { ready: false });
      cluster.put(second, { ready: false });
      const served = await cluster.start();
      await eventually('the model is known', async () =>
        (await adminPage(served.server, '/v1/models')).text.includes(MODEL),
      );
      assert.equal((await isReady(served)).why, 'no pod is known');
    });
  });

  describe('that are being deleted', () => {
    it('get no new requests, and finish those that they have', async () => {
      const [first, second] = await twoEngines();
      const served = await cluster.start();
      await knows(served, 'default/engine-0', 'default/engine-1');
      const stream = served.envoy.open().send(requestHeaders({ headers: { ':path': '/v1/completions' } }));
      await stream.reply();
      stream.send(requestBody(JSON.stringify({ model: MODEL, prompt: PROMPT }), 'end'));
      await stream.reply();
      const busy = (await shownPods(served)).find(({ inFlight }) => inFlight === 1)!;
      const [leaving, staying] = busy.endpoint === addressOf(first) ? [first, second] : [second, first];
      cluster.put(leaving, { deletionTimestamp: '2026-09-01T12:00:00Z' });
      await knows(served, `default/${staying.name}`);
      for (let i = 0; i < 3; i++) assert.equal((await routed(served.envoy)).target, addressOf(staying));
      await stream.halfClose();
      assert.equal((await stream.status).code, 0);
      cluster.delete(leaving.name);
      assert.equal((await routed(served.envoy)).target, addressOf(staying));
    });
  });

  describe('that are others now', () => {
    for (const [what, change] of [
      [
        'as their container was started again',
        (warm: SimulatedEngine) => cluster.put(warm, { containers: { engine: { restarts: 1 } } }),
      ],
      [
        'as they were made again under the same name',
        (warm: SimulatedEngine) => {
          cluster.delete(warm.name);
          cluster.put(warm);
        },
      ],
    ] as const) {
      it(`hold nothing, ${what}`, async () => {
        const engines = await twoEngines();
        const served = await cluster.start();
        await knows(served, 'default/engine-0', 'default/engine-1');
        const { target } = await routed(served.envoy);
        const warm = engines.find(engine => addressOf(engine) === target)!;
        assert.equal((await routed(served.envoy)).reason, 'prefix_match');
        change(warm);
        await eventually('it has left and joined', () => times(served, /^pod joined$/) === 3);
        assert.equal((await routed(served.envoy)).reason, 'no_match');
      });
    }
  });

  describe('without labels that say what they serve', () => {
    const BY_APP = { ...BY_LABEL, WARMROUTE_KUBERNETES_SELECTOR: 'app', WARMROUTE_MODELS_REFRESH_MS: '100' };
    let engine: FakeEngine;

    beforeEach(async () => {
      engine = await FakeEngine.start();
      cluster.bench.atEnd(() => engine.stop());
      cluster.put({ name: 'a', httpPort: engine.port }, { labels: { app: 'vllm' } });
    });

    const ask = (served: Served, model: string) =>
      routedTo(served.envoy, '/v1/completions', { model, prompt: PROMPT });

    it('serve what their engine says, as soon as it does', async () => {
      const served = await cluster.start(BY_APP);
      await eventually('it is counted', async () =>
        (await adminPage(served.server, '/metrics')).text.includes('warmroute_unnamed_pods 1'),
      );
      assert.equal(times(served, /^it is not known which model pod default\/a serves/), 1);
      engine.pages = { '/v1/models': modelsPage(['org/base'], []) };
      await knows(served, 'default/a');
      assert.equal((await ask(served, 'org/base')).target, `127.0.0.1:${engine.port}`);
    });

    it('serve the adapters that their engine has at the time', async () => {
      engine.pages = { '/v1/models': modelsPage(['base'], []) };
      const served = await cluster.start(BY_APP);
      await knows(served, 'default/a');
      assert.isUndefined((await ask(served, 'sql')).target);
      engine.pages = { '/v1/models': modelsPage(['base'], ['sql']) };
      await eventually('the adapter is there', async () => (await ask(served, 'sql')).target);
      engine.pages = { '/v1/models': modelsPage(['base'], []) };
      await eventually('it is gone', async () => (await ask(served, 'sql')).target === undefined);
      assert.equal(times(served, /^pod (joined|left)$/), 1);
    });
  });

  describe('of an InferencePool', () => {
    it('are those that it selects, at its ports, whatever they are at the time', async () => {
      const [first, second] = await twoEngines();
      cluster.put(first, { labels: { app: 'blue', 'model.aibrix.ai/name': MODEL } });
      cluster.put(second, { labels: { app: 'green', 'model.aibrix.ai/name': MODEL } });
      cluster.putPool({ app: 'blue' }, [first.httpPort]);
      const served = await cluster.start(OF_POOL);
      await knows(served, 'default/engine-0');
      assert.equal((await routed(served.envoy)).target, addressOf(first));
      cluster.putPool({ app: 'green' }, [second.httpPort]);
      await knows(served, 'default/engine-1');
      assert.equal((await routed(served.envoy)).target, addressOf(second));
      cluster.putPool({ app: 'green' }, [second.httpPort, first.httpPort]);
      const ports = [first.httpPort, second.httpPort].map(port => `default/engine-1:${port}`).sort();
      await knows(served, ...ports);
      await eventually('two watches are left', () => cluster.api.openWatches.length === 2);
    });

    it('are those of the last selector until those of the next are listed', async () => {
      const [first, second] = await twoEngines();
      cluster.put(first, { labels: { app: 'blue', 'model.aibrix.ai/name': MODEL } });
      cluster.put(second, { labels: { app: 'green', 'model.aibrix.ai/name': MODEL } });
      cluster.putPool({ app: 'blue' }, [first.httpPort]);
      const served = await cluster.start(OF_POOL);
      await knows(served, 'default/engine-0');
      cluster.api.fault = ({ query }) =>
        query.get('labelSelector') === 'app=green' ? { kind: 'hang' } : undefined;
      const listed = cluster.api.count('list');
      cluster.putPool({ app: 'green' }, [first.httpPort]);
      await eventually('the next are asked for', () => cluster.api.count('list') > listed);
      assert.deepInclude(await isReady(served), { ready: true });
      await knows(served, 'default/engine-0');
      cluster.putPool({ app: 'blue' }, [first.httpPort]);
      cluster.api.fault = () => undefined;
      cluster.put(
        { ...first, name: 'more' },
        { ip: '127.0.0.2', labels: { app: 'blue', 'model.aibrix.ai/name': MODEL } },
      );
      await knows(served, 'default/engine-0', 'default/more');
    });

    it('are none as long as there is no pool, which is said once', async () => {
      const [first] = await twoEngines();
      const served = await cluster.start(OF_POOL);
      await eventually('it is missed', async () => (await isReady(served)).why.includes('does not exist'));
      assert.equal((await isReady(served)).why, 'the InferencePool default/pool does not exist');
      cluster.putPool({ 'model.aibrix.ai/name': MODEL }, [first.httpPort]);
      await eventually('it is ready', async () => (await isReady(served)).ready);
      cluster.deletePool();
      await knows(served);
      assert.equal((await isReady(served)).ready, false);
      assert.equal(await served.envoy.health('readiness'), 'NOT_SERVING');
      cluster.putPool({ 'model.aibrix.ai/name': MODEL }, [first.httpPort]);
      await eventually('it is ready again', async () => (await isReady(served)).ready);
      assert.equal(times(served, /^the InferencePool default\/pool does not exist/), 2);
      assert.equal(times(served, /^the InferencePool is there$/), 2);
    });
  });
});
