/** Envoy's metrics that alerts look at are there, under the names and with the labels that they have in the rules. */
import { assert } from 'chai';
import { type Bootstrap, extProcOf } from '../../demo/envoy.ts';
import { ENVOY_METRICS } from '../../scripts/alerts.ts';
import { withEnvoy } from '../support/envoy.ts';
import { envoyReady } from '../support/fleet.ts';
import { samplesOf } from '../support/telemetry.ts';
import { startTinyPod, type TinyPod } from '../support/tiny-pod.ts';

/** As gateways that make the filter themselves. */
function withoutStatPrefix(bootstrap: Bootstrap): void {
  delete extProcOf(bootstrap).stat_prefix;
}

describe('An Envoy that does not reach the router', function () {
  this.timeout(20_000);
  before(envoyReady);
  let pod: TinyPod;
  beforeEach(async () => {
    pod = await startTinyPod('pod-0');
  });
  afterEach(() => pod.stop());

  for (const [i, edit] of [() => {}, withoutStatPrefix].entries()) {
    const name = ENVOY_METRICS[i]!;
    it(`counts what it sends on unasked: ${name}`, async () => {
      await withEnvoy({ file: 'warmroute.yaml', routers: [], pods: [pod.address], edit }, async envoy => {
        const answer = await fetch(`${envoy.url}/v1/completions`, {
          method: 'POST',
          body: JSON.stringify({ model: 'demo', prompt: 'Hello' }),
        });
        assert.equal(answer.status, 200);
        const stats = await fetch(`http://127.0.0.1:${envoy.adminPort}/stats/prometheus`);
        assert.deepEqual(samplesOf(name, await stats.text()), [
          `${name}{envoy_http_conn_manager_prefix="ingress"} 1`,
        ]);
      });
    });
  }
});
