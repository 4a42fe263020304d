/** WARMROUTE_METRIC_FAMILIES: what other routers' dashboards ask for, after some traffic. */
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { assert } from 'chai';
import { METRIC_FAMILIES_PAGE, metricFamiliesPage } from '../scripts/metric-families-page.ts';
import { FAMILY_METRICS } from '../src/ops/families/families.ts';
import type { SimulatedEngine } from '../src/simulator/engine.ts';
import { requestBody, requestHeaders, responseHeaders } from './support/envoy-messages.ts';
import { eventually } from './support/eventually.ts';
import type { FakeEnvoy } from './support/fake-envoy.ts';
import { adminPage, MODEL, PROMPT, ServeBench, type Served, WITH_EVENTS } from './support/serve-bench.ts';

/** The labels of one sample, and its value. */
type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];

function samplesOf(text: string, name: string): Sample[] {
  const found = text.matchAll(new RegExp(`^${name}(?:\\{(.*)\\})? (\\S+)$`, 'gm'));
  return Array.from(found, ([, labels = '', value]) => [
    Object.fromEntries(Array.from(labels.matchAll(/(\w+)="([^"]*)"/g), ([, key, text]) => [key!, text!])),
    Number(value),
  ]);
}

/** One sum per value of a label. */
function sumsBy(samples: readonly Sample[], label: string): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const [labels, value] of samples) sums[labels[label]!] = (sums[labels[label]!] ?? 0) + value;
  return sums;
}

