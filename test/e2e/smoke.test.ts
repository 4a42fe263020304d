import { assert } from 'chai';
import { startEngine } from '../../src/simulator/engine.ts';
import { runCli } from '../support/cli.ts';
import { withEnvoy } from '../support/envoy.ts';
import { envoyReady, MODEL, NO_COST, startEngineFleet, withFleet } from '../support/fleet.ts';

describe('warmroute smoke, through a real Envoy', function () {
  this.timeout(40_000);
  before(envoyReady);

  for (const api of ['chat', 'completions']) {
    it(`sees that the second prompt is served warm (${api})`, async () => {
      await withFleet(startEngineFleet(), async ({ envoy }) => {
        const { code, stdout, stderr } = await runCli(['smoke', envoy.url, '--api', api, '--pause', '0']);
        assert.deepEqual([code, stderr], [0, ''], stdout);
        const [, first, second] = /^served by +(\S+ at \S+) +(\S+ at \S+)$/m.exec(stdout) ?? [];
        assert.match(first ?? stdout, /^engine-\d at 127\.0\.0\.1:\d+$/);
        assert.equal(second, first);
        assert.match(stdout, /^reason +no_match +prefix_match$/m);
        assert.match(stdout, /^matched blocks +0 of \d+ +\d\d+ of \d+$/m);
        assert.match(stdout, /^WARM: /m);
        assert.notInclude(stdout, 'Not seen');
      });
    });
  }

  it('sees that it is not behind round robin, and what it cannot see', async () => {
    const engines = [];
    try {
      for (const name of ['engine-0', 'engine-1', 'engine-2']) {
        engines.push(await startEngine({ name, model: MODEL, cost: NO_COST }));
      }
      const pods = engines.map(({ httpPort }) => `127.0.0.1:${httpPort}`);
      await withEnvoy({ file: 'warmroute.yaml', routers: [], pods, concurrency: 1 }, async ({ url }) => {
        const { code, stdout } = await runCli(['smoke', url, '--pause', '0']);
        assert.equal(code, 1, stdout);
        assert.match(stdout, /^NOT WARM: the engine had 0 of \d+ tokens/m);
        assert.match(stdout, /^ {2}reason: shown with WARMROUTE_DEBUG_HEADERS=true$/m);
      });
    } finally {
      for (const engine of engines) await engine.stop();
    }
  });

  it('says which models there are when it is given another one', async () => {
    await withFleet(startEngineFleet({ engines: 1 }), async ({ envoy }) => {
      const { code, stderr } = await runCli(['smoke', envoy.url, '--model', 'other']);
      assert.equal(code, 2);
      assert.match(stderr, new RegExp(`answered 404: .*other.*${MODEL}`));
    });
  });
});
