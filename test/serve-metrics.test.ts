/** What a run of the whole server exports is what docs/metrics.md says, and no client can add to it. */
import { readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { assert } from 'chai';
import type { Declared } from '../src/ops/instruments/instrument.ts';
import { METRICS } from '../src/ops/instruments/instruments.ts';
import { WORTH_METRICS } from '../src/ops/instruments/worth.ts';
import { VERSION } from '../src/version.ts';
import {
  type HeadersGiven,
  requestBody,
  requestHeaders,
  responseBody,
  responseHeaders,
} from './support/envoy-messages.ts';
import { eventually } from './support/eventually.ts';
import type { FakeEnvoy } from './support/fake-envoy.ts';
import { FakePublisher } from './support/fake-publisher.ts';
import { freePort } from './support/free-port.ts';
import { batchOf, storedMap } from './support/kv-events.ts';
import {
  adminPage,
  askDirectly,
  hears,
  MODEL,
  PROMPT,
  routed,
  routedTo,
  ServeBench,
  WITH_EVENTS,
} from './support/serve-bench.ts';

const declared = new Map(Object.values<Declared>(METRICS).map(metric => [metric.name, metric]));

/** What takes a setting of its own, or sixty-five thousand blocks that wait: the test that shows it. */
const NOT_IN_THIS_RUN: Readonly<Record<string, string>> = {
  [METRICS.orphansDropped.name]: 'test/ops/feed-report.test.ts',
  [METRICS.passed.name]: 'test/ops/observed-metrics.test.ts',
  [METRICS.certificateSeconds.name]: 'test/ops/grpc-report.test.ts',
  [METRICS.certificateReloads.name]: 'test/ops/grpc-report.test.ts',
  [METRICS.unknownPublishers.name]: 'test/serve-metrics.test.ts',
  [METRICS.kubernetesSilence.name]: 'test/serve-kubernetes.test.ts',
  [METRICS.kubernetesListSeconds.name]: 'test/ops/kubernetes-report.test.ts',
  [METRICS.kubernetesWatchSeconds.name]: 'test/ops/kubernetes-report.test.ts',
  [METRICS.kubernetesRelists.name]: 'test/ops/kubernetes-report.test.ts',
  [METRICS.kubernetesErrors.name]: 'test/ops/kubernetes-report.test.ts',
  warmroute_exact_tokens_total: 'test/serve-exact-tokens.test.ts',
  warmroute_exact_tokens_seconds: 'test/serve-exact-tokens.test.ts',
  warmroute_prompt_characters_total: 'test/serve-exact-tokens.test.ts',
  warmroute_token_comparisons_total: 'test/serve-exact-tokens.test.ts',
  warmroute_tokens_trusted: 'test/serve-exact-tokens.test.ts',
  warmroute_left_requests_total: 'test/serve-rollout.test.ts',
  warmroute_left_rejections_total: 'test/serve-rollout.test.ts',
  warmroute_shadow_agreement_total: 'test/serve-rollout.test.ts',
  warmroute_shadow_picks_total: 'test/serve-rollout.test.ts',
  warmroute_shadow_cost_seconds_total: 'test/serve-rollout.test.ts',
  warmroute_shadow_cached_tokens_total: 'test/serve-rollout.test.ts',
};

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

function samplesIn(text: string): Sample[] {
  return Array.from(text.matchAll(/^([a-z_]+)(?:\{(.*)\})? \S+$/gm), ([, name, labels = '']) => ({
    name: name!,
    labels: Object.fromEntries(
      Array.from(labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g), ([, label, value]) => [label!, value!]),
    ),
  }));
}

/** Metrics with other routers' names are on a page of their own. */
const isOurs = (name: string) => /^(warmroute|process)_/.test(name);

function familyOf({ name }: Sample): Declared {
  const family = declared.get(name) ?? declared.get(name.replace(/_(bucket|sum|count)$/, ''));
  return family ?? assert.fail(`${name} is not declared`);
}

/** Every label that a metric may be without. */
const OPTIONAL = new Set([
  'warmroute_publisher_state why',
  'warmroute_tokenize_calls_total route',
  ...Object.values(WORTH_METRICS).map(({ name }) => `${name} arm`),
]);

const USAGE = { prompt_tokens: 500, prompt_tokens_details: { cached_tokens: 16 } };

/** One request with a response that the gateway shows. */
async function answered(envoy: FakeEnvoy, status: number, prompt: string): Promise<void> {
  const config = { request_body_mode: 'BUFFERED', response_body_mode: 'NONE' } as const;
  const stream = envoy.open().send(requestHeaders({ headers: { ':path': '/v1/completions' }, config }));
  await stream.reply();
  stream.send(requestBody(JSON.stringify({ model: MODEL, prompt }), 'end'));
  await stream.reply();
  const { mode_override } = await stream.send(responseHeaders(status)).reply();
  if (mode_override?.response_body_mode === 'STREAMED')
    await stream.send(responseBody(JSON.stringify({ usage: USAGE }), 'end')).reply();
  await stream.halfClose();
}

