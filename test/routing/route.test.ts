import { assert } from 'chai';
import type { ClientError, Pod } from '../../src/domain.ts';
import { STRATEGIES, usesPrefixes } from '../../src/domain.ts';
import type { PromptRequest } from '../../src/prompt/request.ts';
import type { RouteRequest } from '../../src/routing/route.ts';
import { ENGINE_STRATEGIES } from '../../src/strategies.ts';
import { aPod, aStrategy } from '../support/builders.ts';
import { a, aRequest, b, c, NEVER, RouteBench, rejected, routed, TOKENS } from '../support/route-bench.ts';

let bench: RouteBench;
beforeEach(() => {
  bench = new RouteBench();
});

describe('a route', () => {
  it('goes to the pod that holds the most, and says so', async () => {
    const decision = routed(await bench.route(aRequest(), NEVER));
    assert.deepEqual(decision, {
      kind: 'routed',
      pod: b,
      rank: undefined,
      retries: [a, c],
      strategy: aStrategy(),
      reason: 'prefix_match',
      arm: 'routed',
      withoutTokens: undefined,
      model: 'demo',
      matchedBlocks: 7,
      totalBlocks: 10,
      offGpu: { cpu: 0, storage: 0 },
      tokens: { space: 'engine', prompt: 3, blockSizeTokens: 16, gpu: 96, cpu: 0, storage: 0 },
    });
  });

  it('says how much of what the pod holds is not on its GPU', async () => {
    bench.offGpu = { a: { cpu: 9, storage: 9 }, b: { cpu: 2, storage: 1 } };
    const { pod, matchedBlocks, offGpu } = routed(await bench.route(aRequest(), NEVER));
    assert.deepEqual([pod, matchedBlocks, offGpu], [b, 7, { cpu: 2, storage: 1 }]);
  });

  it('names the data-parallel rank that holds it, of a pod that is picked for that', async () => {
    bench.ranks = { b: 3 };
    assert.equal(routed(await bench.route(aRequest(), NEVER)).rank, 3);
    for (let i = 0; i < 6; i++) bench.load.begin(b);
    assert.isUndefined(routed(await bench.route(aRequest(), NEVER)).rank);
  });

  it('names no rank that a pod does not have which may be tried next', async () => {
    bench.ranks = { b: 2 };
    bench.rankCounts = { a: 2 };
    const outcome = await bench.route(aRequest(), NEVER);
    outcome.release();
    const decision = routed(outcome);
    assert.equal(decision.pod, b);
    assert.include(decision.retries, a);
    assert.isUndefined(decision.rank);
    bench.rankCounts = { a: 3, b: 3, c: 3 };
    assert.equal(routed(await bench.route(aRequest(), NEVER)).rank, 2);
  });

  it('tokenizes the prompt with the ready pods and looks its tokens up', async () => {
    await bench.route(aRequest({}, { model: 'demo', prompt: 'Hi', cache_salt: 's' }), NEVER);
    const [{ prompt, pods }] = bench.tokenized as [{ prompt: PromptRequest; pods: readonly Pod[] }];
    assert.deepEqual([prompt.content, pods], [{ kind: 'text', text: 'Hi' }, [a, b, c]]);
    assert.lengthOf(bench.looked, 1);
    assert.strictEqual(bench.looked[0]!.tokens, TOKENS);
    assert.include(bench.looked[0]!.prompt, { model: 'demo', salt: 's' });
    assert.deepEqual(bench.looked[0]!.pods, [a, b, c]);
  });

  it('remembers the prompt for the pod that was picked, and for no other', async () => {
    await bench.route(aRequest(), NEVER);
    assert.deepEqual(bench.remembered, ['b']);
  });

  it('has no match when nobody holds anything', async () => {
    bench.held = {};
    bench.load.begin(a);
    bench.load.begin(b);
    const decision = routed(await bench.route(aRequest(), NEVER));
    assert.deepEqual(
      [decision.pod, decision.reason, decision.matchedBlocks, decision.totalBlocks],
      [c, 'no_match', 0, 10],
    );
    assert.deepEqual(bench.remembered, ['c']);
  });

  it('passes over a holder that is too busy', async () => {
    for (let i = 0; i < 6; i++) bench.load.begin(b);
    const decision = routed(await bench.route(aRequest(), NEVER));
    assert.notEqual(decision.pod, b);
    assert.equal(decision.reason, 'prefix_match_skipped');
  });

  it('draws at random where no source of chance is given', async () => {
    bench.held = {};
    const route = bench.create({});
    assert.include([a, b, c], routed(await route(aRequest(), NEVER)).pod);
  });
});

