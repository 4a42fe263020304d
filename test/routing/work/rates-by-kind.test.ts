import { assert } from 'chai';
import fc from 'fast-check';
import { ratesByKind } from '../../../src/routing/work/rates-by-kind.ts';

const rounded = (rates: Float64Array) => Array.from(rates, rate => Math.round(100 * rate) / 100);

describe('rates by kind', () => {
  const rows: readonly [what: string, measured: readonly (number | undefined)[], rates: readonly number[]][] =
    [
      ['none known', [undefined, undefined], [10, 10]],
      ['equal engines that measure a little differently', [10, 11, 12], [11, 11, 11]],
      ['two kinds', [10, 5, 11, 4.5], [10.5, 4.75, 10.5, 4.75]],
      ['one that is slow', [10, 10, 2], [10, 10, 2]],
      ['a newcomer among two kinds', [undefined, 10, 5], [10, 10, 5]],
    ];
  for (const [what, measured, rates] of rows)
    it(what, () => assert.deepEqual(rounded(ratesByKind(measured)), rates));

  it('keep the order of what was measured, and its bounds', () => {
    const measured = fc.array(fc.double({ min: 0.01, max: 10_000, noNaN: true }), {
      minLength: 1,
      maxLength: 40,
    });
    fc.assert(
      fc.property(measured, all => {
        const rates = ratesByKind(all);
        for (const [i, one] of all.entries()) {
          for (const [j, other] of all.entries()) if (one > other) assert.isAtLeast(rates[i]!, rates[j]!);
          assert.isAtLeast(rates[i]!, Math.min(...all) * 0.999);
          assert.isAtMost(rates[i]!, Math.max(...all) * 1.001);
        }
      }),
    );
  });
});
