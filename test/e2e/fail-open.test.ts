import { assert } from 'chai';
import { eventually } from '../support/eventually.ts';
import { envoyReady, startFleetWithProcess, withFleet } from '../support/fleet.ts';
import { startTinyPod, type TinyPod } from '../support/tiny-pod.ts';

const CHAT = { model: 'demo', messages: [{ role: 'user', content: 'Hello there, how are you today?' }] };

describe('A router that is killed', function () {
  this.timeout(20_000);
  before(envoyReady);
  let pods: TinyPod[];
  let goOn: (() => void)[];

  beforeEach(async () => {
    goOn = [];
    const answer: Parameters<typeof startTinyPod>[1] = ({ path }, response) => {
      if (path !== '/v1/chat/completions') return void response.end('{}');
      // A generation that lasts until the test lets it end.
      response.write('data: {"first":1}\n\n');
      goOn.push(() => response.end('data: [DONE]\n\n'));
    };
    pods = [await startTinyPod('pod-0', answer), await startTinyPod('pod-1', answer)];
  });
  afterEach(() => Promise.all(pods.map(pod => pod.stop())));

  for (const file of ['warmroute.yaml', 'original-dst.yaml'] as const) {
    it(`harms no generation in flight and no request after it (${file})`, async () => {
      await withFleet(startFleetWithProcess({ file, pods }), async fleet => {
        const before = await fleet.post('/v1/completions', { model: 'demo', prompt: 'Hello there, you!' });
        assert.equal(before.decision?.reason, 'no_match');
        assert.equal(await fleet.filterStat('failure_mode_allowed'), 0);

        const generation = await fleet.stream('/v1/chat/completions', CHAT);
        assert.equal(await fleet.inFlight(), 1);
        fleet.program.kill('SIGKILL');
        assert.deepEqual(await fleet.program.exited, { code: null, signal: 'SIGKILL' });
        await eventually(
          'Envoy has noticed',
          async () => (await fleet.routerStat('upstream_cx_active')) === 0,
        );

        for (let i = 0; i < 6; i++) {
          const after = await fleet.post('/v1/completions', { model: 'demo', prompt: 'Hello there, you!' });
          assert.equal(after.status, 200);
          assert.isUndefined(after.decision);
        }
        assert.isAtLeast(await fleet.filterStat('failure_mode_allowed'), 6);
        assert.isTrue(
          pods.every(({ requests }) => requests.length >= 3),
          'round robin',
        );

        goOn[0]?.();
        assert.equal(await generation.text, 'data: {"first":1}\n\ndata: [DONE]\n\n');
      });
    });
  }
});
