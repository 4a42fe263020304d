import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert } from 'chai';
import type { Environment } from '../src/config.ts';
import { DiscoveryError } from '../src/pods/discovery.ts';
import { type RunningServer, serve } from '../src/serve.ts';
import { type SimulatedEngine, startEngine } from '../src/simulator/engine.ts';
import { aConfig, type LogLine, recordingLog } from './support/builders.ts';
import { requestBody, requestHeaders } from './support/envoy-messages.ts';
import { closedAddress, startUpstream } from './support/envoy-upstream.ts';
import { eventually } from './support/eventually.ts';
import { FakeEnvoy } from './support/fake-envoy.ts';

const MODEL = 'sim-model';
/** Several blocks in every mode. */
const PROMPT = 'my diagnosis is private, and this is the long story of how it came about '.repeat(20);
const REMOTE: Environment = { AIBRIX_USE_REMOTE_TOKENIZER: 'true' };
const WITH_EVENTS: Environment = { ...REMOTE, AIBRIX_KV_EVENT_SYNC_ENABLED: 'true' };
const AS_FAST_AS_IT_GOES = {
  prefillTokensPerSecond: Number.POSITIVE_INFINITY,
  decodeTokensPerSecond: Number.POSITIVE_INFINITY,
  overheadMs: 0,
};

interface Started {
  readonly server: RunningServer;
  readonly lines: readonly LogLine[];
  readonly envoy: FakeEnvoy;
}

