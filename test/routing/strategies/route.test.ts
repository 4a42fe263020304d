import { assert } from 'chai';
import { endpointOf } from '../../../src/domain.ts';
import { TokenizerError } from '../../../src/prompt/tokenizer.ts';
import { sessionIdOf } from '../../../src/routing/policy.ts';
import { anEngineLoad, aStrategy } from '../../support/builders.ts';
import { a, aRequest, b, c, NEVER, RouteBench, routed } from '../../support/route-bench.ts';

describe('a route by AIBrix’s strategies', () => {
  let bench: RouteBench;

  beforeEach(() => {
    bench = new RouteBench();
    for (const pod of [a, b, c]) bench.health.joined(pod);
  });

  const decide = async (given: Parameters<typeof aRequest>[0], body?: unknown) =>
    routed(await bench.route(aRequest(given, body), NEVER));

  /** It answers two requests with an error. */
  function fail(pod: typeof a): void {
    for (let i = 0; i < 2; i++)
      bench.health.sent(pod, 'watched', 'x').answered({ status: 500, servedBy: undefined });
  }

  it('knows the prompt in a weighted list that asks for it, and remembers it', async () => {
    bench.load.begin(b);
    const strategy = 'prefix-cache:2,least-request';
    const decision = await decide({ strategy });
    assert.deepInclude(decision, {
      ...{ pod: b, reason: 'weighted', strategy: aStrategy(strategy) },
      ...{ matchedBlocks: 7, totalBlocks: 10 },
    });
    assert.deepEqual(bench.remembered, ['b']);
    assert.equal((await decide({ strategy: 'prefix-cache,least-request:2' })).pod, a);
  });

  it('does not tokenize for a list without it', async () => {
    await decide({ strategy: 'throughput,least-request' });
    assert.isEmpty(bench.tokenized);
  });

  it('lets the others decide where the prompt has no tokens, and says so', async () => {
    bench.tokenize = async () => {
      throw new TokenizerError('unavailable', 'no');
    };
    bench.load.begin(a);
    bench.load.begin(b);
    const decision = await decide({ strategy: 'prefix-cache:9,least-request' });
    assert.deepInclude(decision, { pod: c, reason: 'weighted', withoutTokens: 'tokenizer_failed' });
  });

  it('lets the others decide where the index fails, or there is no prompt', async () => {
    bench.lookup = () => {
      throw new Error('broken');
    };
    bench.load.begin(a);
    bench.load.begin(b);
    const strategy = 'prefix-cache:9,least-request';
    assert.deepInclude(await decide({ strategy }), { pod: c, reason: 'index_failed' });
    const embeddings = await decide({ strategy, path: '/v1/embeddings' }, { model: 'demo', input: 'Hi' });
    assert.equal(embeddings.reason, 'no_prompt');
  });

  it('compares what engines say', async () => {
    bench.engineLoads = { a: anEngineLoad({ kvUsage: 0.5 }), b: anEngineLoad({ kvUsage: 0.4 }) };
    assert.deepInclude(await decide({ strategy: 'least-kv-cache' }), { pod: b, reason: 'least-kv-cache' });
    bench.engineLoads = {};
    assert.equal((await decide({ strategy: 'least-kv-cache' })).reason, 'no_engine_metrics');
  });

  describe('of a session', () => {
    const strategy = 'session-affinity';
    const at = (pod: typeof a) => ({
      strategy,
      session: { id: sessionIdOf(endpointOf(pod)), key: undefined },
    });

    it('goes where it was, whatever the load, and not to find out how a pod is', async () => {
      for (let i = 0; i < 5; i++) bench.load.begin(b);
      fail(a);
      bench.clock.advance(60_000);
      assert.deepInclude(await decide(at(b)), { pod: b, reason: 'session_id' });
      assert.deepInclude(await decide({ strategy }), { pod: a, reason: 'trial' });
    });

    it('goes elsewhere while its pod fails', async () => {
      fail(b);
      const decision = await decide(at(b));
      assert.equal(decision.reason, 'no_session');
      assert.notEqual(decision.pod, b);
    });

    it('goes only where the request may go', async () => {
      const decision = await decide({ ...at(b), subset: [endpointOf(c)] });
      assert.deepInclude(decision, { pod: c, reason: 'no_session' });
    });
  });
});
