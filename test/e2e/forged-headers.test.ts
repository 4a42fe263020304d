import { assert } from 'chai';
import { type Bootstrap, connectionManagerOf, type EnvoyMessage } from '../../demo/envoy.ts';
import type { EnvoyFile } from '../support/envoy.ts';
import { envoyReady, startFleet, withFleet } from '../support/fleet.ts';
import { startTinyPod, type TinyPod } from '../support/tiny-pod.ts';

const FILES: readonly EnvoyFile[] = [
  'warmroute.yaml',
  'original-dst.yaml',
  'endpoint-picker.yaml',
  'aibrix.yaml',
];
const ROUTERS_WORD = [
  ...['x-warmroute-pod', 'x-warmroute-reason', 'x-warmroute-matched-blocks', 'x-warmroute-debug'],
  'x-data-parallel-rank',
];
const ORIGINAL_DST_HOST = 'x-envoy-original-dst-host';
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
      'x-gateway-destination-endpoint-subset': decoy.address,
      'x-data-parallel-host-port': decoy.address,
      'x-prefiller-host-port': decoy.address,
      'x-encoder-hosts-ports': decoy.address,
      'x-data-parallel-rank': '7',
      'x-warmroute-pod': 'decoy',
      'x-warmroute-reason': 'forged',
      'x-warmroute-matched-blocks': '99',
    };
  });
  beforeEach(() => {
    delete forged[ORIGINAL_DST_HOST];
    reachedBefore = decoy.requests.length;
  });
  after(() => Promise.all([...pods, decoy].map(pod => pod.stop())));

  for (const file of FILES) {
    for (const [removal, edit] of [
      ['as shipped', () => {}],
      ['without the early removal', withoutEarlyRemoval],
    ] as const) {
      it(`never gets there while the router answers (${file}, ${removal})`, async () => {
        // Of AIBrix's filter no header of Envoy's own may be removed: there the early removal is all there is.
        if (file !== 'aibrix.yaml' || edit !== withoutEarlyRemoval) forged[ORIGINAL_DST_HOST] = decoy.address;
        await withFleet(startFleet({ file, pods, edit }), async fleet => {
          const before = pods.map(({ requests }) => requests.length);
          const routed = await fleet.post('/v1/completions', COMPLETION, forged);
          assert.equal(routed.status, 200);
          assert.notEqual(routed.decision?.reason, 'forged');
          assert.notEqual(routed.decision?.matchedBlocks, 99);
          for (const strategy of ['random', 'least-request']) {
            const named = { ...forged, 'routing-strategy': strategy };
            assert.equal((await fleet.post('/v1/completions', COMPLETION, named)).decision?.reason, strategy);
          }
          assert.equal((await fleet.get('/v1/files', forged)).status, 200);
          assert.equal((await fleet.post('/v1/files', { purpose: 'batch' }, forged)).status, 200);
          assert.equal(
            (await fleet.post('/v1/completions', { model: 'other', prompt: 'x' }, forged)).status,
            // As an endpoint picker the router leaves it to the engine to say so.
            file === 'endpoint-picker.yaml' ? 200 : 404,
          );

          assert.lengthOf(decoy.requests, reachedBefore);
          const seen = pods.flatMap(({ requests }, i) => requests.slice(before[i]));
          assert.lengthOf(seen, file === 'endpoint-picker.yaml' ? 6 : 5);
          for (const { headers } of seen) {
            assert.notInclude(Object.values(headers), decoy.address);
            for (const name of ROUTERS_WORD) assert.notProperty(headers, name);
          }
          assert.equal(await fleet.filterStat('failure_mode_allowed'), 0);
          assert.equal(await fleet.filterStat('rejected_header_mutations'), 0);
        });
      });
    }

    if (file === 'endpoint-picker.yaml') continue;
    it(`never gets there while requests fail open (${file})`, async () => {
      forged[ORIGINAL_DST_HOST] = decoy.address;
      await withFleet(startFleet({ file, pods }), async fleet => {
        await fleet.program.stop();
        for (let i = 0; i < 4; i++) {
          assert.equal((await fleet.post('/v1/completions', COMPLETION, forged)).status, 200);
          assert.equal((await fleet.get('/v1/files', forged)).status, 200);
        }
        assert.lengthOf(decoy.requests, reachedBefore);
        assert.isAtLeast(await fleet.filterStat('failure_mode_allowed'), 8);
        for (const { headers } of pods.flatMap(({ requests }) => requests.slice(-4))) {
          assert.notInclude(Object.values(headers), decoy.address);
        }
      });
    });
  }

  describe('of an Envoy that dials x-envoy-original-dst-host, as ORIGINAL_DST clusters do by default', () => {
    const byDefaultName = (bootstrap: Bootstrap) => {
      for (const cluster of bootstrap.static_resources.clusters) {
        const dials = cluster.original_dst_lb_config as EnvoyMessage | undefined;
        if (dials !== undefined) delete dials.http_header_name;
      }
    };
    const reached = async (edit: (bootstrap: Bootstrap) => void) => {
      await withFleet(startFleet({ file: 'original-dst.yaml', pods, edit }), async fleet => {
        await fleet.program.stop();
        const answer = await fleet.post('/v1/completions', COMPLETION, {
          [ORIGINAL_DST_HOST]: decoy.address,
        });
        assert.equal(answer.status, 200);
      });
      return decoy.requests.length - reachedBefore;
    };

    it('never gets there, router or not', async () => {
      assert.equal(await reached(byDefaultName), 0);
    });

    it('would get there without the early removal', async () => {
      const open = (bootstrap: Bootstrap) => {
        byDefaultName(bootstrap);
        withoutEarlyRemoval(bootstrap);
      };
      assert.equal(await reached(open), 1);
    });
  });
});
