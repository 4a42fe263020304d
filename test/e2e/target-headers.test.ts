import { assert } from 'chai';
import type { EnvoyFile } from '../support/envoy.ts';
import { envoyReady, type Fleet, startFleet, withFleet } from '../support/fleet.ts';
import { startTinyPod, type TinyPod } from '../support/tiny-pod.ts';

const COMPLETION = { model: 'demo', prompt: 'Who are you?' };
/** Whatever tells of pods or of what they hold. */
const TELLING = /target-pod|destination-endpoint|x-warmroute/;

describe('What a client learns of pods', function () {
  this.timeout(30_000);
  let pods: TinyPod[];

  before(async function () {
    await envoyReady.call(this);
    pods = [await startTinyPod('pod-0'), await startTinyPod('pod-1')];
  });
  after(() => Promise.all(pods.map(pod => pod.stop())));

  const told = async (asking: ReturnType<Fleet['get']>) => {
    const { status, headers, text } = await asking;
    assert.equal(status, 200, text);
    return Object.keys(headers).filter(name => TELLING.test(name));
  };
  const withTargets = (file: EnvoyFile, targets: string, use: (fleet: Fleet) => Promise<void>) => {
    const environment = { WARMROUTE_TARGET_HEADERS: targets, WARMROUTE_DEBUG_HEADERS: 'false' };
    return withFleet(startFleet({ file, pods, environment }), use);
  };

  for (const file of [
    'warmroute.yaml',
    'original-dst.yaml',
    'endpoint-picker.yaml',
    'aibrix.yaml',
  ] as const) {
    it(`is nothing, also in metadata, unless it is switched on (${file})`, async () => {
      await withTargets(file, 'off', async fleet => {
        assert.isEmpty(await told(fleet.post('/v1/completions', COMPLETION)));
        assert.isEmpty(await told(fleet.get('/v1/files')));
        assert.isEmpty(await told(fleet.post('/v1/files', { purpose: 'batch' })));
        if (file === 'aibrix.yaml') return;
        const entry = await fleet.envoy.accessLogged(({ path }) => path === '/v1/completions');
        assert.equal(entry.reason, 'no_match');
        assert.deepEqual([entry.matched_blocks, entry.total_blocks], [null, null]);
      });
    });

    if (file === 'aibrix.yaml') continue;
    it(`is who served, by Envoy’s word, with WARMROUTE_TARGET_HEADERS=warmroute (${file})`, async () => {
      await withTargets(file, 'warmroute', async fleet => {
        for (const asking of [
          () => fleet.post('/v1/completions', COMPLETION),
          () => fleet.get('/v1/files'),
          () => fleet.post('/v1/files', { purpose: 'batch' }),
        ]) {
          const before = pods.map(({ requests }) => requests.length);
          const { servedBy } = await asking();
          const served = pods.filter(({ requests }, i) => requests.length > before[i]!);
          assert.deepEqual(
            served.map(({ address }) => address),
            [servedBy],
          );
        }
        assert.deepEqual(await told(fleet.post('/v1/completions', COMPLETION)), ['x-target-pod']);
      });
    });
  }

  for (const file of ['aibrix.yaml', 'endpoint-picker.yaml'] as const) {
    it(`is AIBrix’s name and address of the pick with WARMROUTE_TARGET_HEADERS=aibrix (${file})`, async () => {
      await withTargets(file, 'aibrix', async fleet => {
        const { headers } = await fleet.post('/v1/completions', COMPLETION);
        const pod = pods.find(({ address }) => address === headers['target-pod-ip']);
        assert.equal(headers['target-pod'], pod?.pod.name);
        assert.sameMembers(await told(fleet.post('/v1/completions', COMPLETION)), [
          'target-pod',
          'target-pod-ip',
        ]);
      });
    });
  }

  it('is the pick and its blocks, also in the access log, where debug headers are allowed', async () => {
    const environment = { WARMROUTE_DEBUG_HEADERS: 'true' };
    await withFleet(startFleet({ pods, environment }), async fleet => {
      const { decision } = await fleet.post('/v1/completions', COMPLETION);
      assert.include(
        pods.map(({ pod }) => pod.name),
        decision?.pod,
      );
      const entry = await fleet.envoy.accessLogged(({ path }) => path === '/v1/completions');
      assert.deepInclude(entry, { matched_blocks: 0, total_blocks: decision?.totalBlocks });
    });
  });
});
