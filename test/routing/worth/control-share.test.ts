import { assert } from 'chai';
import type { Reason } from '../../../src/domain.ts';
import type { RouteRequest } from '../../../src/routing/route.ts';
import { drawnOf } from '../../../src/routing/worth/drawn.ts';
import { NO_SESSION } from '../../support/builders.ts';
import { a, aRequest, b, c, NEVER, RouteBench, routed } from '../../support/route-bench.ts';

describe('the control share', () => {
  let bench: RouteBench;
  beforeEach(() => {
    bench = new RouteBench();
    bench.held = { b: 2, c: 1 };
    bench.tokenize = async () => ({ space: 'engine', ids: new Uint32Array(170) });
  });

  /** All of them are of the share, if they may be. */
  const control = (request: Partial<RouteRequest> = {}) =>
    bench.create({ random: () => 0, drawsControl: () => true })(aRequest(request), NEVER);

  it('goes to the least loaded pod, although another one holds the prompt, and says so', async () => {
    const outcome = await control();
    assert.deepInclude(routed(outcome), { pod: a, reason: 'control', arm: 'control', rank: undefined });
    assert.lengthOf(bench.tokenized, 1);
    assert.lengthOf(bench.looked, 1, 'the way there is the same');
  });

  it('tells what the pod has of it all the same', async () => {
    bench.load.begin(a);
    bench.load.begin(b);
    const { pod, matchedBlocks, totalBlocks, tokens } = routed(await control());
    assert.deepEqual([pod, matchedBlocks, totalBlocks], [c, 1, 10]);
    assert.deepEqual(tokens, {
      space: 'engine',
      prompt: 170,
      blockSizeTokens: 16,
      gpu: 16,
      cpu: 0,
      storage: 0,
    });
  });

  it('is remembered as any other prompt: what its pod computes is there', async () => {
    await control();
    assert.deepEqual(bench.remembered, ['a']);
  });

  it('names no rank, as nobody would who knows of no prefix', async () => {
    bench.ranks = { a: 1, b: 1, c: 1 };
    assert.isUndefined(routed(await control()).rank);
    const route = bench.create({ random: () => 0 });
    assert.equal(routed(await route(aRequest(), NEVER)).rank, 1);
  });

  it('is drawn for each request', async () => {
    const numbers = [0.3, 0.1, 0.9];
    const route = bench.create({ random: () => 0, drawsControl: drawnOf(25, () => numbers.shift()!) });
    const arms = [];
    for (let i = 0; i < 3; i++) arms.push(routed(await route(aRequest(), NEVER)).arm);
    assert.deepEqual(arms, ['routed', 'control', 'routed']);
  });

  it('is of lists of strategies, too', async () => {
    const { reason, arm } = routed(await control({ strategy: 'prefix-cache:3,least-request:1' }));
    assert.deepEqual([reason, arm], ['control', 'control']);
  });

  const nobody: Readonly<Record<string, readonly [Partial<RouteRequest>, Reason, () => void]>> = {
    'a strategy that does not look at prefixes': [{ strategy: 'random' }, 'random', () => {}],
    'a session': [
      { strategy: 'session-affinity', session: { ...NO_SESSION, key: 'mine' } },
      'session_key',
      () => {},
    ],
    'a list with sessions': [
      { strategy: 'prefix-cache:1,session-affinity:1', session: { ...NO_SESSION, key: 'mine' } },
      'weighted',
      () => {},
    ],
    'who names a response that a pod made': [
      {
        path: '/v1/responses',
        body: Buffer.from(JSON.stringify({ model: 'demo', input: 'Hi', previous_response_id: 'r' })),
      },
      'response_owner',
      () => {
        bench.responses.joined(b);
        bench.responses.made('r', '127.0.0.1:2' as never, 'whole');
      },
    ],
    'a prompt without tokens': [
      {},
      'tokenizer_failed',
      () => {
        bench.tokenize = () => Promise.reject(new Error('none'));
      },
    ],
    'a prompt that could not be looked up': [
      {},
      'index_failed',
      () => {
        bench.lookup = () => {
          throw new Error('broken');
        };
      },
    ],
    'the only pod': [
      {},
      'only_pod',
      () => {
        bench.serving = [b];
      },
    ],
  };
  for (const [who, [request, reason, prepare]] of Object.entries(nobody)) {
    it(`is not drawn for ${who}`, async () => {
      prepare();
      const decision = routed(await control(request));
      assert.deepInclude(decision, { reason, arm: undefined });
    });
  }

  it('is not drawn for trials, and while all pods fail', async () => {
    for (const pod of [a, b, c]) {
      bench.health.joined(pod);
      for (let i = 0; i < 2; i++)
        bench.health.sent(pod, 'watched', 'any').answered({ status: 500, servedBy: undefined });
    }
    const decision = routed(await control());
    assert.deepInclude(decision, { reason: 'all_failing', arm: undefined });
    bench.clock.advance(15_000);
    assert.deepInclude(routed(await control()), { reason: 'trial', arm: undefined });
  });
});

describe('the answer of a sampled request', () => {
  const usage = { prompt_tokens: 170, prompt_tokens_details: { cached_tokens: 112 } };

  it('is followed to its end', async () => {
    const bench = new RouteBench();
    bench.tokenize = async () => ({ space: 'engine', ids: new Uint32Array(170) });
    const outcome = await bench.create({ random: () => 0 })(aRequest({ sample: 'sampled' }), NEVER);
    outcome.answered({ status: 200, servedBy: undefined });
    assert.equal(outcome.readAnswer?.(Buffer.from(JSON.stringify({ usage }))), 'more');
    outcome.release();
    assert.deepEqual(bench.sampled[0]?.outcome, {
      ...{ kind: 'as_predicted', promptTokens: 170, predictedTokens: 112, reportedTokens: 112 },
    });
  });

  it('is read for the id of the response that it makes as well', async () => {
    const bench = new RouteBench();
    bench.responses.joined(b);
    const request = { path: '/v1/responses', sample: 'sampled' } as const;
    const outcome = await bench.route(aRequest(request, { model: 'demo', input: 'Hi' }), NEVER);
    outcome.answered({ status: 200, servedBy: undefined });
    outcome.readAnswer?.(Buffer.from('{"id":"r1","output":[],"usage":'));
    outcome.readAnswer?.(Buffer.from('{"input_tokens":3,"input_tokens_details":{"cached_tokens":0}}}'));
    outcome.release();
    assert.equal(bench.responses.among([b], 'r1'), b);
    assert.equal(bench.sampled[0]?.outcome.kind, 'less_cached');
  });

  it('is nobody’s otherwise', async () => {
    const bench = new RouteBench();
    const outcome = await bench.route(aRequest(), NEVER);
    assert.isUndefined(outcome.readAnswer);
    outcome.release();
    assert.isEmpty(bench.sampled);
  });
});
