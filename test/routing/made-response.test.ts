import { assert } from 'chai';
import { endpointOf } from '../../src/domain.ts';
import type { RouteOutcome, RouteRequest } from '../../src/routing/route.ts';
import { aStrategy } from '../support/builders.ts';
import { a, aRequest, b, c, NEVER, RouteBench, routed } from '../support/route-bench.ts';

const FIELDS = { model: 'demo', input: 'Hi' };
const asking = (fields: object, given: Partial<RouteRequest> = {}) =>
  aRequest({ path: '/v1/responses', ...given }, { ...FIELDS, ...fields });
const PREVIOUS = { previous_response_id: 'r1' };

describe('Requests for responses', () => {
  let bench: RouteBench;

  beforeEach(() => {
    bench = new RouteBench();
    for (const pod of [a, b, c]) {
      bench.responses.joined(pod);
      bench.health.joined(pod);
    }
    bench.responses.made('r1', endpointOf(c), 'whole');
  });

  const decide = (request: RouteRequest) => bench.route(request, NEVER);
  const fail = (pod: typeof a) => {
    for (let i = 0; i < 4; i++)
      bench.health.sent(pod, 'watched', 'x').answered({ status: 500, servedBy: undefined });
  };

  it('go to the pod that made the one they continue, whatever the prefix and the load say', async () => {
    for (let i = 0; i < 9; i++) bench.load.begin(c);
    const decision = routed(await decide(asking(PREVIOUS)));
    assert.deepInclude(decision, { pod: c, reason: 'response_owner', matchedBlocks: 0 });
    assert.notInclude(decision.retries, c);
    assert.isEmpty(bench.tokenized);
  });

  it('also with a strategy that does not look at prompts', async () => {
    const decision = routed(await decide(asking(PREVIOUS, { strategy: 'random' })));
    assert.deepInclude(decision, {
      pod: c,
      reason: 'response_owner',
      strategy: aStrategy('random'),
    });
  });

  it('also when only the beginning of the body is there', async () => {
    for (const extent of ['late_body', 'too_intricate', 'any_pod'] as const) {
      const body = Buffer.from('{"model":"demo","previous_response_id":"r1","input":"');
      assert.deepInclude(routed(await decide(asking({}, { body, extent }))), {
        pod: c,
        reason: 'response_owner',
      });
    }
  });

  for (const [what, request] of [
    ['an id that is not known', asking({ previous_response_id: 'r2' })],
    ['an id that is none', asking({ previous_response_id: 7 })],
    [
      'the id in another API',
      aRequest({ path: '/v1/chat/completions' }, { model: 'demo', messages: [{}], ...PREVIOUS }),
    ],
    ['the owner outside its filter', asking(PREVIOUS, { subset: [endpointOf(a), endpointOf(b)] })],
  ] as const) {
    it(`go by prefix with ${what}`, async () => {
      assert.deepInclude(routed(await decide(request)), { pod: b, reason: 'prefix_match' });
    });
  }

  it('go by prefix when the owner has left', async () => {
    bench.responses.left(c);
    assert.deepInclude(routed(await decide(asking(PREVIOUS))), { pod: b, reason: 'prefix_match' });
  });

  it('go elsewhere while the owner fails, and to it when all do', async () => {
    fail(c);
    assert.deepInclude(routed(await decide(asking(PREVIOUS))), { pod: b, reason: 'prefix_match' });
    fail(a);
    fail(b);
    assert.deepInclude(routed(await decide(asking(PREVIOUS))), { pod: c, reason: 'response_owner' });
  });

  it('are not sent to find out how another pod is', async () => {
    fail(a);
    bench.clock.advance(60_000);
    assert.deepInclude(routed(await decide(asking(PREVIOUS))), { pod: c, reason: 'response_owner' });
    assert.deepInclude(routed(await decide(asking({}))), { pod: a, reason: 'trial' });
  });

  const READ = '{"id":"r9"}';
  const answer = (outcome: RouteOutcome, servedBy = endpointOf(routed(outcome).pod)) => {
    outcome.answered({ status: 200, servedBy });
    return outcome.readAnswer?.(Buffer.from(READ));
  };

  it('are remembered with the pod that was picked, or that served in its place', async () => {
    assert.equal(answer(await decide(asking({}))), 'enough');
    assert.equal(bench.responses.among([a, b, c], 'r9'), b);
    answer(await decide(asking({ stream: true })), endpointOf(a));
    assert.equal(bench.responses.among([a, b, c], 'r9'), a);
    const outcome = await decide(asking({}));
    outcome.readAnswer?.(Buffer.from(READ));
    assert.equal(bench.responses.among([a, b, c], 'r9'), b);
  });

  it('are read until there is an id', async () => {
    const { readAnswer } = await decide(asking({}));
    assert.equal(readAnswer?.(Buffer.from('{"id":"r')), 'more');
    assert.equal(readAnswer?.(Buffer.from('9"')), 'enough');
    assert.equal(bench.responses.among([b], 'r9'), b);
  });

  it('are not read where nothing is kept', async () => {
    for (const request of [asking({ store: false }), aRequest(), aRequest({ path: '/v1/responses/render' })])
      assert.isUndefined((await decide(request)).readAnswer);
  });
});
