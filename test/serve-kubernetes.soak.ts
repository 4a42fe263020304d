/** A thousand pods of which twenty change every second, through the whole server: what is known follows, and nothing is left behind. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { assert } from 'chai';
import { XPublisher } from 'zeromq';
import { closeBound } from '../src/simulator/bound-socket.ts';
import { eventually } from './support/eventually.ts';
import { BY_LABEL, KubeBench } from './support/kube-bench.ts';
import { kubePod } from './support/kube-pods.ts';
import { batchOf, storedMap } from './support/kv-events.ts';
import { adminPage, MODEL, routed, type Served, WITH_EVENTS } from './support/serve-bench.ts';

const PODS = 1_000;
const CHANGES_PER_SECOND = 20;
const SECONDS = 30;
/** From when something changes until nothing is sent there any more. */
const LATENESS_MS = 2_000;

/** A pod as the API has it. */
interface Pod {
  readonly name: string;
  readonly ip: string;
  state: 'ready' | 'unready' | 'terminating';
  restarts: number;
  /** Whether it was ready since its container was started. */
  wasReady: boolean;
}

/** All engines are one process, which listens on every address of the loopback network. */
async function startEngines() {
  const http = createServer((request, response) => {
    const isModels = request.url === '/v1/models';
    response.writeHead(isModels || request.url === '/health' ? 200 : 404, {
      'content-type': 'application/json',
    });
    response.end(isModels ? JSON.stringify({ object: 'list', data: [{ id: MODEL }] }) : '{}');
  });
  http.listen(0, '0.0.0.0');
  await once(http, 'listening');
  const publisher = new XPublisher({ linger: 0 });
  await publisher.bind('tcp://0.0.0.0:*');
  return {
    httpPort: (http.address() as AddressInfo).port,
    eventsPort: Number(publisher.lastEndpoint!.split(':').at(-1)),
    publish: (sequence: bigint, payload: Uint8Array) => {
      const number = Buffer.alloc(8);
      number.writeBigUInt64BE(sequence);
      return publisher.send(['', number, payload]);
    },
    async stop() {
      await closeBound(publisher);
      const closed = once(http, 'close');
      http.close();
      http.closeAllConnections();
      await closed;
    },
  };
}

function resources(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const type of process.getActiveResourcesInfo()) counts[type] = (counts[type] ?? 0) + 1;
  return counts;
}

