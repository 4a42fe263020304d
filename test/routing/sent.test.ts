import { assert } from 'chai';
import { type Endpoint, endpointOf } from '../../src/domain.ts';
import { TokenizerError } from '../../src/prompt/tokenizer.ts';
import type { RouteOutcome, RouteRequest } from '../../src/routing/route.ts';
import { a, aRequest, b, c, NEVER, RouteBench, rejected, routed } from '../support/route-bench.ts';

let bench: RouteBench;
beforeEach(() => {
  bench = new RouteBench();
  for (const pod of [a, b, c]) bench.health.joined(pod);
});

const OK = { status: 200, servedBy: undefined };
const ERROR = { status: 500, servedBy: undefined };

describe('a request on its way', () => {
  it('leaves what is expected of its pod if it goes well', async () => {
    const outcome = await bench.route(aRequest(), NEVER);
    outcome.answered(OK);
    outcome.release();
    assert.deepEqual([bench.remembered, bench.takenBack], [['b'], []]);
  });

  it('leaves nothing if it fails', async () => {
    const outcome = await bench.route(aRequest(), NEVER);
    outcome.answered(ERROR);
    outcome.release();
    assert.deepEqual([bench.remembered, bench.takenBack], [['b'], ['b']]);
  });

  it('leaves it with the pod that answered in its stead, which it is counted at from then on', async () => {
    const outcome = await bench.route(aRequest(), NEVER);
    outcome.answered({ status: 200, servedBy: endpointOf(c) });
    assert.deepEqual([bench.remembered, bench.takenBack], [['b', 'c'], ['b']]);
    assert.deepEqual([bench.load.running(b), bench.load.running(c)], [0, 1]);
    outcome.release();
    assert.equal(bench.load.total(), 0);
  });

  it('leaves nothing, and is counted nowhere, if nobody knows who answered it', async () => {
    bench.health.sent(a, 'watched', 'x').answered({ status: 200, servedBy: endpointOf(a) });
    const outcome = await bench.route(aRequest(), NEVER);
    outcome.answered({ status: 200, servedBy: '10.9.9.9:1' as Endpoint });
    assert.deepEqual([bench.remembered, bench.takenBack], [['b'], ['b']]);
    assert.equal(bench.load.total(), 0);
    outcome.release();
    assert.equal(bench.load.total(), 0);
  });

  it('is counted at the pod that answered in its stead also where nobody watches', async () => {
    const outcome = await bench.route(aRequest({ response: 'unwatched' }), NEVER);
    outcome.answered({ status: 200, servedBy: endpointOf(c) });
    assert.deepEqual([bench.load.running(b), bench.load.running(c)], [0, 1]);
  });

  it('is counted at the pod that answered in the stead of one that has left', async () => {
    const outcome = await bench.route(aRequest(), NEVER);
    bench.health.left(b);
    outcome.answered({ status: 200, servedBy: endpointOf(c) });
    assert.deepEqual([bench.load.running(b), bench.load.running(c)], [0, 1]);
    assert.equal(bench.health.stateOf(c), 'healthy');
  });

  it('leaves nothing if it is never answered, and that is the pod’s fault', async () => {
    const lost = await bench.route(aRequest(), NEVER);
    bench.clock.advance(5_000);
    bench.health.sent(a, 'watched', 'x').answered(OK);
    lost.release();
    lost.release();
    assert.deepEqual(bench.takenBack, ['b']);
  });

  it('leaves what it has done when its client goes early', async () => {
    const gone = await bench.route(aRequest(), NEVER);
    gone.release();
    assert.deepEqual(bench.takenBack, []);
  });

  it('takes nothing back where nobody watches', async () => {
    const outcome = await bench.route(aRequest({ response: 'unwatched' }), NEVER);
    outcome.answered(ERROR);
    outcome.release();
    assert.deepEqual(bench.takenBack, []);
  });

  it('compares streamed answers with streamed ones only', async () => {
    const kinds: string[] = [];
    const { health } = bench;
    const route = bench.create({
      health: {
        sentByOthers: kind => health.sentByOthers(kind),
        sent(pod, visibility, kind) {
          kinds.push(kind);
          return health.sent(pod, visibility, kind);
        },
      },
    });
    await route(aRequest({}, { model: 'demo', prompt: 'Hi', stream: true }), NEVER);
    await route(aRequest(), NEVER);
    assert.deepEqual(kinds, ['/v1/completions streamed', '/v1/completions']);
  });
});