describe('serve() and the metrics of others', function () {
  this.timeout(60_000);
  let bench: ServeBench;
  let engines: SimulatedEngine[];

  beforeEach(async () => {
    bench = await ServeBench.open();
    engines = await bench.startEngines(2);
    await bench.writePods(engines);
  });
  afterEach(() => bench.stop());

  const metricsOf = async ({ server }: Served) => (await adminPage(server, '/metrics')).text;

  /** A request whose response begins with this status; without one, Envoy does not show it. It is over unless `hold`. */
  async function request(envoy: FakeEnvoy, status: number | undefined, model = MODEL) {
    const headers = { ':path': '/v1/completions', ...(status !== undefined && { 'x-warmroute-debug': '1' }) };
    const stream = envoy.open().send(requestHeaders({ headers }));
    await stream.reply();
    const reply = await stream.send(requestBody(JSON.stringify({ model, prompt: PROMPT }), 'end')).reply();
    if (reply.immediate_response === undefined && status !== undefined)
      await stream.send(responseHeaders(status)).reply();
    return stream;
  }

  it('shows what happened under the names of AIBrix and of llm-d', async () => {
    const served = await bench.start({
      ...{ ...WITH_EVENTS, WARMROUTE_HEALTH_INTERVAL_MS: '0', WARMROUTE_METRICS_INTERVAL_MS: '20' },
      ROUTING_ALGORITHM: 'prefix-cache:2,least-kv-cache',
    });
    const { envoy } = served;
    for (const status of [200, 200, 500, undefined]) await (await request(envoy, status)).halfClose();
    await (await request(envoy, 200, 'nobody')).halfClose();
    const held = [await request(envoy, 200), await request(envoy, undefined)];
    const text = await eventually('the engines are heard, and the last request is over', async () => {
      const now = await metricsOf(served);
      const ended = samplesOf(now, 'warmroute_ended_requests_total').reduce(
        (sum, [, value]) => sum + value,
        0,
      );
      return ended === 4 && samplesOf(now, 'num_requests_running').length === 2 && now;
    });
    for (const stream of held) await stream.halfClose();

    const sumOf = (name: string) => samplesOf(text, name).reduce((sum, [, value]) => sum + value, 0);
    const gateway_pod = hostname();
    // AIBrix.
    assert.deepEqual(samplesOf(text, 'gateway_request_total'), [
      [{ model: '', gateway_pod, pod_name: gateway_pod }, 7],
    ]);
    assert.deepEqual(samplesOf(text, 'gateway_in_flight_requests'), [[{ gateway_pod }, 2]]);
    assert.deepEqual(samplesOf(text, 'gateway_model_in_flight_requests'), [
      [{ gateway_pod, model: MODEL }, 2],
    ]);
    assert.deepEqual(sumsBy(samplesOf(text, 'gateway_request_model_success_total'), 'status_code'), {
      200: 2,
      unseen: 1,
    });
    assert.deepEqual(sumsBy(samplesOf(text, 'gateway_request_model_fail_total'), 'status_code'), {
      404: 1,
      500: 1,
    });
    assert.deepEqual(sumsBy(samplesOf(text, 'model_replicas'), 'pod'), { 'engine-0': 1, 'engine-1': 1 });
    assert.equal(sumOf('realtime_num_requests_running'), 2);
    for (const name of ['num_requests_running', 'num_requests_waiting', 'kv_cache_usage_perc']) {
      assert.deepEqual(sumsBy(samplesOf(text, name), 'pod'), { 'engine-0': 0, 'engine-1': 0 }, name);
      assert.deepInclude(samplesOf(text, name)[0]![0], {
        ...{ namespace: '', model: MODEL, model_name: MODEL, engine_type: 'vllm' },
        ...{ role: '', roleset: '', role_replica_index: '', gateway_pod },
      });
    }
    assert.equal(sumOf('aibrix_tokenizer_pool_active_tokenizers'), 2);
    assert.equal(sumOf('aibrix_tokenizer_pool_requests_total'), 6);
    assert.equal(sumOf('aibrix_tokenizer_pool_latency_seconds_count'), 6);
    assert.equal(sumOf('aibrix_prefix_cache_indexer_status'), 1);

    // llm-d, by its new and its old names.
    const flow = { fairness_id: 'default-flow', priority: '0' };
    const model = { model_name: MODEL, target_model_name: MODEL };
    assert.deepEqual(samplesOf(text, 'llm_d_epp_request_total'), [[{ ...model, ...flow }, 6]]);
    assert.deepEqual(samplesOf(text, 'inference_objective_request_total'), [
      [{ ...model, priority: '0' }, 6],
    ]);
    assert.deepEqual(samplesOf(text, 'llm_d_epp_request_error_total'), [
      [{ model_name: '', target_model_name: '', ...flow, error_code: 'NotFound' }, 1],
    ]);
    assert.deepEqual(samplesOf(text, 'inference_objective_running_requests'), [[{ model_name: MODEL }, 2]]);
    for (const name of ['llm_d_epp_ready_endpoints', 'inference_pool_ready_pods'])
      assert.deepEqual(samplesOf(text, name), [[{ name: 'warmroute' }, 2]]);
    for (const what of ['kv_cache_utilization', 'queue_size', 'running_requests']) {
      for (const name of [
        `llm_d_epp_average_${what}`,
        `llm_d_epp_std_dev_${what}`,
        `inference_pool_average_${what}`,
      ])
        assert.deepEqual(samplesOf(text, name), [[{ name: 'warmroute' }, 0]], name);
    }
    assert.deepEqual(sumsBy(samplesOf(text, 'llm_d_epp_per_endpoint_queue_size'), 'model_server_endpoint'), {
      'engine-0': 0,
      'engine-1': 0,
    });
    const attempts = samplesOf(text, 'llm_d_epp_scheduler_attempts_total');
    assert.deepEqual(sumsBy(attempts, 'status'), { success: 6, failure: 0 });
    const before = samplesOf(text, 'inference_extension_scheduler_attempts_total');
    assert.deepEqual(sumsBy(before, 'pod_name'), sumsBy(attempts, 'endpoint_name'));
    assert.deepEqual(sumsBy(samplesOf(text, 'inference_pool_per_pod_queue_size'), 'model_server_pod'), {
      'engine-0': 0,
      'engine-1': 0,
    });
    assert.equal(sumOf('llm_d_epp_inflight_requests'), 2);
    assert.equal(sumOf('llm_d_epp_scheduler_e2e_duration_seconds_count'), 6);
    assert.equal(sumOf('llm_d_epp_prefix_indexer_size'), sumOf('warmroute_index_blocks'));
    assert.equal(sumOf('llm_d_epp_datalayer_poll_errors_total'), 0);

    const shown = new Set(Array.from(text.matchAll(/^# TYPE (\w+) /gm), ([, name]) => name!));
    for (const { name } of FAMILY_METRICS) assert.isTrue(shown.has(name), name);
    assert.notInclude(text, 'nobody', 'no label has a value that a client chooses');
  });

  for (const [families, present, absent] of [
    ['none', [], ['aibrix_', 'gateway_', 'llm_d_epp_', 'inference_', 'model_replicas']],
    ['aibrix', ['aibrix_prefix_cache_', 'aibrix_kvcache_zmq_', 'gateway_'], ['llm_d_epp_', 'inference_']],
    ['llm-d', ['llm_d_epp_', 'inference_pool_', 'inference_objective_'], ['aibrix_', 'gateway_']],
  ] as const) {
    it(`leaves out what WARMROUTE_METRIC_FAMILIES=${families} does not name`, async () => {
      const served = await bench.start({ WARMROUTE_METRIC_FAMILIES: families });
      await (await request(served.envoy, 200)).halfClose();
      const text = await metricsOf(served);
      assert.include(text, '\nwarmroute_decisions_total{');
      for (const prefix of present) assert.match(text, new RegExp(`^# TYPE ${prefix}`, 'm'));
      for (const prefix of absent) assert.notMatch(text, new RegExp(`^# TYPE ${prefix}`, 'm'));
    });
  }

  it('reads engines’ metrics for what is shown, and not where nothing is', async () => {
    const environment = { WARMROUTE_HEALTH_INTERVAL_MS: '20', WARMROUTE_METRICS_INTERVAL_MS: '20' };
    const fakes = await bench.startTokenizers(2);
    /** Whether an engine that does not say so elsewhere is asleep is read there, once. */
    const ASLEEP = 1;
    const pollsOf = (path: string) =>
      fakes.map(({ polls }) => polls.filter(polled => polled === path).length);
    const shown = await bench.start(environment);
    await eventually('both engines are read', () => pollsOf('/metrics').every(polls => polls > ASLEEP));
    await shown.server.stop();

    const before = pollsOf('/metrics');
    const healthBefore = pollsOf('/health');
    // Nobody asks for its metrics page: whoever does wants to know what is made of the engines' for some minutes.
    await bench.start({ ...environment, WARMROUTE_METRIC_FAMILIES: 'none' });
    await eventually('both engines are polled for long', () => {
      return pollsOf('/health').every((polls, at) => polls >= healthBefore[at]! + 5);
    });
    assert.deepEqual(
      pollsOf('/metrics'),
      before.map(polls => polls + ASLEEP),
    );
  });
});

describe('docs/metrics-families.md', () => {
  it('is what the generator makes: run `npm run generate` after a change of the table', async () => {
    assert.equal(await readFile(METRIC_FAMILIES_PAGE, 'utf8'), metricFamiliesPage());
  });

  it('has one row for each metric', () => {
    const page = metricFamiliesPage();
    for (const { name } of FAMILY_METRICS) assert.lengthOf(page.split(`| \`${name}\` |`), 2, name);
    assert.lengthOf(new Set(FAMILY_METRICS.map(({ name }) => name)), FAMILY_METRICS.length);
  });
});
