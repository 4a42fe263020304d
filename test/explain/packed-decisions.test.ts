/** Decisions that the read path makes, packed and read again. */
import { assert } from 'chai';
import fc from 'fast-check';
import type { Pod } from '../../src/domain.ts';
import { type KeptDecision, keptDecision } from '../../src/explain/kept-decision.ts';
import { isPackable, PackedDecisions } from '../../src/explain/packed-decisions.ts';
import type { RouteParts, RouteRequest } from '../../src/routing/route.ts';
import { aPod } from '../support/builders.ts';
import { aRequest, NEVER, RouteBench } from '../support/route-bench.ts';

const PLACES = 600;

async function decided(
  bench: RouteBench,
  given: Partial<RouteRequest> = {},
  parts: Partial<RouteParts> = {},
): Promise<KeptDecision> {
  const request = aRequest({ requestId: `r-${Math.random()}`, ...given });
  const { decision, course, release } = await bench.create(parts)(request, NEVER);
  release();
  return keptDecision({ request, decision, course, traceId: undefined, atMs: 17e11 + 0.5, tookMs: 1.25 });
}

describe('packed decisions', () => {
  it('are what they were, wherever they are put', async () => {
    const pods = Array.from({ length: 40 }, (_, i) =>
      aPod({ name: `engine-${i}`, port: i + 1, zone: `zone-${i % 3}` }),
    );
    const count = fc.constantFrom(2, 3, 8, 18, 19, 40);
    const names = fc.dictionary(fc.constantFrom(...pods.map(({ name }) => name)), fc.nat(10));
    const offGpu = fc.dictionary(
      fc.constantFrom(...pods.map(({ name }) => name)),
      fc.record({ cpu: fc.nat(5), storage: fc.nat(5) }),
    );
    const busy = fc.array(fc.constantFrom(...pods), { maxLength: 30 });
    const traceId = fc.option(fc.string(), { nil: undefined });
    const fleet = fc.record({ count, held: names, ranks: names, offGpu, busy });
    const record = fc.record({
      place: fc.nat(PLACES),
      traceId,
      prompt: fc.constantFrom('the prompt', ''),
      steering: fc.constantFrom('steered', 'left', 'observed'),
      strategy: fc.constantFrom('prefix-cache', 'prefix-cost'),
      zonePenalties: fc.constantFrom(
        () => undefined,
        (pods: readonly Pod[]) => Float64Array.from(pods, ({ zone }) => (zone === 'zone-0' ? 0 : 2.5)),
      ),
    });
    await fc.assert(
      fc.asyncProperty(fleet, record, async (given, { place, prompt, strategy, zonePenalties, ...times }) => {
        const bench = new RouteBench();
        const { held, ranks, offGpu } = given;
        Object.assign(bench, { serving: pods.slice(0, given.count), held, ranks, offGpu });
        for (const pod of given.busy) bench.load.begin(pod);
        const parts = { excerptOf: () => prompt, zonePenalties };
        const kept = { ...(await decided(bench, { strategy }, parts)), ...times };
        const other = await decided(new RouteBench());
        if (!isPackable(kept) || !isPackable(other)) assert.fail('not packed');
        const packed = new PackedDecisions();
        // Neighbours keep to their places.
        for (const beside of [place - 1, place + 1]) if (beside >= 0) packed.put(beside, other);
        packed.put(place, kept);
        assert.deepEqual(packed.get(place), kept);
        const { pod, reason, withoutTokens } = kept.outcome;
        const reasons = [reason, withoutTokens];
        assert.deepEqual(packed.glance(place), { id: kept.id, model: kept.model, pod: pod.name, reasons });
        packed.put(place, other);
        assert.deepEqual(packed.get(place), other, 'nothing is left of the one before');
        packed.drop(place);
        assert.deepEqual(packed.get(place + 1), other);
      }),
      { numRuns: 150 },
    );
  });

  it('are those by prefix alone, with nothing that is not there most of the time', async () => {
    const strategies = ['least-request', 'prefix-cache:2,least-request:1', 'random'];
    const rows = await Promise.all([
      ...strategies.map(strategy => decided(new RouteBench(), { strategy })),
      decided(new RouteBench(), { strategy: 'no such' }),
    ]);
    assert.deepEqual(rows.map(isPackable), [false, false, false, false]);
    assert.isTrue(isPackable(await decided(new RouteBench())));
  });
});