describe('the load that a route counts', () => {
  it('is there from the decision to the release, once', async () => {
    const outcome = await bench.route(aRequest(), NEVER);
    assert.deepEqual([bench.load.running(b), bench.load.total()], [1, 1]);
    outcome.release();
    assert.equal(bench.load.total(), 0);
    const next = await bench.route(aRequest(), NEVER);
    outcome.release();
    assert.equal(bench.load.total(), 1);
    next.release();
    assert.equal(bench.load.total(), 0);
  });

  it('is back at zero after many requests at once', async () => {
    const outcomes = await Promise.all(
      Array.from({ length: 50 }, (_, i) => bench.route(aRequest({ strategy: STRATEGIES[i % 5] }), NEVER)),
    );
    assert.equal(bench.load.total(), 50);
    for (const outcome of outcomes) outcome.release();
    assert.equal(bench.load.total(), 0);
  });

  it('is seen by the next decision', async () => {
    const route = bench.create({ defaultStrategy: aStrategy('least-request') });
    const names = [];
    for (let i = 0; i < 3; i++) names.push(routed(await route(aRequest(), NEVER)).pod.name);
    assert.sameMembers(names, ['a', 'b', 'c']);
  });

  it('is not touched by a rejected request', async () => {
    const outcome = await bench.route(aRequest({}, { model: 'nobody', prompt: 'Hi' }), NEVER);
    assert.equal(bench.load.total(), 0);
    outcome.release();
    assert.equal(bench.load.total(), 0);
  });
});

describe('a request is rejected', () => {
  const BAD = 'fastest';
  const cases: { title: string; request: RouteRequest; error: Partial<ClientError> }[] = [
    {
      title: 'when its body is malformed',
      request: aRequest({ body: Buffer.from('{'), strategy: BAD }),
      error: { kind: 'malformed_body' },
    },
    {
      title: 'when nobody knows its model, before its strategy is looked at',
      request: aRequest({ strategy: BAD }, { model: 'nobody', prompt: 'Hi' }),
      error: { kind: 'unknown_model', model: 'nobody' },
    },
    {
      title: 'when its strategy is unknown, before pods are looked for',
      request: aRequest({ strategy: BAD }, { model: 'asleep', prompt: 'Hi' }),
      error: { kind: 'bad_strategy', strategy: BAD },
    },
    {
      title: 'when its strategy is known but in capitals',
      request: aRequest({ strategy: 'RANDOM' }),
      error: { kind: 'bad_strategy', strategy: 'RANDOM' },
    },
    {
      title: 'when no pod of its model is ready',
      request: aRequest({}, { model: 'asleep', prompt: 'Hi' }),
      error: { kind: 'no_ready_pod', model: 'asleep' },
    },
  ];
  for (const { title, request, error } of cases) {
    it(title, async () => {
      assert.include(rejected(await bench.route(request, NEVER)), error);
      assert.isEmpty(bench.tokenized);
    });
  }

  it('when the last pod leaves while its prompt is tokenized', async () => {
    bench.tokenize = async () => {
      bench.serving = [];
      return TOKENS;
    };
    assert.deepEqual(rejected(await bench.route(aRequest(), NEVER)), { kind: 'no_ready_pod', model: 'demo' });
    assert.equal(bench.load.total(), 0);
    assert.isEmpty(bench.remembered);
  });
});

