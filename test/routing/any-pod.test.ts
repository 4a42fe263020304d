import { assert } from 'chai';
import { ANY_MODEL } from '../../src/domain.ts';
import { PodRegistry } from '../../src/pods/registry.ts';
import { withAnyPod } from '../../src/routing/any-pod.ts';
import { createCandidates } from '../../src/routing/candidates.ts';
import type { Route, RouteRequest } from '../../src/routing/route.ts';
import { aPod } from '../support/builders.ts';
import { aRequest, NEVER, RouteBench, rejected, routed } from '../support/route-bench.ts';

describe('for a gateway that needs a pod for every request', () => {
  let registry: PodRegistry;
  let route: Route;

  beforeEach(() => {
    registry = new PodRegistry();
    registry.replace([anEntry('demo', 1), anEntry('sql', 2)]);
    const bench = new RouteBench();
    const candidates = createCandidates({ registry, health: bench.health });
    route = withAnyPod(bench.create({ registry, candidates }));
  });

  function anEntry(model: string, port: number) {
    const pod = aPod({ name: `${model}-${port}`, port, model });
    return { spec: { model, aliases: [] }, pods: [pod] } as unknown as Parameters<
      PodRegistry['replace']
    >[0][number];
  }

  const garbage = Buffer.from([0xff, 0x00]);
  const cases: [what: string, request: RouteRequest][] = [
    ['a body that is not JSON', aRequest({ body: garbage })],
    ['a model that is not served', aRequest({}, { model: 'nobody', prompt: 'x' })],
    ['no model, where pods serve different ones', aRequest({}, { prompt: 'x' })],
    ['a beginning that names no model', aRequest({ body: Buffer.from('{"prompt":"'), extent: 'late_body' })],
    ['a request whose body does not matter', aRequest({ body: Buffer.alloc(0), extent: 'any_pod' })],
  ];
  for (const [what, request] of cases) {
    it(`${what} goes to the least loaded of all`, async () => {
      const picked = new Set<string>();
      for (let i = 0; i < 2; i++) {
        const decision = routed(await route({ ...request, unroutable: 'any_pod' }, NEVER));
        assert.deepInclude(decision, { reason: 'any_pod', model: ANY_MODEL, matchedBlocks: 0 });
        picked.add(decision.pod.name);
      }
      assert.sameMembers([...picked], ['demo-1', 'sql-2']);
    });

    if (request.extent !== 'any_pod')
      it(`${what} does not, elsewhere`, async () => {
        assert.notEqual((await route(request, NEVER)).decision.kind, 'routed');
      });
  }

  it('what is wrong but names a model goes to one of its pods', async () => {
    for (let i = 0; i < 3; i++) {
      const request = aRequest({ unroutable: 'any_pod' }, { model: 'sql' });
      assert.deepInclude(routed(await route(request, NEVER)), { reason: 'any_pod', model: 'sql' });
    }
  });

  it('there is an error where there is no pod at all', async () => {
    registry.replace([]);
    for (const [, request] of cases) {
      const error = rejected(await route({ ...request, unroutable: 'any_pod' }, NEVER));
      assert.deepEqual(error, { kind: 'no_ready_pod', model: ANY_MODEL });
    }
  });

  it('what asks for a strategy and would go on without a pod gets one, and elsewhere what is wrong is still an error', async () => {
    const body = Buffer.from('{"prompt":"');
    const beginning = aRequest({ body, extent: 'late_body', strategy: 'random' });
    assert.deepInclude(routed(await route(beginning, NEVER)), { reason: 'random', model: ANY_MODEL });
    const blank = await route({ ...beginning, strategy: ' ' }, NEVER);
    assert.equal(blank.decision.kind, 'undecided');
    const wrong = aRequest({ strategy: 'random' }, { model: 'nobody', prompt: 'x' });
    assert.equal(rejected(await route(wrong, NEVER)).kind, 'unknown_model');
  });

  it('what is named and served, or wrong in another way, is as everywhere', async () => {
    const given = { unroutable: 'any_pod' } as const;
    assert.equal(routed(await route(aRequest(given), NEVER)).model, 'demo');
    const odd = rejected(await route(aRequest({ ...given, strategy: 'odd' }), NEVER));
    assert.equal(odd.kind, 'bad_strategy');
  });
});