describe('the server', function () {
  // Engines, sockets and files are real.
  this.timeout(20_000);

  let folder: string;
  let podsFile: string;
  let stops: (() => Promise<unknown> | void)[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'warmroute-serve-'));
    podsFile = join(folder, 'pods.json');
  });
  afterEach(async () => {
    for (const stop of stops.reverse()) await stop();
    stops = [];
    await rm(folder, { recursive: true });
  });

  async function start(environment: Environment = {}): Promise<Started> {
    const { log, lines } = recordingLog();
    const config = aConfig({
      WARMROUTE_GRPC_ADDRESS: '127.0.0.1:0',
      WARMROUTE_ADMIN_ADDRESS: '127.0.0.1:0',
      WARMROUTE_DRAIN_MS: '0',
      ...environment,
    });
    const server = await serve({ ...config, podsFile }, { log });
    const envoy = new FakeEnvoy(server.grpcPort);
    stops.push(
      () => server.stop(),
      () => envoy.close(),
    );
    return { server, lines, envoy };
  }

  async function startEngines(count: number): Promise<SimulatedEngine[]> {
    const engines: SimulatedEngine[] = [];
    for (let i = 0; i < count; i++) {
      const engine = await startEngine({ name: `engine-${i}`, model: MODEL, cost: AS_FAST_AS_IT_GOES });
      engines.push(engine);
      stops.push(() => engine.stop());
    }
    return engines;
  }

  function writePods(engines: readonly SimulatedEngine[]): Promise<void> {
    const pods = engines.map(({ name, httpPort, eventsPort, replayPort }) => {
      return {
        name,
        address: '127.0.0.1',
        port: httpPort,
        model: MODEL,
        kvEvents: { port: eventsPort, replayPort },
      };
    });
    return writeFile(podsFile, JSON.stringify({ pods }));
  }

  /** One request as Envoy shows it, from its headers to its end. */
  async function routed(envoy: FakeEnvoy, prompt = PROMPT) {
    const stream = envoy.open().send(requestHeaders({ headers: { ':path': '/v1/completions' } }));
    await stream.reply();
    stream.send(requestBody(JSON.stringify({ model: MODEL, prompt }), 'end'));
    const reply = await stream.reply();
    await stream.halfClose();
    const headers = reply.request_body?.response?.header_mutation?.set_headers ?? [];
    const target = headers.find(({ header }) => header.key === 'target-pod')?.header.raw_value.toString();
    const fields = (reply.dynamic_metadata?.fields.warmroute as Metadata | undefined)?.structValue.fields;
    return {
      target,
      reason: fields?.decision?.stringValue,
      matchedBlocks: fields?.matched_blocks?.numberValue ?? 0,
    };
  }

  async function adminPage(server: RunningServer, path: string): Promise<{ status: number; text: string }> {
    const response = await fetch(`http://127.0.0.1:${server.adminPort}${path}`);
    return { status: response.status, text: await response.text() };
  }

  const addressOf = ({ httpPort }: SimulatedEngine) => `127.0.0.1:${httpPort}`;

  /** Subscriptions start in the background: an engine announces an empty cache until it is heard. */
  async function hears({ server }: Started, engines: readonly SimulatedEngine[]): Promise<void> {
    for (const engine of engines) {
      await eventually(`${engine.name} is heard`, async () => {
        engine.resetCache();
        engine.publishPending();
        const { text } = await adminPage(server, '/metrics');
        return text.includes(`warmroute_kv_events_total{pod="${engine.name}",outcome="cleared"}`);
      });
    }
  }

  /** A request that the engine gets from elsewhere: only its events tell of it. */
  async function askDirectly(engine: SimulatedEngine): Promise<void> {
    const response = await fetch(`${engine.url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: MODEL, prompt: PROMPT, max_tokens: 1 }),
    });
    assert.equal(response.status, 200, await response.text());
    engine.publishPending();
  }

  describe('routes the second request to the pod that has seen the prompt', () => {
    it('with the local tokenizer, by its own history', async () => {
      await writePods(await startEngines(3));
      const { envoy } = await start();
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
      await writePods(await startEngines(3));
      const { envoy, server } = await start(REMOTE);
      const first = await routed(envoy);
      for (let i = 0; i < 5; i++) {
        assert.deepInclude(await routed(envoy), { target: first.target, reason: 'prefix_match' });
      }
      const { text } = await adminPage(server, '/metrics');
      assert.include(text, 'warmroute_tokenize_calls_total{kind="tokens",route="render"} 1');
      assert.include(text, 'warmroute_tokenize_calls_total{kind="hit"} 5');
    });

    it('with the engines’ events, whoever sent the first', async () => {
      const engines = await startEngines(3);
      await writePods(engines);
      const started = await start({ ...WITH_EVENTS, WARMROUTE_EXPECTED_BLOCKS_TTL_MS: '0' });
      await hears(started, engines);
      for (const engine of engines) {
        for (const each of engines) each.resetCache();
        for (const each of engines) each.publishPending();
        await eventually('the index is empty', () => started.server.cache.index.size().entries === 0);
        await askDirectly(engine);
        const held = engine.cache.residentBlocks().length;
        assert.isAbove(held, 0);
        await eventually('the index is full', () => started.server.cache.index.size().entries === held);
        assert.deepEqual(await routed(started.envoy), {
          ...{ target: addressOf(engine), reason: 'prefix_match', matchedBlocks: held },
        });
      }
    });
  });

  describe('a pod that leaves', () => {
    it('is forgotten at once, in the index and in the history', async () => {
      const engines = await startEngines(2);
      await writePods(engines);
      const started = await start(WITH_EVENTS);
      await hears(started, engines);
      const { server, envoy, lines } = started;
      await askDirectly(engines[0]!);
      await eventually('the index is fed', () => server.cache.index.size().entries > 0);
      assert.equal((await routed(envoy)).target, addressOf(engines[0]!));
      assert.isAbove(server.cache.history.size().entries, 0);

      await writePods(engines.slice(1));
      await eventually('the pod has left', () => lines.some(line => line.message === 'pod left'));
      assert.deepEqual(server.cache.index.size(), { blocks: 0, entries: 0 });
      assert.deepEqual(server.cache.history.size(), { blocks: 0, entries: 0 });
      assert.equal((await routed(envoy)).target, addressOf(engines[1]!));
    });

    it('leaves the others theirs', async () => {
      const engines = await startEngines(3);
      await writePods(engines);
      const { envoy, lines } = await start();
      const { target } = await routed(envoy);
      const other = engines.findIndex(engine => addressOf(engine) !== target);
      await writePods(engines.toSpliced(other, 1));
      await eventually('the pod has left', () => lines.some(line => line.message === 'pod left'));
      assert.deepInclude(await routed(envoy), { target, reason: 'prefix_match' });
    });
  });

  describe('for operators', () => {
    it('answers /healthz, /readyz, /v1/models and /metrics', async () => {
      await writePods(await startEngines(2));
      const { server, envoy } = await start();
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
    });

    it('is not ready, and NOT_SERVING, until pods are known, and again when none are left', async () => {
      await writePods([]);
      const { server, envoy } = await start();
      const watch = envoy.watchHealth('gateway-plugin');
      stops.push(() => watch.stop());
      assert.equal(await watch.next(), 'NOT_SERVING');
      assert.deepEqual(await adminPage(server, '/readyz'), {
        ...{ status: 503, text: '{"ready":false,"why":"no pod is known"}' },
      });
      await writePods(await startEngines(1));
      assert.equal(await watch.next(), 'SERVING');
      assert.equal((await adminPage(server, '/readyz')).status, 200);
      await writePods([]);
      assert.equal(await watch.next(), 'NOT_SERVING');
    });

    it('goes on with the last good pods file when a new one is wrong', async () => {
      await writePods(await startEngines(1));
      const { envoy, lines, server } = await start();
      await writeFile(podsFile, 'pods: [{}]');
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
      const engines = await startEngines(2);
      await writePods(engines);
      const { envoy, server, lines } = await start(WITH_EVENTS);
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
      const engines = await startEngines(2);
      await writePods(engines);
      const { envoy } = await start(REMOTE);
      await Promise.all(engines.map(engine => engine.kill()));
      const first = await routed(envoy);
      assert.deepInclude(await routed(envoy), { target: first.target, reason: 'prefix_match' });
    });

    it('asks where the endpoint template says', async () => {
      const upstream = await startUpstream();
      stops.push(() => upstream.close());
      await writePods(await startEngines(2));
      const port = upstream.address.split(':')[1];
      const { envoy } = await start({
        ...REMOTE,
        AIBRIX_VLLM_TOKENIZER_ENDPOINT_TEMPLATE: `http://%s:${port}/v`,
      });
      await routed(envoy);
      assert.equal(upstream.requests[0]?.url, '/v/v1/completions/render');
    });
  });

  describe('leaves nothing open', () => {
    const listeners = () =>
      process
        .getActiveResourcesInfo()
        .filter(kind => /TCP|Timeout|FSEvent/.test(kind))
        .sort();

    async function nothingLeft(before: readonly string[]): Promise<void> {
      await eventually('what was open is closed', () => listeners().join() === before.join());
    }

    async function failureOf(environment: Environment): Promise<Error> {
      const error: unknown = await start(environment).then(
        () => undefined,
        reason => reason,
      );
      assert.instanceOf(error, Error);
      return error;
    }

    it('when the pods file is wrong', async () => {
      await writeFile(podsFile, 'pods: no');
      const before = listeners();
      assert.instanceOf(await failureOf(WITH_EVENTS), DiscoveryError);
      await nothingLeft(before);
    });

    for (const name of ['WARMROUTE_GRPC_ADDRESS', 'WARMROUTE_ADMIN_ADDRESS']) {
      it(`when the port of ${name} is taken; it does not drain first`, async () => {
        await writePods(await startEngines(1));
        const other = createServer().listen(0, '127.0.0.1');
        await once(other, 'listening');
        stops.push(() => void other.close());
        const before = listeners();
        const taken = `127.0.0.1:${(other.address() as AddressInfo).port}`;
        const error = await failureOf({ ...WITH_EVENTS, WARMROUTE_DRAIN_MS: '600000', [name]: taken });
        assert.include(error.message, `cannot listen on ${name}: `);
        assert.include(error.message, 'EADDRINUSE');
        await nothingLeft(before);
      });
    }

    it('when it is stopped, however often that is asked for', async () => {
      const engines = await startEngines(2);
      await writePods(engines);
      const before = listeners();
      const { log } = recordingLog();
      const [grpcAddress, adminAddress] = [await closedAddress(), await closedAddress()];
      const config = aConfig({
        ...{ ...WITH_EVENTS, WARMROUTE_DRAIN_MS: '0' },
        ...{ WARMROUTE_GRPC_ADDRESS: grpcAddress, WARMROUTE_ADMIN_ADDRESS: adminAddress },
      });
      const server = await serve({ ...config, podsFile }, { log });
      const envoy = new FakeEnvoy(server.grpcPort);
      await routed(envoy);
      envoy.close();
      await Promise.all([server.stop(), server.stop()]);
      await server.stop();
      await nothingLeft(before);
      // The same addresses can be had again.
      const again = await serve({ ...config, podsFile }, { log });
      await again.stop();
    });
  });
});

interface Metadata {
  readonly structValue: {
    readonly fields: Readonly<
      Record<string, { readonly stringValue?: string; readonly numberValue?: number }>
    >;
  };
}
