/** WARMROUTE_MODE, WARMROUTE_ROLLOUT_PERCENT and WARMROUTE_SHADOW_POLICY through the whole server. */
import { assert } from 'chai';
import type { Environment } from '../src/config.ts';
import type { WireRequest, WireResponse } from '../src/extproc/wire.ts';
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
import {
  addressOf,
  adminPage,
  askDirectly,
  hears,
  MODEL,
  PROMPT,
  ServeBench,
  type Served,
  WITH_EVENTS,
} from './support/serve-bench.ts';
import { samplesOf } from './support/telemetry.ts';

const PATH = '/v1/completions';
/** Of which the first half is routed, see `test/routing/rollout/steering.test.ts`. */
const [INSIDE, OUTSIDE] = ['agent-7', 'agent-8'] as const;

describe('serve() and requests that are left to Envoy', function () {
  this.timeout(20_000);
  let bench: ServeBench;
  let engines: SimulatedEngine[];

  beforeEach(async () => {
    bench = await ServeBench.open();
    engines = await bench.startEngines(2);
    await bench.writePods(engines);
  });
  afterEach(() => bench.stop());

  const samples = async ({ server }: Served, name: string) =>
    samplesOf(name, (await adminPage(server, '/metrics')).text);
  const lastDecision = async ({ server }: Served) =>
    JSON.parse((await adminPage(server, '/debug/decisions?limit=1')).text).decisions[0];

  interface Asked {
    readonly path?: string;
    readonly method?: string;
    readonly session?: string;
    readonly body?: object;
    /** `ip:port`; undefined: Envoy does not say. */
    readonly servedBy?: string | undefined;
    readonly answer?: object;
    /** While the answer is under way. */
    readonly meanwhile?: () => Promise<void>;
  }

  /** One request from its headers to the end of its answer, as Envoy shows it. Returns all replies. */
  async function ask({ envoy }: Served, asked: Asked = {}): Promise<WireResponse[]> {
    const { path = PATH, method = 'POST', session, servedBy, answer, meanwhile } = asked;
    const headers = {
      ...{ ':path': path, ':method': method, 'target-pod': '6.6.6.6:1', 'routing-strategy': ' ' },
      ...(session && { 'x-aibrix-session-key': session }),
    };
    const stream = envoy.open().send(requestHeaders({ headers, endOfStream: method === 'GET' }));
    const replies = [await stream.reply()];
    const say = async (message: WireRequest) => void replies.push(await stream.send(message).reply());
    if (replies[0]!.immediate_response === undefined && method === 'POST') {
      await say(requestBody(JSON.stringify({ model: MODEL, prompt: PROMPT, ...asked.body }), 'end'));
      if (replies[1]!.immediate_response === undefined) {
        const fields = servedBy === undefined ? {} : { 'upstream.address': { stringValue: servedBy } };
        await say({ ...responseHeaders(), attributes: { 'envoy.filters.http.ext_proc': { fields } } });
        await meanwhile?.();
        if (replies.at(-1)!.mode_override?.response_body_mode === 'STREAMED')
          await say(responseBody(JSON.stringify(answer), 'end'));
      }
    }
    await stream.halfClose();
    return replies;
  }

  /** Nothing but what Envoy shows from now on. Beside the messages stands which one of them it is. */
  const isUntouched = (replies: readonly WireResponse[]) =>
    replies.every(({ mode_override: _, ...reply }) =>
      Object.values(reply).every(message => typeof message === 'string' || isEmpty(message)),
    );
  const isEmpty = (message: object | null) => Object.values(message ?? {}).every(value => value === null);
  const targetOf = (replies: readonly WireResponse[]) =>
    headersSet(replies[1]?.request_body?.response?.header_mutation).get('target-pod');

  /** The first engine holds the prompt. */
  async function startWarm(environment: Environment): Promise<Served> {
    const served = await bench.start({ ...WITH_EVENTS, ...environment });
    await hears(served, engines);
    await askDirectly(engines[0]!);
    await eventually('the prompt is known', () => served.server.cache.index.size().blocks > 10);
    return served;
  }

  describe('in WARMROUTE_MODE=shadow', () => {
    const SHADOW = { WARMROUTE_MODE: 'shadow' };

    it('changes no request, decides and records each, and says how often Envoy agrees', async () => {
      // Whoever has served it is not expected to hold it, so that the first engine goes on being the warm one.
      const served = await startWarm({ ...SHADOW, WARMROUTE_EXPECTED_BLOCKS_TTL_MS: '0' });
      const [warm, cold] = engines.map(addressOf);
      for (const servedBy of [warm, cold, cold, undefined, '9.9.9.9:1'])
        assert.isTrue(isUntouched(await ask(served, { servedBy })));

      assert.deepEqual(await samples(served, 'warmroute_shadow_agreement_total'), [
        `warmroute_shadow_agreement_total{model="${MODEL}",went="same"} 1`,
        `warmroute_shadow_agreement_total{model="${MODEL}",went="other"} 2`,
        `warmroute_shadow_agreement_total{model="${MODEL}",went="unknown"} 2`,
      ]);
      assert.deepEqual(await samples(served, 'warmroute_left_requests_total'), [
        `warmroute_left_requests_total{model="${MODEL}",why="shadow"} 5`,
      ]);
      assert.deepEqual(await samples(served, 'warmroute_mode'), ['warmroute_mode{mode="shadow"} 1']);
      const [decisions] = await samples(served, 'warmroute_decisions_total');
      assert.include(decisions, 'reason="prefix_match"');
      const { left, pod, policy } = await lastDecision(served);
      assert.deepEqual([left, pod], ['shadow', engines[0]!.name]);
      assert.include(policy.at(-1), 'WARMROUTE_MODE=shadow');
      assert.include(
        served.lines.map(({ message }) => message),
        'requests are decided, and all of them are left to Envoy',
      );
    });

    it('counts what is in flight at the pod that has it, and expects the prompt there', async () => {
      // Without events nothing else tells where a prompt is.
      const served = await bench.start(SHADOW);
      const [, other] = engines;
      const servedBy = addressOf(other!);
      let inFlight: readonly string[] = [];
      const meanwhile = async () => {
        inFlight = await samples(served, 'warmroute_requests_in_flight');
      };
      await ask(served, { servedBy, meanwhile });
      assert.include(inFlight, `warmroute_requests_in_flight{pod="${other!.name}"} 1`);
      await ask(served, { servedBy: undefined, meanwhile });
      assert.isTrue(inFlight.every(line => line.endsWith(' 0')));
      assert.deepInclude(await lastDecision(served), { pod: other!.name, reason: 'prefix_match' });
    });

    it('answers nothing itself: neither errors, nor lists of models', async () => {
      const served = await bench.start({ ...SHADOW, WARMROUTE_MAX_BODY_BYTES: '3000' });
      for (const asked of [
        { body: { model: 'nobody-serves-this' } },
        { body: { prompt: 'x'.repeat(4_000) } },
        { path: '/v1/load_lora_adapter' },
        { path: '/v1/models', method: 'GET' },
      ])
        assert.isTrue(isUntouched(await ask(served, asked)), JSON.stringify(asked));
      const kinds = await samples(served, 'warmroute_left_rejections_total');
      assert.sameMembers(
        kinds,
        ['unknown_model', 'body_too_large', 'path_refused'].map(
          kind => `warmroute_left_rejections_total{kind="${kind}"} 1`,
        ),
      );
      assert.isEmpty(await samples(served, 'warmroute_rejections_total'));
      assert.isEmpty(await samples(served, 'warmroute_answers_total'));
    });

    it('says so where a share is set as well, which changes nothing', async () => {
      const { lines } = await bench.start({ ...SHADOW, WARMROUTE_ROLLOUT_PERCENT: '50' });
      const warnings = lines.filter(({ level }) => level === 'warn');
      assert.lengthOf(warnings, 1);
      assert.include(warnings[0]?.message, 'WARMROUTE_ROLLOUT_PERCENT has no effect');
    });
  });

  describe('by WARMROUTE_ROLLOUT_PERCENT', () => {
    it('routes the same sessions always, in each replica, and leaves the others', async () => {
      for (let replica = 0; replica < 2; replica++) {
        const served = await bench.start({ WARMROUTE_ROLLOUT_PERCENT: '50' });
        for (let i = 0; i < 3; i++) {
          assert.isDefined(targetOf(await ask(served, { session: INSIDE })));
          const replies = await ask(served, { session: OUTSIDE });
          assert.isUndefined(targetOf(replies));
          const removed = replies[0]?.request_headers?.response?.header_mutation?.remove_headers ?? [];
          assert.includeMembers([...removed], ['target-pod', 'routing-strategy']);
        }
        assert.deepEqual(await samples(served, 'warmroute_mode'), ['warmroute_mode{mode="route"} 1']);
        assert.deepEqual(await samples(served, 'warmroute_left_requests_total'), [
          `warmroute_left_requests_total{model="${MODEL}",why="rollout"} 3`,
        ]);
        assert.deepInclude(await lastDecision(served), { left: 'rollout' });
      }
    });

    it('keeps closed paths closed, answers lists of models, and leaves the errors of others to the engines', async () => {
      const served = await bench.start({ WARMROUTE_ROLLOUT_PERCENT: '0' });
      const [closed] = await ask(served, { path: '/v1/load_lora_adapter' });
      assert.equal(closed?.immediate_response?.status?.code as unknown, 'Forbidden');
      const [models] = await ask(served, { path: '/v1/models', method: 'GET' });
      assert.equal(models?.immediate_response?.status?.code as unknown, 'OK');
      const replies = await ask(served, { body: { model: 'nobody-serves-this' } });
      assert.isTrue(replies.every(reply => !reply.immediate_response));
      assert.deepEqual(await samples(served, 'warmroute_left_rejections_total'), [
        'warmroute_left_rejections_total{kind="unknown_model"} 1',
      ]);
    });

    it('compares both shares: what is cached, and how soon answers begin', async () => {
      const served = await startWarm({
        ...{ WARMROUTE_ROLLOUT_PERCENT: '50', WARMROUTE_ANSWER_SAMPLE_PERCENT: '100' },
      });
      const [warm, cold] = engines.map(addressOf);
      const tokens = encode(PROMPT).length;
      const usage = (cached: number) => ({
        usage: { prompt_tokens: tokens, prompt_tokens_details: { cached_tokens: cached } },
      });
      await ask(served, { session: INSIDE, servedBy: warm, answer: usage(tokens - 4) });
      await ask(served, { session: OUTSIDE, servedBy: cold, answer: usage(0) });
      const byArm = async (name: string) => {
        const lines = await samples(served, name);
        return ['routed', 'left'].map(arm =>
          lines
            .filter(line => line.includes(`arm="${arm}"`))
            .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0),
        );
      };
      assert.deepEqual(await byArm('warmroute_prompt_tokens_total'), [tokens, tokens]);
      const [predicted, predictedOfLeft] = await byArm('warmroute_predicted_cached_tokens_total');
      assert.isAbove(predicted!, 300);
      assert.equal(predictedOfLeft, 0, 'of the pod that served it');
      assert.deepEqual(await byArm('warmroute_sampled_reported_cached_tokens_total'), [tokens - 4, 0]);
      assert.deepEqual(await byArm('warmroute_first_byte_seconds_count'), [1, 1]);
    });

    it('is nobody’s at 100, the default', async () => {
      const served = await bench.start();
      assert.isDefined(targetOf(await ask(served, { session: OUTSIDE })));
      assert.isEmpty(await samples(served, 'warmroute_left_requests_total'));
    });
  });

  describe('and WARMROUTE_SHADOW_POLICY', () => {
    it('counts how often it differs, and what it would have got', async () => {
      const served = await startWarm({
        ...{ ROUTING_ALGORITHM: 'prefix-cost', WARMROUTE_SHADOW_POLICY: 'round-robin' },
      });
      const [warm] = engines.map(addressOf);
      for (let i = 0; i < 2; i++) assert.equal(targetOf(await ask(served, { servedBy: warm })), warm);
      assert.sameMembers(await samples(served, 'warmroute_shadow_picks_total'), [
        'warmroute_shadow_picks_total{policy="round-robin",same="true"} 1',
        'warmroute_shadow_picks_total{policy="round-robin",same="false"} 1',
      ]);
      for (const [name, isLess] of [
        ['warmroute_shadow_cost_seconds_total', 'active'],
        ['warmroute_shadow_cached_tokens_total', 'shadow'],
      ] as const) {
        const lines = await samples(served, name);
        const of = (by: string) =>
          Number(
            lines
              .find(line => line.includes(`policy="round-robin",picked_by="${by}"`))
              ?.split(' ')
              .at(-1),
          );
        assert.isBelow(of(isLess), of(isLess === 'active' ? 'shadow' : 'active'), name);
      }
    });

    it('counts nothing for who only asks where a request would go, and nothing where none is set', async () => {
      for (const environment of [{ WARMROUTE_SHADOW_POLICY: 'random' }, {}]) {
        const served = await bench.start(environment);
        const asked = await fetch(`http://127.0.0.1:${served.server.adminPort}/debug/route?path=${PATH}`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ model: MODEL, prompt: PROMPT }),
        });
        assert.equal(asked.status, 200);
        if (!('WARMROUTE_SHADOW_POLICY' in environment)) await ask(served);
        assert.isEmpty(await samples(served, 'warmroute_shadow_picks_total'));
      }
    });
  });
});