describe('the strategy of a request', () => {
  const otherReasons: Readonly<Record<string, string>> = {
    'session-affinity': 'no_session',
    ...Object.fromEntries(ENGINE_STRATEGIES.map(name => [name, 'no_engine_metrics'])),
  };
  for (const strategy of STRATEGIES.filter(name => !usesPrefixes(aStrategy(name)))) {
    it(`may be ${strategy}, which does not tokenize`, async () => {
      const decision = routed(await bench.route(aRequest({ strategy }), NEVER));
      assert.deepEqual(
        [decision.strategy.text, decision.reason, decision.matchedBlocks, decision.totalBlocks],
        [strategy, otherReasons[strategy] ?? strategy, 0, 0],
      );
      assert.isEmpty(bench.tokenized);
      assert.isEmpty(bench.remembered);
    });
  }

  const precedence: [header: string | undefined, configured: string, expected: string][] = [
    [undefined, 'random', 'random'],
    ['', 'random', 'random'],
    [' \t ', 'random', 'random'],
    ['least-request', 'random', 'least-request'],
    ['  least-request ', 'random', 'least-request'],
    ['prefix-cache', 'random', 'prefix-cache'],
    [undefined, 'prefix-cache', 'prefix-cache'],
  ];
  for (const [strategy, defaultStrategy, expected] of precedence) {
    it(`is ${expected} for the header ${JSON.stringify(strategy)} and the setting ${defaultStrategy}`, async () => {
      const route = bench.create({ defaultStrategy: aStrategy(defaultStrategy) });
      const { decision } = await route(aRequest({ strategy }), NEVER);
      assert.deepInclude(decision, { strategy: aStrategy(expected) });
    });
  }

  describe('that nobody asks for, and none is configured', () => {
    const pass = (given: Partial<RouteRequest>, body?: unknown) =>
      bench.create({ defaultStrategy: 'pass' })(aRequest(given, body), NEVER);

    for (const strategy of [undefined, '', ' ']) {
      it(`leaves the request to Envoy’s routes for the header ${JSON.stringify(strategy)}`, async () => {
        const { decision } = await pass({ strategy, labels: 'no=pod', subset: [] });
        assert.deepEqual(decision, { kind: 'passed', model: 'demo' });
        assert.isEmpty(bench.tokenized);
        assert.equal(bench.load.total(), 0);
      });
    }

    it('does not where the client asks for one, also by a name that is none', async () => {
      assert.equal(routed(await pass({ strategy: 'random' })).strategy.text, 'random');
      assert.deepInclude(rejected(await pass({ strategy: 'pass' })), {
        kind: 'bad_strategy',
        strategy: 'pass',
      });
    });

    it('does not where the gateway has no routes, or no model is known', async () => {
      assert.equal(routed(await pass({ unroutable: 'any_pod' })).strategy.text, 'prefix-cache');
      assert.equal(routed(await pass({ extent: 'any_pod' })).reason, 'any_pod');
    });

    it('is an error all the same for models that are not served', async () => {
      assert.equal(rejected(await pass({}, { model: 'nobody', prompt: 'x' })).kind, 'unknown_model');
      assert.equal(rejected(await pass({}, { model: 'asleep', prompt: 'x' })).kind, 'no_ready_pod');
    });
  });

  it('takes turns when it is round-robin', async () => {
    const names = [];
    for (let i = 0; i < 6; i++) {
      names.push(routed(await bench.route(aRequest({ strategy: 'round-robin' }), NEVER)).pod.name);
    }
    assert.equal(names.join(''), 'abcabc');
  });
});

describe('pods that change while a prompt is tokenized', () => {
  it('are routed to as they are then: the holder has left', async () => {
    bench.tokenize = async () => {
      bench.serving = [a, c];
      return TOKENS;
    };
    bench.load.begin(a);
    const decision = routed(await bench.route(aRequest(), NEVER));
    assert.deepEqual([decision.pod, decision.reason], [c, 'no_match']);
  });

  it('are routed to as they are then: a pod has joined', async () => {
    const late = aPod({ name: 'late', port: 9 });
    bench.held = { late: 9 };
    bench.tokenize = async () => {
      bench.serving = [a, b, late];
      return TOKENS;
    };
    assert.equal(routed(await bench.route(aRequest(), NEVER)).pod, late);
  });
});

