import { assert } from 'chai';
import { envoyReady, startFleet, withFleet } from '../support/fleet.ts';
import { withHint } from '../support/inference-gateway.ts';
import { startTinyPod, type TinyPod } from '../support/tiny-pod.ts';

describe('Which pods a request may go to, through a real Envoy', function () {
  this.timeout(20_000);
  let pods: TinyPod[];

  before(envoyReady);
  beforeEach(async () => {
    pods = [await startTinyPod('pod-0'), await startTinyPod('pod-1'), await startTinyPod('pod-2')];
  });
  afterEach(() => Promise.all(pods.map(pod => pod.stop())));

  const ask = {
    model: 'demo',
    prompt: 'The same prompt each time, so that one pod is warm for it. '.repeat(4),
  };

  it('is what the gateway hints at (endpoint-picker.yaml), also for retries', async () => {
    await withFleet(startFleet({ file: 'endpoint-picker.yaml', pods, edit: withHint }), async fleet => {
      const warm = (await fleet.post('/v1/completions', ask)).decision?.pod;
      const others = pods.filter(({ pod }) => pod.name !== warm).map(({ address }) => address);
      for (let i = 0; i < 6; i++) {
        const { status, servedBy } = await fleet.post('/v1/completions', ask, {
          'x-hint': others.join(', '),
        });
        assert.equal(status, 200);
        assert.include(others, servedBy);
      }
      const only = await fleet.post('/v1/completions', ask, { 'x-hint': others[1]! });
      assert.equal(only.servedBy, others[1]);
      for (const hint of ['10.99.0.1:8000', '127.0.0.1:1', ',']) {
        assert.equal((await fleet.post('/v1/completions', ask, { 'x-hint': hint })).status, 503, hint);
      }
      // Nobody of those left answers: a retry does not go outside.
      const [gone] = pods.splice(
        pods.findIndex(({ address }) => address === others[1]),
        1,
      );
      await gone!.stop();
      const before = pods.flatMap(({ requests }) => requests).length;
      assert.equal((await fleet.post('/v1/completions', ask, { 'x-hint': others[1]! })).status, 503);
      assert.lengthOf(
        pods.flatMap(({ requests }) => requests),
        before,
      );
    });
  });

  it('is what a request’s own filter says (warmroute.yaml)', async () => {
    const tenants = pods.slice(0, 2).map(({ pod, address }, i) => ({
      pod: { ...pod, labels: { tenant: ['red', 'blue'][i]! } },
      address,
    }));
    await withFleet(startFleet({ pods: tenants }), async fleet => {
      for (const [i, tenant] of ['red', 'blue', 'red', 'blue'].entries()) {
        const { status, servedBy } = await fleet.post('/v1/completions', ask, {
          'external-filter': `tenant=${tenant}`,
        });
        assert.deepEqual([status, servedBy], [200, tenants[i % 2]!.address]);
      }
      const nobody = await fleet.post('/v1/completions', ask, { 'external-filter': 'tenant=green' });
      assert.equal(nobody.status, 503);
      assert.include(nobody.text, 'no pod for model demo matches the filter');
    });
  });
});