/** Headers, and the reply to them. */
async function sentHeaders(envoy: FakeEnvoy, given: HeadersGiven) {
  const stream = envoy.open().send(requestHeaders(given));
  await stream.reply();
  return stream;
}

describe('the metrics of a run', function () {
  // Engines and sockets are real, and a port counts as silent after two tries.
  this.timeout(30_000);

  let bench: ServeBench;
  beforeEach(async () => {
    bench = await ServeBench.open();
  });
  afterEach(() => bench.stop());

  /** Two engines and a publisher that a test scripts, whose HTTP and replay ports nothing listens on. */
  async function startWithPublisher() {
    const engines = await bench.startEngines(2);
    const publisher = await FakePublisher.bind();
    bench.atEnd(() => publisher.close());
    await bench.writePods(engines);
    const { pods } = JSON.parse(await readFile(bench.podsFile, 'utf8')) as { pods: object[] };
    const kvEvents = { port: publisher.port, replayPort: await freePort() };
    const scripted = {
      name: 'scripted',
      address: '127.0.0.1',
      port: await freePort(),
      model: MODEL,
      kvEvents,
    };
    await writeFile(bench.podsFile, JSON.stringify({ pods: [...pods, scripted] }));
    const started = await bench.start({
      ...WITH_EVENTS,
      WARMROUTE_HEALTH_INTERVAL_MS: '50',
      WARMROUTE_METRICS_INTERVAL_MS: '50',
      WARMROUTE_RECORD_FILE: bench.path('recording'),
      WARMROUTE_CONTROL_PERCENT: '20',
      WARMROUTE_ANSWER_SAMPLE_PERCENT: '100',
    });
    await publisher.joined();
    await hears(started, engines);
    return { ...started, engines, publisher };
  }

  it('are those of docs/metrics.md, with their labels and values, and no others', async () => {
    const { server, envoy, engines, publisher } = await startWithPublisher();
    const page = async () => (await adminPage(server, '/metrics')).text;

    // Requests of every kind.
    await askDirectly(engines[0]!);
    await eventually('the prompt is held', async () => (await routed(envoy)).matchedBlocks > 0);
    for (let i = 0; i < 3; i++) await answered(envoy, 200, `${i} ${PROMPT}`);
    await eventually('a pod has failed one', async () => {
      await answered(envoy, 500, PROMPT);
      return /^warmroute_pod_failures_total\{/m.test(await page());
    });
    await routedTo(envoy, '/v1/completions', { prompt: PROMPT, extra_key: 'mine' });
    const turn = { role: 'user', content: 'x'.repeat(9_000) };
    for (const messages of [[turn], [turn, turn]])
      await routedTo(envoy, '/v1/chat/completions', { model: MODEL, messages });
    const headers = { ':path': '/v1/completions', 'routing-strategy': 'least-utilization' };
    const compared = await sentHeaders(envoy, { headers });
    await compared.send(requestBody(JSON.stringify({ model: MODEL, prompt: PROMPT }), 'end')).reply();
    await compared.halfClose();
    // A client that speaks TLS to a port of plain text.
    const socket = connect(server.grpcPort, '127.0.0.1', () =>
      socket.write(Buffer.from('1603010200', 'hex')),
    );
    bench.atEnd(() => socket.destroy());
    const bad = await sentHeaders(envoy, {});
    await bad.send(requestBody('{', 'end')).reply();
    await sentHeaders(envoy, { headers: { ':method': 'GET', ':path': '/v1/models' }, endOfStream: true });
    const unread = await sentHeaders(envoy, { config: { request_body_mode: 'STREAMED' } });
    await unread.send(requestBody('{"mod')).reply();
    const left = await sentHeaders(envoy, {});
    await left.send(requestBody('{"mod')).reset();

    // An event stream with a hole, and one batch twice.
    await publisher.publish(batchOf(storedMap()), { sequence: 0n });
    await publisher.publish(batchOf(storedMap()), { sequence: 5n });
    await publisher.publish(batchOf(storedMap()), { sequence: 5n });
    await publisher.publish(batchOf(storedMap()), { sequence: 2n });
    await writeFile(bench.podsFile, 'pods: [{}]');

    const text = await eventually('all has been seen', async () => {
      await answered(envoy, 200, `${Math.random()} ${PROMPT}`);
      await routed(envoy);
      const now = await page();
      const seen = new Set(
        samplesIn(now)
          .filter(({ name }) => isOurs(name))
          .map(sample => familyOf(sample).name),
      );
      const missing = [...declared.keys()].filter(name => !seen.has(name));
      return missing.every(name => name in NOT_IN_THIS_RUN) && now;
    });
    for (const [name, file] of Object.entries(NOT_IN_THIS_RUN)) {
      assert.notMatch(text, new RegExp(`^${name}[ {]`, 'm'));
      const test = await readFile(new URL(`../${file}`, import.meta.url), 'utf8');
      assert.isTrue(test.includes(name) || test.includes('METRICS.unknownPublishers'), `${file}: ${name}`);
    }

    const families = Array.from(text.matchAll(/^# TYPE (\S+) (\S+)$/gm), ([, name, type]) => [name!, type!]);
    assert.sameDeepMembers(
      families.filter(([name]) => isOurs(name!)),
      [...declared.values()].map(({ name, kind }) => [name, kind === 'total' ? 'counter' : kind]),
    );
    for (const sample of samplesIn(text)) if (isOurs(sample.name)) check(sample);
    const stages = samplesIn(text).filter(({ name }) => name === 'warmroute_stage_seconds_count');
    assert.sameMembers(
      stages.map(({ labels }) => labels.stage),
      [...METRICS.stageSeconds.labels.stage],
    );
  });

  it('say of messages on a port that engines dial which are not taken', async () => {
    await bench.writePods(await bench.startEngines(1));
    const port = await freePort();
    const { server } = await bench.start({
      ...WITH_EVENTS,
      WARMROUTE_KV_EVENTS_BIND: `tcp://127.0.0.1:${port}`,
    });
    const stranger = FakePublisher.dial(port);
    bench.atEnd(() => stranger.close());
    await stranger.joined();
    await stranger.publish(batchOf(storedMap()), { topic: 'kv@nobody@model' });
    const { name } = METRICS.unknownPublishers;
    const [sample] = await eventually('it is counted', async () => {
      const samples = samplesIn((await adminPage(server, '/metrics')).text).filter(
        each => each.name === name,
      );
      return samples.length > 0 && samples;
    });
    assert.deepEqual(sample?.labels, { why: 'unknown_topic' });
    check(sample!);
  });

  it('get no series from what clients say', async () => {
    const engines = await bench.startEngines(2);
    await bench.writePods(engines);
    const started = await bench.start(WITH_EVENTS);
    const { server, envoy } = started;
    await hears(started, engines);
    for (let i = 0; i < 20; i++) {
      const mark = `intruder-${i}`;
      await attempt(envoy, `/v1/${mark}`, {}, undefined);
      for (const body of hostileBodies(mark)) await attempt(envoy, '/v1/completions', {}, body);
      for (const headers of hostileHeaders(mark)) await attempt(envoy, '/v1/completions', headers, undefined);
    }
    const { text } = await adminPage(server, '/metrics');
    assert.notInclude(text, 'intruder');
    const known: Readonly<Record<string, readonly string[]>> = {
      pod: engines.map(({ name }) => name),
      rank: ['0'],
      model: [MODEL],
      endpoint: ['/v1/completions'],
      status: ['unseen'],
      version: [VERSION],
      node: [process.versions.node],
    };
    for (const sample of samplesIn(text).filter(({ name }) => isOurs(name))) {
      check(sample);
      for (const [label, values] of Object.entries(familyOf(sample).labels))
        if ('names' in values) assert.include(known[label] ?? [], sample.labels[label] ?? '', sample.name);
    }
  });
});

/** A sample has the labels of its family, and where their values are listed, one of these. */
function check(sample: Sample): void {
  const { name, labels, kind } = familyOf(sample);
  const wanted = Object.keys(labels).filter(
    label => label in sample.labels || !OPTIONAL.has(`${name} ${label}`),
  );
  const bound = kind === 'histogram' && sample.name.endsWith('_bucket') ? ['le'] : [];
  assert.sameMembers(Object.keys(sample.labels), [...bound, ...wanted], name);
  for (const [label, values] of Object.entries(labels)) {
    if (!('names' in values) && label in sample.labels) assert.include(values, sample.labels[label], name);
  }
}

const hostileBodies = (mark: string): readonly object[] => [
  { model: mark, prompt: PROMPT },
  { model: `${MODEL}:${mark}`, prompt: PROMPT },
  { model: MODEL, prompt: PROMPT, lora_path: mark },
  { model: MODEL, prompt: PROMPT, cache_salt: mark },
  { model: MODEL, prompt: PROMPT, extra_key: mark },
  { model: MODEL, prompt: PROMPT, user: mark, [mark]: mark },
];

const hostileHeaders = (mark: string): readonly Readonly<Record<string, string>>[] => [
  { 'routing-strategy': mark },
  { 'routing-strategy': `prefix-cache:${mark.length},random:3` },
  {
    'routing-strategy': 'session-affinity',
    'x-session-id': mark,
    'x-aibrix-session-key': mark,
    'x-priority': mark,
  },
  { 'external-filter': `zone=${mark}` },
  { 'x-request-id': mark, traceparent: mark, tracestate: mark },
  { 'content-type': mark },
  { 'content-encoding': mark },
  { 'x-gateway-destination-endpoint-subset': mark, 'target-pod': mark, user: mark },
];

/** Whatever it is answered. */
async function attempt(
  envoy: FakeEnvoy,
  path: string,
  headers: Readonly<Record<string, string>>,
  body: object = { model: MODEL, prompt: PROMPT },
): Promise<void> {
  const stream = envoy.open().send(requestHeaders({ headers: { ':path': path, ...headers } }));
  const reply = await stream.reply();
  if (reply.immediate_response === undefined && reply.request_headers !== undefined) {
    await stream.send(requestBody(JSON.stringify(body), 'end')).reply();
  }
  await stream.halfClose();
}