describe('a route by the beginning of a body', () => {
  const beginning = (text: string, given: Partial<RouteRequest> = {}) =>
    aRequest({ body: Buffer.from(text), extent: 'late_body', ...given });
  const MODEL_FIRST = '{"model":"demo","prompt":"Once upon';

  for (const extent of ['late_body', 'buffers_full'] as const) {
    it(`goes by load, without a look at the prompt, and says why: ${extent}`, async () => {
      bench.load.begin(a);
      bench.load.begin(b);
      const outcome = await bench.route(beginning(MODEL_FIRST, { extent }), NEVER);
      assert.deepInclude(routed(outcome), { pod: c, reason: extent, model: 'demo', matchedBlocks: 0 });
      assert.isEmpty([...bench.tokenized, ...bench.looked, ...bench.remembered]);
      assert.equal(bench.load.running(c), 1);
      outcome.release();
      assert.equal(bench.load.running(c), 0);
    });
  }

  it('follows a strategy that does not need the prompt', async () => {
    const decision = routed(await bench.route(beginning(MODEL_FIRST, { strategy: 'random' }), NEVER));
    assert.deepInclude(decision, { strategy: aStrategy('random'), reason: 'random' });
  });

  it('is not made where it does not name the model', async () => {
    const outcome = await bench.route(beginning('{"messages":[{"role":"user","content":"Once'), NEVER);
    assert.deepEqual(outcome.decision, { kind: 'undecided' });
    outcome.release();
    assert.deepEqual(
      [a, b, c].map(pod => bench.load.running(pod)),
      [0, 0, 0],
    );
  });

  it('is made all the same where all pods serve the same', async () => {
    bench.onlyModel = 'demo';
    const decision = routed(await bench.create({})(beginning('{"messages":['), NEVER));
    assert.deepInclude(decision, { reason: 'late_body', model: 'demo' });
  });

  it('rejects what it is enough to reject', async () => {
    assert.deepEqual(rejected(await bench.route(beginning('{"model":"nope",'), NEVER)), {
      kind: 'unknown_model',
      model: 'nope',
    });
    assert.deepEqual(rejected(await bench.route(beginning('{"model":"asleep",'), NEVER)), {
      kind: 'no_ready_pod',
      model: 'asleep',
    });
    const odd = beginning(MODEL_FIRST, { strategy: 'odd' });
    assert.deepInclude(rejected(await bench.route(odd, NEVER)), { kind: 'bad_strategy', strategy: 'odd' });
  });
});

describe('the adapter of a request', () => {
  const asked = async (body: object) => {
    const decision = routed(await bench.route(aRequest({}, { prompt: 'Hi', ...body }), NEVER));
    const { model, adapter } = bench.looked.at(-1)!.prompt as { model: string; adapter: string | undefined };
    assert.equal(decision.model, model);
    return [model, adapter];
  };

  it('is what stands behind the model, where that is no model by itself', async () => {
    assert.deepEqual(await asked({ model: 'demo' }), ['demo', undefined]);
    assert.deepEqual(await asked({ model: 'demo:sql' }), ['demo', 'sql']);
    assert.deepEqual(await asked({ model: 'demo', lora_path: 'sql' }), ['demo', 'sql']);
  });

  it('is none of a model that is not served', async () => {
    for (const model of ['other:sql', 'demo:', ':sql', ':', 'sql:demo', 'demo:a:b'])
      assert.deepEqual(rejected(await bench.route(aRequest({}, { model, prompt: 'Hi' }), NEVER)), {
        ...{ kind: 'unknown_model', model },
      });
  });
});

describe('a request with a cache key that events do not tell', () => {
  const keyed = (extra_key: string, prompt = 'tell me a story. '.repeat(20)) =>
    bench.route(aRequest({}, { model: 'demo', prompt, extra_key }), NEVER);

  it('claims nothing from events, and goes where it went before', async () => {
    bench.held = { b: 7 };
    const outcome = await keyed('tenant');
    outcome.release();
    const first = routed(outcome);
    assert.deepInclude(first, { reason: 'private_key', withoutTokens: 'private_key', matchedBlocks: 0 });
    assert.isEmpty(bench.tokenized);
    const again = routed(await keyed('tenant'));
    assert.deepInclude(again, { reason: 'history_match', withoutTokens: 'private_key' });
    assert.equal(again.pod, first.pod);
    assert.equal(routed(await keyed('another')).reason, 'private_key');
  });
});
