import { assert } from 'chai';
import type { Pod } from '../../src/domain.ts';
import { createShedding, queueAt } from '../../src/routing/shedding.ts';
import { anEngineLoad, UNKNOWN_LOAD } from '../support/builders.ts';
import { a, aRequest, b, c, NEVER, RouteBench, rejected, routed } from '../support/route-bench.ts';

describe('The queue of a pod', () => {
  it('is what this router has in flight there, or all that the engine has', () => {
    assert.equal(queueAt(3, UNKNOWN_LOAD), 3);
    assert.equal(queueAt(3, anEngineLoad({ running: 2, waiting: 5 })), 7);
    assert.equal(queueAt(3, anEngineLoad()), 3, 'what the engine said is older');
  });
});

describe('A request that may be dropped', () => {
  let bench: RouteBench;
  let queues: Record<string, number>;
  const decide = (given: Parameters<typeof aRequest>[0], body?: unknown) => {
    const queueOf = ({ name }: Pod) => queues[name] ?? 0;
    const route = bench.create({ areFull: createShedding({ queue: 3, queueOf }) });
    return route(aRequest({ priority: -1, ...given }, body), NEVER);
  };

  beforeEach(() => {
    bench = new RouteBench();
    for (const pod of [a, b, c]) bench.health.joined(pod);
    queues = { a: 3, b: 4, c: 3 };
  });

  it('is, while every pod has enough to do, before anything is done for it', async () => {
    assert.deepEqual(rejected(await decide({})), { kind: 'shed', model: 'demo' });
    assert.isEmpty(bench.tokenized);
    assert.equal(bench.load.total(), 0);
  });

  it('is not while one has not', async () => {
    queues.a = 2;
    assert.equal(routed(await decide({})).pod, b, 'the holder, as ever');
  });

  for (const priority of [0, 1, 1e6]) {
    it(`is not with priority ${priority}`, async () => {
      assert.equal(routed(await decide({ priority })).pod, b);
    });
  }

  it('is not where nothing is configured', async () => {
    assert.equal(routed(await bench.route(aRequest({ priority: -1 }), NEVER)).pod, b);
  });

  it('looks only at pods that it may go to, and that are well', async () => {
    queues = { a: 0, b: 3, c: 3 };
    assert.equal(rejected(await decide({ subset: ['127.0.0.1:2', '127.0.0.1:3'] })).kind, 'shed');
    for (let i = 0; i < 2; i++)
      bench.health.sent(a, 'watched', 'x').answered({ status: 500, servedBy: undefined });
    assert.equal(rejected(await decide({})).kind, 'shed');
  });

  it('looks at the pod alone whose response it names', async () => {
    bench.responses.joined(c);
    bench.responses.made('r1', '127.0.0.1:3' as never, 'whole');
    queues = { c: 3 };
    const path = '/v1/responses';
    const body = { model: 'demo', input: 'x', previous_response_id: 'r1' };
    assert.equal(rejected(await decide({ path }, body)).kind, 'shed');
    assert.equal(routed(await decide({ path, priority: 0 }, body)).pod, c);
  });
});
