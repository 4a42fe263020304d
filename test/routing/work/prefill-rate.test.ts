import { assert } from 'chai';
import fc from 'fast-check';
import { PrefillRate } from '../../../src/routing/work/prefill-rate.ts';

/** Steps one behind the other; returns when the last one was announced. */
function play(
  rate: PrefillRate,
  steps: readonly (readonly [tokens: number, ms: number])[],
  fromMs = 0,
): number {
  let now = fromMs;
  for (const [tokens, ms] of steps) {
    now += ms;
    rate.computed(tokens, fromMs, now);
  }
  return now;
}

function repeated(count: number, tokens: number, ms: number): (readonly [number, number])[] {
  return Array.from({ length: count }, () => [tokens, ms]);
}

describe('the prefill rate', () => {
  it('is not known before 4,096 tokens have been computed and the step is over', () => {
    const rate = new PrefillRate();
    const at = play(rate, [[4_096, 400]]);
    assert.isUndefined(rate.tokensPerMs);
    rate.computed(1, at, at + 1);
    assert.equal(rate.tokensPerMs, 10.24);
  });

  it('takes the time since the last step, or since the oldest prompt was sent', () => {
    const rate = new PrefillRate();
    rate.computed(8_000, 0, 1_000);
    // Sent during the step before.
    rate.computed(8_000, 500, 2_000);
    // Sent when nothing was computed.
    rate.computed(8_000, 59_000, 60_000);
    rate.computed(8_000, 60_000, 61_000);
    assert.approximately(rate.tokensPerMs!, 8, 1e-9);
  });

  it('takes what is announced at once for one step', () => {
    const rate = new PrefillRate();
    for (let step = 1; step <= 3; step++) {
      rate.computed(6_000, 0, 1_000 * step);
      rate.computed(2_000, 0, 1_000 * step + 0.2);
    }
    assert.approximately(rate.tokensPerMs!, 8, 0.01);
  });

  it('goes by large steps where small ones take a fixed time', () => {
    const rate = new PrefillRate();
    const stepMs = (tokens: number) => 12 + tokens / 10;
    const steps = [100, 8_192, 50, 200, 4_000, 100].map(tokens => [tokens, stepMs(tokens)] as const);
    play(rate, [...steps, ...steps]);
    assert.approximately(rate.tokensPerMs!, 10, 0.25);
  });

  it('follows an engine that becomes slower', () => {
    const rate = new PrefillRate();
    const at = play(rate, repeated(200, 8_000, 800));
    assert.approximately(rate.tokensPerMs!, 10, 1e-9);
    play(rate, repeated(200, 8_000, 1_600), at);
    assert.approximately(rate.tokensPerMs!, 5, 0.2);
  });

  it('counts a step that took for ever as one that was slow', () => {
    const rate = new PrefillRate();
    const at = play(rate, repeated(100, 8_000, 800));
    play(rate, [...repeated(1, 8_000, 3_600_000), ...repeated(1, 8_000, 800)], at);
    assert.isAtLeast(rate.tokensPerMs!, 6);
  });

  it('lies between the slowest and the fastest step', () => {
    const step = fc.tuple(fc.integer({ min: 1, max: 9_000 }), fc.integer({ min: 1, max: 100_000 }));
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 50, size: 'max' }), steps => {
        const rate = new PrefillRate();
        play(rate, steps);
        const known = rate.tokensPerMs;
        if (known === undefined) return;
        const rates = steps.map(([tokens, ms]) => tokens / ms);
        assert.isAtLeast(known, Math.max(0.01, 0.999 * Math.min(...rates)));
        assert.isAtMost(known, Math.min(10_000, 1.001 * Math.max(...rates)));
      }),
    );
  });

  it('is bounded whatever is announced', () => {
    const rate = new PrefillRate();
    let now = 0;
    for (const [tokens, waited] of [
      [1e9, 0.5],
      [5_000, -100],
      [0, 10],
      [1e12, 0],
      [1, 1e12],
    ] as const) {
      now += 5;
      rate.computed(tokens, now - waited, now);
      const known = rate.tokensPerMs;
      if (known !== undefined) assert.isTrue(known >= 0.01 && known <= 10_000);
    }
  });
});
