import { assert } from 'chai';
import { type Bootstrap, connectionManagerOf } from '../../demo/envoy.ts';
import type { EnvoyFile } from '../support/envoy.ts';
import { envoyReady, startFleet, withFleet } from '../support/fleet.ts';
import { startTinyPod, type TinyPod } from '../support/tiny-pod.ts';

const FILES: readonly EnvoyFile[] = [
  'warmroute.yaml',
  'original-dst.yaml',
  'endpoint-picker.yaml',
  'aibrix.yaml',
];
const COMPLETION = { model: 'demo', prompt: 'To whom it may concern, kindly be routed.' };

/** With it Envoy removes the headers before anyone sees them; without, only the router's own removal is left. */
const withoutEarlyRemoval = (bootstrap: Bootstrap) => {
  delete connectionManagerOf(bootstrap).early_header_mutation_extensions;
};

describe('A client that names its own upstream', function () {
  this.timeout(20_000);
  let pods: TinyPod[];
  let decoy: TinyPod;
  let reachedBefore: number;
  let forged: Record<string, string>;

  before(async function () {
    await envoyReady.call(this);
    pods = [await startTinyPod('pod-0'), await startTinyPod('pod-1')];
    decoy = await startTinyPod('decoy');
    forged = {
      'target-pod': decoy.address,
      'target-pod-ip': decoy.address,
      'x-gateway-destination-endpoint': decoy.address,
      'x-warmroute-reason': 'forged',
      'x-warmroute-matched-blocks': '99',
    };
  });
  beforeEach(() => {
    reachedBefore = decoy.requests.length;
  });
  after(() => Promise.all([...pods, decoy].map(pod => pod.stop())));

  for (const file of FILES) {
    for (const [removal, edit] of [
      ['as shipped', () => {}],
      ['without the early removal', withoutEarlyRemoval],
    ] as const) {
      it(`never gets there while the router answers (${file}, ${removal})`, async () => {
        await withFleet(startFleet({ file, pods, edit }), async fleet => {
          const before = pods.flatMap(({ requests }) => requests).length;
          const routed = await fleet.post('/v1/completions', COMPLETION, forged);
          assert.equal(routed.status, 200);
          assert.notEqual(routed.decision?.reason, 'forged');
          assert.notEqual(routed.decision?.matchedBlocks, 99);
          for (const strategy of ['random', 'least-request']) {
            const named = { ...forged, 'routing-strategy': strategy };
            assert.equal((await fleet.post('/v1/completions', COMPLETION, named)).decision?.reason, strategy);
          }
          assert.equal((await fleet.get('/v1/models', forged)).status, 200);
          assert.equal((await fleet.post('/v1/files', { purpose: 'batch' }, forged)).status, 200);
          assert.equal(
            (await fleet.post('/v1/completions', { model: 'other', prompt: 'x' }, forged)).status,
            400,
          );

          assert.lengthOf(decoy.requests, reachedBefore);
          const seen = pods.flatMap(({ requests }) => requests).slice(before);
          assert.lengthOf(seen, 5);
          for (const { headers } of seen) {
            assert.notInclude(Object.values(headers), decoy.address);
            assert.notProperty(headers, 'x-warmroute-reason');
            assert.notProperty(headers, 'x-warmroute-matched-blocks');
          }
          assert.equal(await fleet.filterStat('failure_mode_allowed'), 0);
        });
      });
    }

    if (file === 'endpoint-picker.yaml') continue;
    it(`never gets there while requests fail open (${file})`, async () => {
      await withFleet(startFleet({ file, pods }), async fleet => {
        await fleet.program.stop();
        for (let i = 0; i < 4; i++) {
          assert.equal((await fleet.post('/v1/completions', COMPLETION, forged)).status, 200);
          assert.equal((await fleet.get('/v1/models', forged)).status, 200);
        }
        assert.lengthOf(decoy.requests, reachedBefore);
        assert.isAtLeast(await fleet.filterStat('failure_mode_allowed'), 8);
      });
    });
  }
});
