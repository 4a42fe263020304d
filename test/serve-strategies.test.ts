/** AIBrix's strategies, and WARMROUTE_METRICS_INTERVAL_MS, through the whole server. */
import { writeFile } from 'node:fs/promises';
import { assert } from 'chai';
import type { Environment } from '../src/config.ts';
import { headersSet, requestBody, requestHeaders, responseHeaders } from './support/envoy-messages.ts';
import { eventually } from './support/eventually.ts';
import { FakeEngine, type PageAnswer } from './support/fake-engine.ts';
import type { FakeEnvoy } from './support/fake-envoy.ts';
import { adminPage, MODEL, PROMPT, ServeBench, type Served } from './support/serve-bench.ts';

const QUIET: Environment = { WARMROUTE_HEALTH_INTERVAL_MS: '0', WARMROUTE_METRIC_FAMILIES: 'none' };
/** As fast as a test can want it. */
const SCRAPING: Environment = { ...QUIET, WARMROUTE_METRICS_INTERVAL_MS: '20' };

const page = (kvUsage: number, running = 0): PageAnswer => ({
  kind: 'text',
  status: 200,
  text: `vllm:num_requests_running ${running}\nvllm:num_requests_waiting 0\nvllm:kv_cache_usage_perc ${kvUsage}\n`,
});

