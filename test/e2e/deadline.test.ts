import { assert } from 'chai';
import { envoyReady, startFleet, WITH_EVENTS, withFleet } from '../support/fleet.ts';
import { hangWhenTokenizing, startTinyPod, type TinyPod } from '../support/tiny-pod.ts';

const chat = (content: string) => ({ model: 'demo', messages: [{ role: 'user', content }] });

describe('Engines whose tokenizer hangs', function () {
  this.timeout(20_000);
  let pods: TinyPod[];

  before(async function () {
    await envoyReady.call(this);
    pods = await Promise.all(['pod-0', 'pod-1', 'pod-2'].map(name => startTinyPod(name, hangWhenTokenizing)));
  });
  after(() => Promise.all(pods.map(pod => pod.stop())));

  for (const file of ['warmroute.yaml', 'original-dst.yaml', 'endpoint-picker.yaml'] as const) {
    it(`get their requests by load, before Envoy loses its patience (${file})`, async () => {
      await withFleet(startFleet({ file, pods, environment: WITH_EVENTS }), async fleet => {
        const answers = await Promise.all(
          // Different ones: of a prompt without tokens the next turn goes where the first one went.
          Array.from({ length: 9 }, (_, i) => fleet.post('/v1/chat/completions', chat(`Hello ${i}`))),
        );
        for (const { status, decision } of answers) {
          assert.equal(status, 200);
          assert.equal(decision?.reason, 'deadline');
        }
        const served = pods.map(
          ({ address }) => answers.filter(({ servedBy }) => servedBy === address).length,
        );
        assert.isAbove(Math.min(...served), 0, 'spread by load');

        assert.equal(await fleet.filterStat('message_timeouts'), 0);
        assert.equal(await fleet.filterStat('failure_mode_allowed'), 0);
        const metrics = await fleet.program.metrics();
        assert.equal(metrics('warmroute_decisions_total', { reason: 'deadline' }), 9);
        assert.equal(metrics('aibrix_prefix_cache_routing_errors_total', { reason: 'deadline' }), 9);
      });
    });
  }

  it('is what it would be without a deadline: a message timeout', async () => {
    const environment = { ...WITH_EVENTS, WARMROUTE_DECISION_TIMEOUT_MS: '5000' };
    await withFleet(startFleet({ pods, environment }), async fleet => {
      const { status, decision } = await fleet.post('/v1/chat/completions', chat('Hello there'));
      assert.equal(status, 200);
      assert.isUndefined(decision);
      assert.equal(await fleet.filterStat('message_timeouts'), 1);
      assert.equal(await fleet.filterStat('failure_mode_allowed'), 1);
    });
  });
});
