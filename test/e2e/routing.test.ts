import { assert } from 'chai';
import type { EnvoyFile } from '../support/envoy.ts';
import { eventually } from '../support/eventually.ts';
import { envoyReady, MODEL, startEngineFleet, withFleet } from '../support/fleet.ts';

const FILES: readonly EnvoyFile[] = [
  'warmroute.yaml',
  'original-dst.yaml',
  'endpoint-picker.yaml',
  'aibrix.yaml',
];
const PREFIX = 'The quick brown fox jumps over the lazy dog and runs into the deep forest. '.repeat(8);

describe('The pick, through a real Envoy', function () {
  this.timeout(20_000);
  before(envoyReady);

  for (const file of FILES) {
    it(`${file} sends a request to the pod that was picked, and nowhere else`, async () => {
      await withFleet(startEngineFleet({ file }), async fleet => {
        for (let turn = 0; turn < 6; turn++) {
          const { status, decision } = await fleet.post('/v1/completions', {
            ...{ model: MODEL, prompt: `${PREFIX} ${turn}`, max_tokens: 4 },
          });
          assert.equal(status, 200);
          assert.include(decision, { reason: turn === 0 ? 'no_match' : 'prefix_match' });
          const picked = fleet.engines.find(({ name }) => name === decision?.pod);
          const address = picked?.url.replace('http://', '');
          const logged = await eventually('it is logged', () => fleet.envoy.accessLog()[turn]);
          assert.include(logged, { upstream: address, target_pod: address });
          assert.lengthOf(picked?.requests ?? [], turn + 1);
          await fleet.indexed();
        }
        // Round robin, which is what happens without a pick, would have used all three.
        assert.deepEqual(fleet.engines.map(({ requests }) => requests.length).sort(), [0, 0, 6]);
        assert.equal(await fleet.filterStat('failure_mode_allowed'), 0);
        assert.equal(await fleet.filterStat('spurious_msgs_received'), 0);
        assert.equal(await fleet.filterStat('rejected_header_mutations'), 0);
      });
    });
  }
});
