import { assert } from 'chai';
import { createPicker, DEFAULT_COSTS } from '../../../src/routing/policy.ts';
import { type ComparedPicks, createShadowPolicy } from '../../../src/routing/rollout/shadow-policy.ts';
import { aStrategy } from '../../support/builders.ts';
import { a, aRequest, b, NEVER, RouteBench, routed } from '../../support/route-bench.ts';

describe('A shadow policy', () => {
  let bench: RouteBench;
  let compared: ComparedPicks[];
  let draws: number;
  beforeEach(() => {
    bench = new RouteBench();
    // Of 160 tokens, 112: at 10 tokens a millisecond what is left takes 4.8 ms, and all of it 16 ms.
    bench.held = { b: 7 };
    bench.tokenize = async () => ({ space: 'engine', ids: new Uint32Array(160) });
    compared = [];
    draws = 0;
  });

  const routeWith = (active: string, shadow: string) =>
    bench.create({
      defaultStrategy: aStrategy(active),
      random: () => {
        draws++;
        return 0;
      },
      shadowPolicy: createShadowPolicy({
        strategy: aStrategy(shadow),
        pick: createPicker({ imbalanceRequests: 8, standardDeviationFactor: 1, ...DEFAULT_COSTS }),
        costs: DEFAULT_COSTS,
        random: () => 0,
        onCompared: picks => void compared.push(picks),
      }),
    });

  for (const active of ['prefix-cost', 'prefix-cache', 'least-request', 'prefix-cache:1,least-request:1']) {
    for (const shadow of ['prefix-cost', 'least-request', 'prefix-cache:3,least-request:1'].filter(
      s => s !== active,
    )) {
      it(`says what ${shadow} would have got beside ${active}, by cost and by what is cached`, async () => {
        const route = routeWith(active, shadow);
        const isWarm = (strategy: string) => strategy !== 'least-request';
        const picked = routed(await route(aRequest(), NEVER)).pod;
        assert.equal(picked, isWarm(active) ? b : a);
        assert.lengthOf(compared, 1);
        const [{ policy, isSame, ...picks }] = compared as [ComparedPicks];
        assert.equal(policy, shadow.includes(':') ? 'weighted' : (shadow as typeof policy));
        assert.equal(isSame, isWarm(active) === isWarm(shadow));
        const expected = (strategy: string) =>
          isWarm(strategy) ? { costMs: 4.8, cachedTokens: 112 } : { costMs: 16, cachedTokens: 0 };
        assert.deepEqual(picks, { active: expected(active), shadow: expected(shadow) });
      });
    }
  }

  it('changes nothing about the decision: neither what is drawn nor what follows', async () => {
    const pods: string[] = [];
    for (const route of [bench.create({ random: counted }), routeWith('prefix-cache', 'power-of-two')]) {
      draws = 0;
      const outcome = await route(aRequest(), NEVER);
      pods.push(`${routed(outcome).pod.name} ${draws}`);
      assert.deepEqual(
        [a, b].map(pod => bench.load.running(pod)),
        [0, 1],
      );
      outcome.release();
    }
    assert.equal(pods[0], pods[1]);
    assert.lengthOf(compared, 1);
    function counted() {
      draws++;
      return 0;
    }
  });

  it('leaves what the policy in force knows and says as it is, where it has to look at more', async () => {
    bench.tokenize = () => Promise.reject(new Error('down'));
    const route = routeWith('random', 'prefix-cost');
    const { reason, withoutTokens, matchedBlocks } = routed(await route(aRequest(), NEVER));
    assert.deepEqual([reason, withoutTokens, matchedBlocks], ['random', undefined, 0]);
    assert.isEmpty(compared, 'what it goes by is not known');
    bench.tokenize = async () => ({ space: 'engine', ids: new Uint32Array(160) });
    assert.equal(routed(await route(aRequest(), NEVER)).matchedBlocks, 0);
    assert.lengthOf(compared, 1);
    assert.deepEqual(bench.remembered, []);
  });

  it('is not asked where the policy in force was not either', async () => {
    const route = routeWith('prefix-cache', 'least-request');
    await route(aRequest({ extent: 'any_pod' }), NEVER);
    await route(aRequest({ extent: 'late_body' }), NEVER);
    bench.serving = [b];
    await route(aRequest(), NEVER);
    bench.serving = [a, b];
    const controlled = bench.create({
      drawsControl: () => true,
      shadowPolicy: { usesPrefixes: false, compare: () => assert.fail('asked') },
    });
    assert.equal(routed(await controlled(aRequest(), NEVER)).reason, 'control');
    assert.isEmpty(compared);
  });
});
