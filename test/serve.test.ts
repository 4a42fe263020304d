import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { get, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { assert } from 'chai';
import type { CacheState } from '../src/cache/cache-state.ts';
import { Load } from '../src/routing/load.ts';
import type { RunningServer } from '../src/serve.ts';
import { startUpstream } from './support/envoy-upstream.ts';
import { eventually } from './support/eventually.ts';
import {
  addressOf,
  adminPage,
  askDirectly,
  hears,
  MODEL,
  REMOTE,
  routed,
  ServeBench,
  WITH_EVENTS,
} from './support/serve-bench.ts';
import { samplesOf } from './support/telemetry.ts';

async function statusFor(server: RunningServer, path: string, host: string): Promise<number | undefined> {
  const sent = get({ host: '127.0.0.1', port: server.adminPort, path, headers: { host } });
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  response.resume();
  await once(response, 'end');
  return response.statusCode;
}

/** (Block, holder) pairs that engines have announced, without those that are only expected of them. */
const announced = ({ index, history }: CacheState) => index.size().entries - history.entries;

describe('the server', function () {
  // Engines, sockets and files are real.
  this.timeout(20_000);

  let bench: ServeBench;

  beforeEach(async () => {
    bench = await ServeBench.open();
  });
  afterEach(() => bench.stop());

  describe('routes the second request to the pod that has seen the prompt', () => {
    it('with the local tokenizer, by its own history', async () => {
      await bench.writePods(await bench.startEngines(3));
      const { envoy } = await bench.start();
      const first = await routed(envoy);
      assert.equal(first.reason, 'no_match');
      for (let i = 0; i < 5; i++) {
        const again = await routed(envoy);
        assert.deepInclude(again, { target: first.target, reason: 'prefix_match' });
        assert.isAbove(again.matchedBlocks, 0);
      }
      assert.equal((await routed(envoy, 'something else')).reason, 'no_match');
    });

    it('with the engines’ tokenizer, by its own history', async () => {
      await bench.writePods(await bench.startEngines(3));
      const { envoy, server } = await bench.start(REMOTE);
      const first = await routed(envoy);
      for (let i = 0; i < 5; i++) {
        assert.deepInclude(await routed(envoy), { target: first.target, reason: 'prefix_match' });
      }
      const { text } = await adminPage(server, '/metrics');
      assert.include(text, 'warmroute_tokenize_calls_total{kind="tokens",route="render"} 1');
      assert.include(text, 'warmroute_tokenize_calls_total{kind="hit"} 5');
    });

    it('with the engines’ events, whoever sent the first', async () => {
      const engines = await bench.startEngines(3);
      await bench.writePods(engines);
      const started = await bench.start({ ...WITH_EVENTS, WARMROUTE_EXPECTED_BLOCKS_TTL_MS: '0' });
      await hears(started, engines);
      for (const engine of engines) {
        for (const each of engines) each.resetCache();
        for (const each of engines) each.publishPending();
        await eventually('the index is empty', () => announced(started.server.cache) === 0);
        await askDirectly(engine);
        const held = engine.cache.residentBlocks().length;
        assert.isAbove(held, 0);
        await eventually('the index is full', () => announced(started.server.cache) === held);
        assert.deepEqual(await routed(started.envoy), {
          ...{ target: addressOf(engine), reason: 'prefix_match', matchedBlocks: held },
        });
      }
    });
  });

  describe('a pod that leaves', () => {
    it('is forgotten at once, in the index and in the history', async () => {
      const engines = await bench.startEngines(2);
      await bench.writePods(engines);
      const started = await bench.start(WITH_EVENTS);
      await hears(started, engines);
      const { server, envoy, lines } = started;
      await askDirectly(engines[0]!);
      await eventually('the index is fed', () => announced(server.cache) > 0);
      assert.equal((await routed(envoy)).target, addressOf(engines[0]!));
      assert.isAbove(server.cache.history.entries, 0);

      await bench.writePods(engines.slice(1));
      await eventually('the pod has left', () => lines.some(line => line.message === 'pod left'));
      assert.deepEqual(server.cache.index.size(), { blocks: 0, entries: 0 });
      assert.equal(server.cache.history.entries, 0);
      assert.equal((await routed(envoy)).target, addressOf(engines[1]!));
    });

    it('is forgotten by the load, whose counters would stay for every address that ever was', async () => {
      const engines = await bench.startEngines(2);
      await bench.writePods(engines);
      const forgotten: string[] = [];
      const { forget } = Load.prototype;
      bench.atEnd(() => {
        Load.prototype.forget = forget;
      });
      Load.prototype.forget = function (pod) {
        forgotten.push(pod.name);
        forget.call(this, pod);
      };
      await bench.start();
      await bench.writePods(engines.slice(1));
      await eventually('it is forgotten', () => forgotten.length > 0);
      assert.deepEqual(forgotten, [engines[0]!.name]);
    });

    it('leaves the metrics too, with its model, and begins at nothing when it comes back', async () => {
      const engines = await bench.startEngines(2);
      await bench.writePods(engines);
      const started = await bench.start(WITH_EVENTS);
      await hears(started, engines);
      const { server, envoy, lines } = started;
      await routed(envoy);
      const before = (await adminPage(server, '/metrics')).text;
      for (const engine of engines)
        assert.lengthOf(
          samplesOf('warmroute_publisher_state', before).filter(line => line.includes(engine.name)),
          1,
        );
      assert.include(before, `model="${MODEL}"`);

      const happened = (message: string, times: number) =>
        eventually(message, () => lines.filter(line => line.message === message).length === times);
      await bench.writePods(engines.slice(1));
      await happened('pod left', 1);
      const half = (await adminPage(server, '/metrics')).text;
      assert.notInclude(half, engines[0]!.name);
      assert.include(half, engines[1]!.name);
      assert.include(half, `model="${MODEL}"`);
      await bench.writePods([]);
      await happened('pod left', 2);
      const none = (await adminPage(server, '/metrics')).text;
      assert.notInclude(none, engines[1]!.name);
      assert.notInclude(none, `model="${MODEL}"`);

      await bench.writePods(engines);
      const again = await eventually('both are heard again', async () => {
        const { text } = await adminPage(server, '/metrics');
        const connected = samplesOf('aibrix_kvcache_zmq_connections_total', text);
        return connected.length === 2 && connected;
      });
      for (const sample of again) assert.match(sample, /} 1$/);
    });

    it('leaves the others theirs', async () => {
      const engines = await bench.startEngines(3);
      await bench.writePods(engines);
      const { envoy, lines } = await bench.start();
      const { target } = await routed(envoy);
      const other = engines.findIndex(engine => addressOf(engine) !== target);
      await bench.writePods(engines.toSpliced(other, 1));
      await eventually('the pod has left', () => lines.some(line => line.message === 'pod left'));
      assert.deepInclude(await routed(envoy), { target, reason: 'prefix_match' });
    });
  });

  describe('for operators', () => {
    it('answers /healthz, /readyz, /v1/models and /metrics', async () => {
      await bench.writePods(await bench.startEngines(2));
      const { server, envoy } = await bench.start();
      await routed(envoy);
      assert.equal((await adminPage(server, '/healthz')).status, 200);
      assert.deepEqual(await adminPage(server, '/readyz'), {
        status: 200,
        text: '{"ready":true,"why":"ok"}',
      });
      const models = JSON.parse((await adminPage(server, '/v1/models')).text) as { data: { id: string }[] };
      assert.deepEqual(
        models.data.map(({ id }) => id),
        [MODEL],
      );
      const { text } = await adminPage(server, '/metrics');
      for (const sample of [
        `aibrix_prefix_cache_routing_decisions_total{model="${MODEL}",match_percent_bucket="0",using_kv_sync="false"} 1`,
        `aibrix_prefix_cache_routing_selection_total{model="${MODEL}",selection="least_request_fallback",using_kv_sync="false"} 1`,
        `aibrix_prefix_cache_routing_latency_seconds_count{model="${MODEL}",using_kv_sync="false"} 1`,
        'aibrix_prefix_cache_indexer_status{model="_init_",indexer_type="local"} 1',
        'warmroute_ready_pods 2',
      ])
        assert.include(text.split('\n'), sample);
      const head = await fetch(`http://127.0.0.1:${server.adminPort}/metrics`, { method: 'HEAD' });
      assert.deepEqual([head.status, await head.text()], [200, '']);
      assert.equal(head.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
    });

    it('shows more than metrics and health to clients on the same host alone, unless told otherwise', async () => {
      await bench.writePods(await bench.startEngines(1));
      for (const [environment, status] of [
        [{}, 403],
        [{ WARMROUTE_ADMIN_DEBUG: 'true' }, 403],
        [{ WARMROUTE_ADMIN_DEBUG: 'true', WARMROUTE_ADMIN_HOSTS: 'other.example, Rebound.example' }, 200],
      ] as const) {
        const { server } = await bench.start(environment);
        for (const path of ['/v1/models', '/debug/publishers']) {
          assert.equal((await adminPage(server, path)).status, 200);
          // As a browser sends it whose page's name leads to 127.0.0.1.
          assert.equal(await statusFor(server, path, 'rebound.example'), status, path);
          const clusterStatus = 'WARMROUTE_ADMIN_DEBUG' in environment ? 200 : 403;
          assert.equal(await statusFor(server, path, 'warmroute.llm.svc'), clusterStatus, path);
        }
        assert.equal(await statusFor(server, '/metrics', 'rebound.example'), 200);
      }
    });

    it('refuses connections beyond WARMROUTE_GRPC_MAX_CONNECTIONS, counts them and says so', async () => {
      await bench.writePods(await bench.startEngines(1));
      const { server, envoy, lines } = await bench.start({ WARMROUTE_GRPC_MAX_CONNECTIONS: '1' });
      assert.equal(await envoy.health('readiness'), 'SERVING');
      for (let i = 0; i < 3; i++) {
        const socket = connect(server.grpcPort, '127.0.0.1').on('error', () => {});
        await new Promise(resolve => socket.once('close', resolve));
      }
      const { text } = await adminPage(server, '/metrics');
      assert.include(text, 'warmroute_refused_connections_total 3');
      const said = lines.filter(({ message }) => message.includes('WARMROUTE_GRPC_MAX_CONNECTIONS'));
      assert.lengthOf(said, 1);
      assert.equal((await routed(envoy)).reason, 'only_pod');
    });

    it('is not ready, and NOT_SERVING, until pods are known, and again when none are left', async () => {
      await bench.writePods([]);
      const { server, envoy } = await bench.start();
      const watch = envoy.watchHealth('gateway-plugin');
      bench.atEnd(() => watch.stop());
      assert.equal(await watch.next(), 'NOT_SERVING');
      // A probe for liveness must not restart a router that waits for pods.
      for (const name of ['', 'liveness']) assert.equal(await envoy.health(name), 'SERVING', name);
      assert.deepEqual(await adminPage(server, '/readyz'), {
        ...{ status: 503, text: '{"ready":false,"why":"no pod is known"}' },
      });
      await bench.writePods(await bench.startEngines(1));
      assert.equal(await watch.next(), 'SERVING');
      assert.equal((await adminPage(server, '/readyz')).status, 200);
      await bench.writePods([]);
      assert.equal(await watch.next(), 'NOT_SERVING');
    });

    it('goes on with the last good pods file when a new one is wrong', async () => {
      await bench.writePods(await bench.startEngines(1));
      const { envoy, lines, server } = await bench.start();
      await writeFile(bench.podsFile, 'pods: [{}]');
      await eventually('the mistake is logged', () => lines.some(line => line.level === 'error'));
      assert.equal((await routed(envoy)).reason, 'only_pod');
      assert.include(
        (await adminPage(server, '/metrics')).text,
        'warmroute_pod_discovery_problems_total{kind="invalid_file"} 1',
      );
    });
  });

  describe('without a tokenizer', () => {
    it('routes by load, counts and logs why, and never what the prompt was', async () => {
      const engines = await bench.startEngines(2);
      await bench.writePods(engines);
      const { envoy, server, lines } = await bench.start(WITH_EVENTS);
      await Promise.all(engines.map(engine => engine.kill()));
      const answer = await routed(envoy);
      assert.equal(answer.reason, 'tokenizer_failed');
      assert.include(engines.map(addressOf), answer.target);
      const { text } = await adminPage(server, '/metrics');
      assert.include(
        text,
        `aibrix_prefix_cache_routing_errors_total{model="${MODEL}",reason="tokenize_failed",using_kv_sync="true"} 1`,
      );
      const warnings = lines.filter(line => line.level === 'warn');
      assert.deepInclude(warnings.at(-1)?.fields, { reason: 'tokenizer_failed', model: MODEL });
      assert.notInclude(JSON.stringify(lines) + text, 'diagnosis');
    });

    it('falls back on the local one where no events are synced', async () => {
      const engines = await bench.startEngines(2);
      await bench.writePods(engines);
      const { envoy } = await bench.start(REMOTE);
      await Promise.all(engines.map(engine => engine.kill()));
      const first = await routed(envoy);
      assert.deepInclude(await routed(envoy), { target: first.target, reason: 'prefix_match' });
    });

    it('asks where the endpoint template says', async () => {
      const upstream = await startUpstream();
      bench.atEnd(() => upstream.close());
      await bench.writePods(await bench.startEngines(2));
      const port = upstream.address.split(':')[1];
      const { envoy } = await bench.start({
        ...REMOTE,
        AIBRIX_VLLM_TOKENIZER_ENDPOINT_TEMPLATE: `http://%s:${port}/v`,
      });
      await routed(envoy);
      assert.equal(upstream.requests[0]?.url, '/v/v1/completions/render');
    });
  });
});
