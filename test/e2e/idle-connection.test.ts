import { setTimeout as delay } from 'node:timers/promises';
import { assert } from 'chai';
import type { EnvoyFile } from '../support/envoy.ts';
import { eventually } from '../support/eventually.ts';
import { envoyReady, startFleet, withFleet } from '../support/fleet.ts';
import { startTinyPod, type TinyPod } from '../support/tiny-pod.ts';

const COMPLETION = { model: 'demo', prompt: 'Is anybody there?' };
const FILES: readonly EnvoyFile[] = [
  'warmroute.yaml',
  'original-dst.yaml',
  'endpoint-picker.yaml',
  'aibrix.yaml',
];
const IDLE_MS = 200;

describe('An Envoy whose connections to the router were idle for too long', function () {
  this.timeout(30_000);
  let pods: TinyPod[];

  before(async function () {
    await envoyReady.call(this);
    pods = [await startTinyPod('pod-0'), await startTinyPod('pod-1')];
  });
  after(() => Promise.all(pods.map(pod => pod.stop())));

  for (const file of FILES) {
    it(`loses no request by that (${file})`, async () => {
      const environment = { WARMROUTE_GRPC_IDLE_MS: String(IDLE_MS) };
      await withFleet(startFleet({ file, pods, environment }), async fleet => {
        const routed = async () => {
          const { status, decision } = await fleet.post('/v1/completions', COMPLETION);
          assert.equal(status, 200);
          assert.isDefined(decision);
        };
        await routed();
        const ended = await fleet.routerStat('upstream_cx_destroy');
        await eventually('the router has ended the connection', async () => {
          return (await fleet.routerStat('upstream_cx_destroy')) > ended;
        });
        await routed();
        // Just before, just after and in the moment when it is ended.
        for (let round = 0; round < 20; round++) {
          await delay(IDLE_MS - 10 + round);
          await routed();
        }
        assert.equal(await fleet.filterStat('failure_mode_allowed'), 0);
        assert.equal(await fleet.filterStat('streams_failed'), 0);
        assert.equal(await fleet.routerStat('membership_healthy'), 1);
      });
    });
  }
});
