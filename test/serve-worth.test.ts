/** The worth of routing, measured through the whole server: WARMROUTE_CONTROL_PERCENT and WARMROUTE_ANSWER_SAMPLE_PERCENT. */
import { assert } from 'chai';
import type { Environment } from '../src/config.ts';
import type { SimulatedEngine } from '../src/simulator/engine.ts';
import { encode } from '../src/simulator/tokenizer.ts';
import {
  headersSet,
  requestBody,
  requestHeaders,
  responseBody,
  responseHeaders,
} from './support/envoy-messages.ts';
import { eventually } from './support/eventually.ts';
import type { FakeEnvoy } from './support/fake-envoy.ts';
import {
  addressOf,
  adminPage,
  askDirectly,
  hears,
  MODEL,
  PROMPT,
  routed,
  ServeBench,
  type Served,
  WITH_EVENTS,
} from './support/serve-bench.ts';
import { samplesOf } from './support/telemetry.ts';

describe('serve() and what routing is worth', function () {
  this.timeout(20_000);
  let bench: ServeBench;
  let engines: SimulatedEngine[];
  /** What is drawn next; 1 is of no share. */
  let draws: number[];

  beforeEach(async () => {
    bench = await ServeBench.open();
    engines = await bench.startEngines(2);
    await bench.writePods(engines);
    draws = [];
  });
  afterEach(() => bench.stop());

  /** The first engine holds the prompt. */
  async function start(environment: Environment): Promise<Served> {
    const served = await bench.start({ ...WITH_EVENTS, ...environment }, undefined, {
      random: () => draws.shift() ?? 1,
    });
    await hears(served, engines);
    await askDirectly(engines[0]!);
    await eventually('the prompt is held', async () => (await routed(served.envoy)).matchedBlocks > 0);
    return served;
  }

  const samples = async ({ server }: Served, name: string) =>
    samplesOf(name, (await adminPage(server, '/metrics')).text);

  it('sends the control share by load, tells the two sides apart, and explains it in the decision', async () => {
    const served = await start({ WARMROUTE_CONTROL_PERCENT: '25', WARMROUTE_EXPECTED_BLOCKS_TTL_MS: '0' });
    const { envoy } = served;
    const [warm, cold] = engines.map(addressOf);
    // Plain balancing prefers the other one from now on.
    const busy = envoy.open().send(requestHeaders({ headers: { ':path': '/v1/completions' } }));
    await busy.reply();
    await busy.send(requestBody(JSON.stringify({ model: MODEL, prompt: PROMPT }), 'end')).reply();

    draws = [0.249];
    assert.deepInclude(await routed(envoy), { target: cold, reason: 'control' });
    draws = [0.25];
    assert.deepInclude(await routed(envoy), { target: warm, reason: 'prefix_match' });
    await busy.halfClose();

    const byReason = await samples(served, 'warmroute_decisions_total');
    assert.lengthOf(
      byReason.filter(line => line.includes('reason="control"} 1')),
      1,
    );
    const tokens = async (name: string, arm: string) =>
      (await samples(served, name))
        .filter(line => line.includes(`arm="${arm}"`))
        .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
    assert.isAbove(await tokens('warmroute_prompt_tokens_total', 'control'), 300);
    assert.equal(await tokens('warmroute_predicted_cached_tokens_total', 'control'), 0);
    assert.isAbove(await tokens('warmroute_predicted_cached_tokens_total', 'routed'), 300);
  });

  it('is nothing that is drawn for who only asks where a request would go', async () => {
    const { server } = await start({
      WARMROUTE_CONTROL_PERCENT: '50',
      WARMROUTE_ANSWER_SAMPLE_PERCENT: '50',
    });
    draws = [0, 0];
    const response = await fetch(`http://127.0.0.1:${server.adminPort}/debug/route?path=/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: MODEL, prompt: PROMPT }),
    });
    assert.deepInclude(await response.json(), { reason: 'prefix_match' });
    assert.lengthOf(draws, 2);
  });

  it('remembers what the control share computes: the next one finds it there', async () => {
    const { envoy } = await start({ WARMROUTE_CONTROL_PERCENT: '50' });
    const prompt = `another ${PROMPT}`;
    draws = [0];
    const { target } = await routed(envoy, prompt);
    assert.deepInclude(await routed(envoy, prompt), { target, reason: 'prefix_match' });
  });

  it('draws nothing at 0, the default', async () => {
    const { envoy } = await start({});
    draws = [0, 0, 0];
    assert.deepInclude(await routed(envoy), { reason: 'prefix_match' });
    assert.lengthOf(draws, 3);
  });

  /** One completion to its end, as Envoy shows it. Returns what Envoy was asked to show. */
  async function answered(envoy: FakeEnvoy, answer: object, cached = 'as it is') {
    const stream = envoy.open().send(requestHeaders({ headers: { ':path': '/v1/completions' } }));
    const asked = [(await stream.reply()).mode_override];
    stream.send(requestBody(JSON.stringify({ model: MODEL, prompt: PROMPT }), 'end'));
    const set = headersSet((await stream.reply()).request_body?.response?.header_mutation);
    asked.push((await stream.send(responseHeaders()).reply()).mode_override);
    if (asked[1]?.response_body_mode === 'STREAMED' && cached !== 'not shown')
      await stream.send(responseBody(JSON.stringify(answer), 'end')).reply();
    await stream.halfClose();
    return { shown: asked.map(mode => mode?.response_body_mode), target: set.get('target-pod') };
  }

  it('looks at a share of the answers, and sets what engines report beside what was predicted', async () => {
    const served = await start({ WARMROUTE_ANSWER_SAMPLE_PERCENT: '10' });
    const { envoy } = served;
    const usage = { prompt_tokens: encode(PROMPT).length, prompt_tokens_details: { cached_tokens: 16 } };
    draws = [0.1];
    await answered(envoy, { usage });
    assert.isEmpty(await samples(served, 'warmroute_sampled_answers_total'));
    draws = [0.099];
    const { shown } = await answered(envoy, { usage });
    assert.deepEqual(shown, ['NONE', 'STREAMED']);
    draws = [0.099];
    await answered(envoy, { usage }, 'not shown');
    assert.deepEqual(await samples(served, 'warmroute_sampled_answers_total'), [
      `warmroute_sampled_answers_total{model="${MODEL}",outcome="less_cached"} 1`,
      `warmroute_sampled_answers_total{model="${MODEL}",outcome="not_shown"} 1`,
    ]);
    const [reported] = await samples(served, 'warmroute_sampled_reported_cached_tokens_total');
    assert.match(reported!, /arm="routed"\} 16$/);
    const firstBytes = await samples(served, 'warmroute_first_byte_seconds_count');
    assert.deepEqual(firstBytes, [
      'warmroute_first_byte_seconds_count{arm="routed",reason="prefix_match",answer="whole"} 2',
    ]);
  });

  it('counts the prefill time that engines would have taken, by what they say themselves', async () => {
    // Who may shed asks all the time, others every ten seconds.
    const served = await start({ WARMROUTE_METRICS_INTERVAL_MS: '20', WARMROUTE_SHED_QUEUE: '1000' });
    await eventually('some time was saved', async () => {
      await routed(served.envoy);
      return (await samples(served, 'warmroute_saved_prefill_seconds_total')).length > 0;
    });
  });
});
