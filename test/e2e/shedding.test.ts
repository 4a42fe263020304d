import { assert } from 'chai';
import type { Environment } from '../../src/config.ts';
import type { EnvoyFile } from '../support/envoy.ts';
import { eventually } from '../support/eventually.ts';
import { envoyReady, type Fleet, startFleet, withFleet } from '../support/fleet.ts';
import { startTinyPod, type TinyPod } from '../support/tiny-pod.ts';

const CHAT = { model: 'demo', messages: [{ role: 'user', content: 'Count to a million.' }], max_tokens: 1 };
const PRIORITY = 'x-gateway-inference-priority';

describe('Requests that may be dropped', function () {
  this.timeout(20_000);
  let pods: TinyPod[];
  let finish: (() => void)[];

  before(async function () {
    await envoyReady.call(this);
    const answer: Parameters<typeof startTinyPod>[1] = ({ headers }, response) => {
      response.write('data: 1\n\n');
      if (headers['x-lasting'] === undefined) response.end();
      else finish.push(() => response.end('data: [DONE]\n\n'));
    };
    pods = [await startTinyPod('pod-0', answer), await startTinyPod('pod-1', answer)];
  });
  after(() => Promise.all(pods.map(pod => pod.stop())));
  beforeEach(() => {
    finish = [];
  });

  /** With two requests under way on each pod. */
  async function whileBusy(
    file: EnvoyFile,
    environment: Environment,
    use: (fleet: Fleet) => Promise<void>,
  ): Promise<void> {
    await withFleet(startFleet({ file, pods, environment }), async fleet => {
      const lasting = { 'x-lasting': '1', 'routing-strategy': 'round-robin' };
      const running = [];
      for (let i = 0; i < 4; i++) running.push(await fleet.stream('/v1/chat/completions', CHAT, lasting));
      await use(fleet);
      for (const each of finish) each();
      for (const { text } of running) await text;
      await eventually('all are over', async () => (await fleet.inFlight()) === 0);
      assert.equal((await fleet.post('/v1/chat/completions', CHAT, { [PRIORITY]: '-1' })).status, 200);
    });
  }

  for (const file of ['warmroute.yaml', 'endpoint-picker.yaml', 'aibrix.yaml'] as const) {
    it(`are answered 429 while every pod has WARMROUTE_SHED_QUEUE requests (${file})`, async () => {
      await whileBusy(file, { WARMROUTE_SHED_QUEUE: '2' }, async fleet => {
        const before = pods.flatMap(({ requests }) => requests).length;
        const openai = await fleet.post('/v1/chat/completions', CHAT, { [PRIORITY]: '-1' });
        assert.equal(openai.status, 429);
        assert.deepInclude(openai.headers as Record<string, unknown>, {
          ...{ 'retry-after': '10', 'content-type': 'application/json' },
          'x-llm-d-request-dropped-reason': 'rejected-saturated',
        });
        assert.include(JSON.parse(openai.text).error, {
          type: 'rate_limit_error',
          code: 'rate_limit_exceeded',
        });
        const anthropic = await fleet.post('/v1/messages', CHAT, { [PRIORITY]: '-20' });
        assert.equal(anthropic.status, 429);
        assert.deepInclude(JSON.parse(anthropic.text), { type: 'error' });
        assert.lengthOf(
          pods.flatMap(({ requests }) => requests),
          before,
        );
        const metrics = await fleet.program.metrics();
        assert.equal(metrics('warmroute_rejections_total', { kind: 'shed' }), 2);
        // Nobody else is; and nobody comes before the others by a number.
        for (const priority of ['0', '1000', 'low', '']) {
          assert.equal(
            (await fleet.post('/v1/chat/completions', CHAT, { [PRIORITY]: priority })).status,
            200,
          );
        }
        assert.equal((await fleet.post('/v1/chat/completions', CHAT)).status, 200);
        if (file !== 'warmroute.yaml') return;
        const { details } = await fleet.envoy.accessLogged(({ status }) => status === 429);
        assert.equal(details, 'warmroute_shed');
      });
    });
  }

  it('are not while a pod has less', async () => {
    await whileBusy('warmroute.yaml', { WARMROUTE_SHED_QUEUE: '3' }, async fleet => {
      assert.equal((await fleet.post('/v1/chat/completions', CHAT, { [PRIORITY]: '-1' })).status, 200);
    });
  });

  it('are not unless that is configured', async () => {
    await whileBusy('warmroute.yaml', {}, async fleet => {
      assert.equal((await fleet.post('/v1/chat/completions', CHAT, { [PRIORITY]: '-1' })).status, 200);
    });
  });

  it('say so in the header that WARMROUTE_PRIORITY_HEADER names, and in no other', async () => {
    const environment = { WARMROUTE_SHED_QUEUE: '2', WARMROUTE_PRIORITY_HEADER: 'X-Matters' };
    await whileBusy('warmroute.yaml', environment, async fleet => {
      for (const [header, status] of [
        ['x-matters', 429],
        [PRIORITY, 200],
      ] as const) {
        assert.equal((await fleet.post('/v1/chat/completions', CHAT, { [header]: '-1' })).status, status);
      }
    });
  });
});