describe('a route among pods that fail', () => {
  function fail(...pods: (typeof a)[]): void {
    for (const pod of pods)
      for (let i = 0; i < 2; i++) bench.health.sent(pod, 'watched', 'x').answered(ERROR);
  }

  it('passes over the warm one', async () => {
    fail(b);
    const decision = routed(await bench.route(aRequest(), NEVER));
    assert.include([a, c], decision.pod);
    assert.notInclude(decision.retries, b);
    assert.equal(decision.reason, 'no_match');
    assert.deepEqual(bench.tokenized[0]!.pods, [a, c]);
  });

  for (const strategy of ['random', 'round-robin', 'least-request', 'power-of-two', 'prefix-cache']) {
    it(`never picks it by ${strategy}`, async () => {
      fail(b);
      const route = bench.create({});
      for (let i = 0; i < 20; i++) assert.notEqual(routed(await route(aRequest({ strategy }), NEVER)).pod, b);
    });
  }

  it('still tokenizes for the last one, which is remembered', async () => {
    fail(a, c);
    const decision = routed(await bench.route(aRequest(), NEVER));
    assert.deepEqual([decision.pod, decision.reason, decision.retries], [b, 'prefix_match', [b, b]]);
    assert.deepEqual(bench.remembered, ['b']);
  });

  it('goes by load among all when all fail, whatever the strategy', async () => {
    fail(a, b, c);
    bench.load.begin(a);
    bench.load.begin(b);
    for (const strategy of ['prefix-cache', 'random']) {
      const outcome = await bench.route(aRequest({ strategy }), NEVER);
      assert.deepEqual([routed(outcome).pod, routed(outcome).reason], [c, 'all_failing']);
      outcome.release();
    }
  });

  it('tries one that may have recovered, with others to go to next', async () => {
    fail(a);
    bench.clock.advance(15_000);
    const decision = routed(await bench.route(aRequest(), NEVER));
    assert.deepEqual([decision.pod, decision.reason, decision.retries], [a, 'trial', [b, c]]);
    assert.equal(routed(await bench.route(aRequest(), NEVER)).pod, b);
    assert.notEqual(routed(await bench.route(aRequest({ response: 'unwatched' }), NEVER)).pod, a);
  });
});

describe('a route with a filter', () => {
  it('does not take the warm pod outside of it, nor as a retry', async () => {
    const request = aRequest({ subset: ['127.0.0.1:1', '127.0.0.1:3'] });
    const decision = routed(await bench.route(request, NEVER));
    assert.include([a, c], decision.pod);
    assert.sameMembers([decision.pod, decision.retries[0]], [a, c]);
    assert.notInclude(decision.retries, b);
    assert.deepEqual(bench.looked[0]!.pods, [a, c]);
  });

  it('goes to the only pod inside without asking for its tokens', async () => {
    const decision = routed(await bench.route(aRequest({ subset: ['127.0.0.1:3'] }), NEVER));
    assert.deepEqual([decision.pod, decision.reason, decision.retries], [c, 'only_pod', [c, c]]);
    assert.isEmpty(bench.tokenized);
  });

  it('is refused when nobody is inside', async () => {
    assert.deepEqual(rejected(await bench.route(aRequest({ subset: [] }), NEVER)), {
      kind: 'no_allowed_pod',
      model: 'demo',
    });
    assert.include(rejected(await bench.route(aRequest({ labels: '=' }), NEVER)), { kind: 'bad_filter' });
  });

  describe('of which it is known how it will show', () => {
    /** What was said of the prediction for pod b, the one that is picked. */
    async function heard(
      given: Partial<RouteRequest>,
      go: (outcome: RouteOutcome) => void,
    ): Promise<string[]> {
      const said: string[] = [];
      bench.predict = ({ name }) => {
        said.push(`sent to ${name}, ${bench.remembered.length} remembered`);
        return { answered: () => said.push('answered'), ended: () => said.push('ended') };
      };
      go(await bench.route(aRequest(given), NEVER));
      return said;
    }

    it('says that it was answered well, and that it is over', async () => {
      const said = await heard({}, outcome => {
        outcome.answered(OK);
        outcome.release();
      });
      assert.deepEqual(said, ['sent to b, 0 remembered', 'answered', 'ended']);
    });

    for (const [what, answer] of [
      ['an error', ERROR],
      ['a refusal', { status: 400, servedBy: undefined }],
      ['an answer of another pod', { status: 200, servedBy: endpointOf(c) }],
    ] as const) {
      it(`does not take ${what} for a good one`, async () => {
        const said = await heard({}, outcome => {
          outcome.answered(answer);
          outcome.release();
        });
        assert.deepEqual(said, ['sent to b, 0 remembered', 'ended']);
      });
    }

    it('is not asked where nobody watches', async () => {
      assert.isEmpty(await heard({ response: 'unwatched' }, outcome => outcome.release()));
    });

    it('is not asked without tokens', async () => {
      bench.tokenize = () => Promise.reject(new TokenizerError('no_form', 'none'));
      assert.isEmpty(await heard({}, outcome => outcome.release()));
    });
  });
});
