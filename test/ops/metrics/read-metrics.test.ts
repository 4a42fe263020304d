import { assert } from 'chai';
import fc from 'fast-check';
import { Histogram, Registry } from 'prom-client';
import { createExposition } from '../../../src/ops/metrics/exposition.ts';
import { Distribution, ReadHistogram } from '../../../src/ops/metrics/read-metrics.ts';

async function textOf(registry: Registry): Promise<string> {
  return Buffer.concat(await createExposition(registry, () => {})()).toString();
}

describe('a histogram that is read at the scrape', () => {
  it('says what prom-client says of the same values', async () => {
    const bounds = [0.001, 0.5, 1, 10];
    const anyValue = fc.oneof(fc.constantFrom(0, ...bounds), fc.double({ min: 0, max: 20, noNaN: true }));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom('a', 'b'), anyValue), { minLength: 1 }),
        async values => {
          const options = {
            name: 'h_seconds',
            help: 'of tests',
            labelNames: ['stage'] as const,
            buckets: bounds,
          };
          const [theirs, ours] = [new Registry(), new Registry()];
          const expected = new Histogram({ ...options, registers: [theirs] });
          const series = new Map<string, Distribution<'stage'>>();
          new ReadHistogram({ ...options, registers: [ours] }, () => series.values());
          for (const [stage, value] of values) {
            expected.observe({ stage }, value);
            if (!series.has(stage)) series.set(stage, new Distribution({ stage }, bounds));
            series.get(stage)!.record(value);
          }
          const [own, reference] = await Promise.all([ours, theirs].map(textOf));
          assert.equal(own, reference);
        },
      ),
    );
  });
});