describe('serve() and strategies', function () {
  this.timeout(30_000);
  let bench: ServeBench;
  let engines: FakeEngine[];
  const addressOf = ({ port }: FakeEngine) => `127.0.0.1:${port}`;

  beforeEach(async () => {
    bench = await ServeBench.open();
    engines = [];
    for (const usage of [0.9, 0.2, 0.5]) engines.push(await FakeEngine.start({ '/metrics': page(usage) }));
    for (const engine of engines) bench.atEnd(() => engine.stop());
    const pods = engines.map(({ port }, i) => ({
      name: `pod-${i}`,
      address: '127.0.0.1',
      port,
      model: MODEL,
    }));
    await writeFile(bench.podsFile, JSON.stringify({ pods }));
  });
  afterEach(() => bench.stop());

  /** One request, as Envoy shows it, until its response has begun. */
  async function ask(envoy: FakeEnvoy, headers: Readonly<Record<string, string>> = {}) {
    const stream = envoy.open().send(requestHeaders({ headers: { ':path': '/v1/completions', ...headers } }));
    const { mode_override } = await stream.reply();
    const reply = await stream
      .send(requestBody(JSON.stringify({ model: MODEL, prompt: PROMPT }), 'end'))
      .reply();
    if (reply.immediate_response !== undefined) {
      const { status, body } = reply.immediate_response;
      const { message } = (JSON.parse(String(body)) as { error: { message: string } }).error;
      return { status: status?.code, message };
    }
    const response = await stream.send(responseHeaders()).reply();
    await stream.halfClose();
    const onRequest = headersSet(reply.request_body?.response?.header_mutation);
    const onResponse = headersSet(response.response_headers?.response?.header_mutation);
    const fields = reply.dynamic_metadata?.fields?.warmroute as
      | { structValue: { fields: Record<string, { stringValue?: string }> } }
      | undefined;
    return {
      target: onRequest.get('target-pod'),
      strategy: onRequest.get('routing-strategy'),
      echoed: onResponse.get('routing-strategy'),
      session: onResponse.get('x-session-id'),
      reason: fields?.structValue.fields.decision?.stringValue,
      showsResponse: mode_override?.response_header_mode === 'SEND',
    };
  }

  /** Resolves when each engine has said how busy it is. */
  const allHeard = ({ server }: Served) =>
    eventually('all engines are heard', async () => {
      const pods = await podsShown(server);
      return pods.length === 3 && pods.every(({ engine }) => engine.kind === 'known');
    });

  async function podsShown(server: Served['server']) {
    const { text } = await adminPage(server, '/debug/pods');
    return (JSON.parse(text) as { pods: { pod: string; engine: { kind: string; kvUsage: number } }[] }).pods;
  }

  it('least-kv-cache follows what the engines say, as they say it', async () => {
    const served = await bench.start({ ...SCRAPING, ROUTING_ALGORITHM: 'least-kv-cache' });
    const { envoy, server } = served;
    await allHeard(served);
    assert.deepInclude(await ask(envoy), { target: addressOf(engines[1]!), reason: 'least-kv-cache' });
    engines[1]!.pages = { '/metrics': page(0.8) };
    await eventually('the emptiest is another one', async () => {
      return (await ask(envoy)).target === addressOf(engines[2]!);
    });
    assert.deepEqual(
      (await podsShown(server)).map(({ pod, engine }) => [pod, engine.kind, engine.kvUsage]),
      [
        ['pod-0', 'known', 0.9],
        ['pod-1', 'known', 0.8],
        ['pod-2', 'known', 0.5],
      ],
    );
    const { text } = await adminPage(server, '/metrics');
    assert.match(text, /^warmroute_engine_scrapes_total [1-9]/m);
    assert.match(
      text,
      /warmroute_decisions_total\{model="sim-model",strategy="least-kv-cache",reason="least-kv-cache"\} /,
    );
  });

  it('begins to read metrics when a request first asks for a strategy that compares them', async () => {
    const served = await bench.start(SCRAPING);
    const { envoy } = served;
    await ask(envoy);
    for (const { asked } of engines) assert.isEmpty(asked.all);
    const strategy = { 'routing-strategy': 'least-kv-cache' };
    assert.equal((await ask(envoy, strategy)).reason, 'no_engine_metrics');
    await allHeard(served);
    assert.deepInclude(await ask(envoy, strategy), {
      target: addressOf(engines[1]!),
      reason: 'least-kv-cache',
    });
  });

  it('never reads metrics with WARMROUTE_METRICS_INTERVAL_MS=0, and routes by load, visibly', async () => {
    const environment = { ...QUIET, WARMROUTE_METRICS_INTERVAL_MS: '0', ROUTING_ALGORITHM: 'throughput' };
    const { envoy, server, lines } = await bench.start(environment);
    assert.equal((await ask(envoy)).reason, 'no_engine_metrics');
    const { text } = await adminPage(server, '/metrics');
    assert.include(text, 'warmroute_unscored_strategies_total{strategy="throughput"} 1');
    assert.isTrue(lines.some(({ level, message }) => level === 'warn' && message.includes('is not heard')));
    for (const { asked } of engines) assert.isEmpty(asked.all);
  });

  it('names an engine whose metrics cannot be read, and counts it', async () => {
    engines[0]!.pages = {};
    const { server, lines } = await bench.start({ ...SCRAPING, ROUTING_ALGORITHM: 'least-kv-cache' });
    await eventually('it is named', () =>
      lines.some(({ fields, message }) => fields.pod === 'pod-0' && message.includes('cannot be read')),
    );
    const { text } = await adminPage(server, '/metrics');
    assert.match(text, /warmroute_engine_scrape_failures_total\{pod="pod-0",why="status"\} [2-9]/);
    engines[0]!.pages = { '/metrics': page(0) };
    await eventually('and that it is back', () =>
      lines.some(({ fields, message }) => fields.pod === 'pod-0' && message.includes('can be read again')),
    );
    await writeFile(
      bench.podsFile,
      JSON.stringify({
        pods: [{ name: 'pod-1', address: '127.0.0.1', port: engines[1]!.port, model: MODEL }],
      }),
    );
    await eventually('nothing of it is left', async () => {
      return !(await adminPage(server, '/metrics')).text.includes('pod-0');
    });
  });

  it('sheds by what the engines have, too (WARMROUTE_SHED_QUEUE)', async () => {
    const { envoy } = await bench.start({ ...SCRAPING, WARMROUTE_SHED_QUEUE: '5' });
    const priority = { 'x-gateway-inference-priority': '-1' };
    assert.isUndefined((await ask(envoy, priority)).status);
    for (const engine of engines) engine.pages = { '/metrics': page(0.5, 9) };
    const told = await eventually('all engines are busy', async () => {
      const answer = await ask(envoy, priority);
      return answer.status !== undefined && answer;
    });
    assert.equal(String(told.status), 'TooManyRequests');
    assert.isUndefined((await ask(envoy)).status, 'others are served');
  });

  it('takes weighted lists, from a header as from ROUTING_ALGORITHM, and echoes them as they came', async () => {
    const configured = 'least-kv-cache:3,least-request';
    const served = await bench.start({ ...SCRAPING, ROUTING_ALGORITHM: configured });
    const { envoy, server } = served;
    await allHeard(served);
    const first = await ask(envoy);
    assert.deepInclude(first, {
      ...{ target: addressOf(engines[1]!), strategy: configured, reason: 'weighted' },
    });
    const given = 'least-gpu-cache: 2 ,prefix-cache:0, least-request';
    const second = await ask(envoy, { 'routing-strategy': given, 'x-warmroute-debug': '1' });
    assert.deepInclude(second, {
      ...{ target: addressOf(engines[1]!), reason: 'weighted' },
      ...{ strategy: given, echoed: given },
    });
    const { text } = await adminPage(server, '/metrics');
    assert.match(
      text,
      /warmroute_decisions_total\{model="sim-model",strategy="weighted",reason="weighted"\} /,
    );
    assert.notInclude(text, 'least-gpu-cache: 2');
  });

  it('finds the warm pod in a weighted list', async () => {
    const { envoy } = await bench.start(QUIET);
    const { target } = await ask(envoy);
    for (let i = 0; i < 4; i++) {
      const told = await ask(envoy, { 'routing-strategy': 'prefix-cache:2,least-request' });
      assert.deepInclude(told, { target, reason: 'weighted' });
    }
  });

  for (const [given, message] of [
    ['pd', /incorrect routing strategy pd: pd is not taken over from AIBrix: .*use prefix-cache/],
    ['least-request,vtc-basic', /vtc-basic is not taken over from AIBrix: .*use least-request/],
    ['prefix-cache-preble:3', /use prefix-cache/],
    ['slo-pack-load', /use least-latency/],
    ['random,least-request', /random gives no scores/],
    ['a'.repeat(5_000), /incorrect routing strategy a+…: it is longer/],
  ] as const) {
    it(`answers 400 and what to use instead: ${given.slice(0, 30)}`, async () => {
      const { envoy } = await bench.start(QUIET);
      const told = await ask(envoy, { 'routing-strategy': given });
      assert.equal(String(told.status), 'BadRequest');
      assert.match(told.message ?? '', message);
      assert.isBelow(told.message!.length, 700);
    });
  }

  describe('session-affinity', () => {
    const strategy = { 'routing-strategy': 'session-affinity' };
    const idOf = (text: string) => Buffer.from(text).toString('base64');

    it('has the response shown to it, and tells the client where its session is', async () => {
      const { envoy } = await bench.start(QUIET);
      const first = await ask(envoy, strategy);
      assert.deepInclude(first, { reason: 'no_session', showsResponse: true, session: idOf(first.target!) });
      for (let i = 0; i < 5; i++) {
        const next = await ask(envoy, { ...strategy, 'x-session-id': first.session! });
        assert.deepInclude(next, { target: first.target, reason: 'session_id', session: first.session });
      }
    });

    it('dials no address that a client makes up', async () => {
      const { envoy } = await bench.start({ ...QUIET, ROUTING_ALGORITHM: 'session-affinity' });
      const addresses = engines.map(addressOf);
      for (const forged of ['169.254.169.254:80', `127.0.0.1:${engines[0]!.port},10.0.0.1:1`, '\n', '']) {
        const told = await ask(envoy, { 'x-session-id': idOf(forged) });
        assert.equal(told.reason, 'no_session');
        assert.include(addresses, told.target);
        assert.equal(told.session, idOf(told.target!));
      }
    });

    it('puts a key where it was before, also from another router', async () => {
      const [one, other] = [await bench.start(QUIET), await bench.start(QUIET)];
      const headers = { ...strategy, 'x-aibrix-session-key': 'agent-7' };
      const first = await ask(one.envoy, headers);
      assert.equal(first.reason, 'session_key');
      assert.deepInclude(await ask(other.envoy, headers), { target: first.target, reason: 'session_key' });
    });

    it('keeps to itself where a session is when it was not asked to', async () => {
      const { envoy } = await bench.start(QUIET);
      const told = await ask(envoy, {
        'x-session-id': idOf(addressOf(engines[0]!)),
        'x-warmroute-debug': '1',
      });
      assert.isUndefined(told.session);
    });
  });
});
