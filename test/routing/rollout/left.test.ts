import { assert } from 'chai';
import { type Endpoint, endpointOf, type Pod } from '../../../src/domain.ts';
import { a, aRequest, b, c, NEVER, RouteBench, routed } from '../../support/route-bench.ts';

const by = (pod: Pod, status = 200) => ({ status, servedBy: endpointOf(pod) });
const STRANGER = { status: 200, servedBy: '9.9.9.9:1' as Endpoint };
const UNSAID = { status: 200, servedBy: undefined };
const STEERINGS = ['left', 'observed'] as const;

describe('A request that is left to Envoy', () => {
  let bench: RouteBench;
  beforeEach(() => {
    bench = new RouteBench();
    for (const pod of [a, b, c]) bench.health.joined(pod);
    bench.held = { a: 3, b: 7 };
  });

  const left = (given: Parameters<typeof aRequest>[0] = {}) =>
    bench.route(aRequest({ steering: 'left', ...given }), NEVER);
  const running = () => [a, b, c].map(pod => bench.load.running(pod));
  const queued = () => [a, b, c].map(pod => bench.work.of(pod).queuedTokens);

  for (const steering of STEERINGS) {
    it(`is decided as any other, and counts nowhere before somebody answers (${steering})`, async () => {
      const outcome = await left({ steering });
      const { pod, reason, arm } = routed(outcome);
      assert.deepEqual([pod, reason, arm], [b, 'prefix_match', 'left']);
      assert.deepEqual([running(), queued(), bench.remembered], [[0, 0, 0], [0, 0, 0], []]);
      outcome.release();
      assert.deepEqual(bench.left, [{ decision: routed(outcome), served: undefined }]);
    });
  }

  it('counts at the pod that answers, by what that one holds, until it is over', async () => {
    bench.tokenize = async () => ({ space: 'engine', ids: new Uint32Array(160) });
    // As the index does it, which uses the numbers of a look-up again for the next one.
    const [matchedBlocks, matchedTokens] = [new Uint32Array(3), new Uint32Array(3)];
    const { lookup } = bench.partsOf({});
    const route = bench.create({
      lookup(...asked) {
        const found = lookup(...asked);
        matchedBlocks.set(found.matchedBlocks);
        matchedTokens.set(found.matchedTokens);
        return { ...found, matchedBlocks, matchedTokens };
      },
    });
    const outcome = await route(aRequest({ steering: 'left' }), NEVER);
    bench.held = {};
    (await route(aRequest({ steering: 'left' }), NEVER)).release();
    bench.left.length = 0;
    assert.equal(outcome.answered(by(a)), a);
    assert.deepEqual(
      [running(), queued()],
      [
        [1, 0, 0],
        [160 - 3 * 16, 0, 0],
      ],
    );
    assert.deepEqual(bench.remembered, ['a']);
    outcome.release();
    outcome.release();
    assert.deepEqual(
      [running(), queued()],
      [
        [0, 0, 0],
        [0, 0, 0],
      ],
    );
    assert.lengthOf(bench.left, 1);
    const { decision, served } = bench.left[0]!;
    assert.equal(decision.pod, b);
    assert.equal(served?.pod, a);
    assert.deepInclude(served?.tokens, { prompt: 160, gpu: 48, blockSizeTokens: 16 });
  });

  it('is expected whole of a pod that nobody has looked at', async () => {
    bench.serving = [a, b];
    bench.tokenize = async () => ({ space: 'engine', ids: new Uint32Array(160) });
    const outcome = await left();
    outcome.answered(by(c));
    assert.deepEqual(queued(), [0, 0, 160]);
    outcome.release();
    assert.isUndefined(bench.left[0]?.served?.tokens);
  });

  it('counts nowhere where nobody says who answers, or no pod does', async () => {
    for (const answer of [UNSAID, STRANGER]) {
      const outcome = await left();
      assert.isUndefined(outcome.answered(answer));
      assert.deepEqual([running(), queued(), bench.remembered], [[0, 0, 0], [0, 0, 0], []]);
      outcome.release();
    }
    assert.deepEqual(
      bench.left.map(({ served }) => served),
      [undefined, undefined],
    );
  });

  it('tells how the pod is that answers, and is expected of none that fails', async () => {
    for (let i = 0; i < 4; i++) {
      const outcome = await left();
      assert.equal(outcome.answered(by(c, 500)), c);
      outcome.release();
    }
    assert.equal(bench.health.stateOf(c), 'failing');
    assert.equal(bench.health.stateOf(b), 'unknown', 'which would have been picked');
    assert.isEmpty(bench.remembered);
  });

  it('tries no pod that fails', async () => {
    for (let i = 0; i < 4; i++) (await left()).answered(by(b, 500));
    bench.clock.advance(60_000);
    assert.notEqual(routed(await left({ response: 'watched' })).pod, b);
    assert.equal(routed(await left({ response: 'watched', steering: 'steered' })).reason, 'trial');
  });

  it('is never of the control share, and of no arm where it could not be routed by its prefix', async () => {
    const route = bench.create({ drawsControl: () => true });
    assert.equal(routed(await route(aRequest({ steering: 'left' }), NEVER)).arm, 'left');
    assert.equal(routed(await left({ strategy: 'random' })).arm, undefined);
  });

  it('is compared with what its engine reports by the pod that has served it', async () => {
    bench.tokenize = async () => ({ space: 'engine', ids: new Uint32Array(160) });
    for (const [answer, outcome] of [
      [by(a), { kind: 'as_predicted', promptTokens: 160, predictedTokens: 48, reportedTokens: 48 }],
      [UNSAID, { kind: 'other_pod' }],
    ] as const) {
      const request = await left({ sample: 'sampled' });
      request.answered(answer);
      const usage = { prompt_tokens: 160, prompt_tokens_details: { cached_tokens: 48 } };
      request.readAnswer?.(Buffer.from(JSON.stringify({ usage })));
      request.release();
      assert.deepEqual(bench.sampled.at(-1)?.outcome, outcome);
      assert.equal(bench.sampled.at(-1)?.decision.arm, 'left');
    }
  });
});
