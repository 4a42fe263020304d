import { assert } from 'chai';
import { drawnOf } from '../../../src/routing/worth/drawn.ts';

describe('a share that is drawn', () => {
  it('is what the percentage says, each time for itself', () => {
    const numbers = [0, 0.024_9, 0.025, 0.5, 0.999, 0.01];
    const draw = drawnOf(2.5, () => numbers.shift()!);
    assert.deepEqual(
      [draw(), draw(), draw(), draw(), draw(), draw()],
      [true, true, false, false, false, true],
    );
  });

  it('is nothing at 0, and asks for no random number', () => {
    const draw = drawnOf(0, () => assert.fail());
    assert.isFalse(draw());
  });

  it('is everything at 100', () => {
    assert.isTrue(drawnOf(100, () => 1 - Number.EPSILON / 2)());
  });

  it('is near the percentage of many', () => {
    const draw = drawnOf(5, Math.random);
    let drawn = 0;
    for (let i = 0; i < 100_000; i++) drawn += Number(draw());
    // Eight standard deviations.
    assert.closeTo(drawn, 5_000, 8 * Math.sqrt(100_000 * 0.05 * 0.95));
  });
});