describe('a thousand pods that come and go', function () {
  this.timeout(300_000);

  let cluster: KubeBench;
  let engines: Awaited<ReturnType<typeof startEngines>>;
  const pods = new Map<string, Pod>();
  const everKnown = new Set<string>();
  /** When each address was one that requests may go to. */
  const wasReadyAt = new Map<string, number>();
  let made = 0;
  let recent: string[] = [];

  before(async () => {
    cluster = await KubeBench.open();
    engines = await startEngines();
  });
  after(async () => {
    await cluster.stop();
    await engines.stop();
  });

  function put(pod: Pod): void {
    pods.set(pod.name, pod);
    everKnown.add(`default/${pod.name}`);
    if (pod.state === 'ready') pod.wasReady = true;
    cluster.api.put(
      kubePod({
        ...{
          name: pod.name,
          ip: pod.ip,
          labels: { 'model.aibrix.ai/name': MODEL },
          ready: pod.state === 'ready',
        },
        annotations: {
          'warmroute.dev/port': String(engines.httpPort),
          'warmroute.dev/kv-events-port': String(engines.eventsPort),
        },
        containers: { engine: { restarts: pod.restarts } },
        ...(pod.state === 'terminating' && { deletionTimestamp: '2026-09-01T12:00:00Z' }),
      }),
    );
  }

  function create(): void {
    const i = made++;
    put({
      name: `pod-${i}`,
      ip: `127.1.${(i >> 8) & 255}.${i & 255}`,
      state: 'ready',
      restarts: 0,
      wasReady: false,
    });
  }

  function remove({ name }: Pod): void {
    pods.delete(name);
    cluster.api.delete({ name, namespace: 'default' });
  }

  /** One change of one pod; there are a thousand again afterwards. */
  function change(): void {
    // Of a pod that changes twice within one announcement only the end is seen.
    recent = recent.slice(-10);
    const all = [...pods.values()].filter(({ name }) => !recent.includes(name));
    const pod = all[Math.floor(Math.random() * all.length)]!;
    recent.push(pod.name);
    const kind = Math.floor(Math.random() * 5);
    if (pod.state === 'terminating' || kind === 0) {
      remove(pod);
      create();
    } else if (kind === 1) put({ ...pod, state: 'terminating' });
    else if (kind === 2) {
      remove(pod);
      put({ ...pod, state: 'ready', wasReady: false });
    } else if (kind === 3) put({ ...pod, restarts: pod.restarts + 1, wasReady: false, state: 'ready' });
    else put({ ...pod, state: pod.state === 'ready' ? 'unready' : 'ready' });
  }

  function note(): void {
    const now = performance.now();
    for (const { state, ip } of pods.values())
      if (state === 'ready') wasReadyAt.set(`${ip}:${engines.httpPort}`, now);
  }

  const expected = () =>
    [...pods.values()]
      .filter(({ state, wasReady }) => state === 'ready' || (state === 'unready' && wasReady))
      .map(({ name, state }) => `default/${name}${state === 'ready' ? '' : ' unready'}`)
      .sort();

  async function known({ server }: Served): Promise<string[]> {
    const page = JSON.parse((await adminPage(server, '/debug/pods')).text) as {
      pods: { pod: string; unready?: true }[];
    };
    return page.pods.map(({ pod, unready }) => `${pod}${unready ? ' unready' : ''}`).sort();
  }

  const isSame = async (served: Served) => (await known(served)).join() === expected().join();

  it('are all known, and what has left is gone', async () => {
    for (let i = 0; i < PODS; i++) create();
    const before = resources();
    const heapBefore = process.memoryUsage().heapUsed;
    const served = await cluster.start({ ...BY_LABEL, ...WITH_EVENTS, WARMROUTE_WARMUP_MS: '0' });
    await eventually('all are known', () => isSame(served), 60_000);
    const { server } = served;
    let sequence = 0n;
    await eventually(
      'all are heard',
      async () => {
        await engines.publish(sequence++, batchOf({ type: 'AllBlocksCleared' }));
        await delay(100);
        return server.publishers().every(({ state }) => state !== 'connecting');
      },
      60_000,
    );
    globalThis.gc?.();
    const heapPerPod = (process.memoryUsage().heapUsed - heapBefore) / PODS;

    let worstMs = 0;
    for (let i = 0; i < SECONDS * CHANGES_PER_SECOND; i++) {
      change();
      note();
      if (i % 10 === 0) {
        await engines.publish(
          sequence++,
          batchOf(storedMap({ block_hashes: [2 * i, 2 * i + 1], token_ids: [i, i, i, i] })),
        );
        const askedAt = performance.now();
        const { target } = await routed(served.envoy, `prompt ${i}`);
        const late = askedAt - (wasReadyAt.get(target!) ?? Number.NEGATIVE_INFINITY);
        assert.isBelow(late, LATENESS_MS, `request ${i} went to ${target}`);
        worstMs = Math.max(worstMs, late);
      }
      await delay(1_000 / CHANGES_PER_SECOND);
    }
    await eventually('the last changes are seen', () => isSame(served));
    assert.deepEqual([cluster.api.count('list'), cluster.api.count('watch')], [1, 1]);

    const here = new Set((await known(served)).map(name => name.replace(/ unready$/, '')));
    assert.sameMembers(
      server.publishers().map(({ pod }) => pod),
      [...here],
    );
    for (const name of everKnown) if (!here.has(name)) assert.isEmpty(server.cache.holders.of(name), name);
    await eventually('no connection is left of pods that have gone', () => {
      const { TCPSocketWrap = 0 } = resources();
      return TCPSocketWrap < 4 * PODS;
    });

    for (const pod of [...pods.values()]) remove(pod);
    await eventually('all are gone', async () => (await known(served)).length === 0);
    await eventually('nothing is held any more', () => server.cache.index.size().entries === 0);
    for (const name of everKnown) assert.isEmpty(server.cache.holders.of(name));
    await server.stop();
    await served.envoy.close();
    await eventually('no socket and no timer is left', () => {
      const now = resources();
      return (
        (now.TCPSocketWrap ?? 0) <= (before.TCPSocketWrap ?? 0) &&
        (now.Timeout ?? 0) <= (before.Timeout ?? 0) + 1
      );
    });
    console.log(
      `      ${PODS} pods, ${SECONDS * CHANGES_PER_SECOND} changes, ${everKnown.size} names; latest request ${Math.round(worstMs)} ms after its pod was ready; ${Math.round(heapPerPod / 1024)} KiB of heap a pod`,
    );
  });
});
