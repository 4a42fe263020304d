import { assert } from 'chai';
import { Samples, type SamplesOptions, type Totals } from '../../../src/ops/console/samples.ts';
import { Distribution } from '../../../src/ops/metrics/read-metrics.ts';

const NOTHING: Totals = {
  ...{ decisions: 0, promptBlocks: 0, matchedBlocks: 0 },
  ...{ decisionSeconds: [], firstByteSeconds: [], inFlight: [] },
};

describe('Samples', () => {
  let totals: Totals;
  let nowMs: number;

  beforeEach(() => {
    totals = NOTHING;
    nowMs = 1_000_000;
  });

  function start(options: Partial<SamplesOptions> = {}): Samples {
    return new Samples({ read: () => totals, now: () => nowMs, everySeconds: 5, length: 4, ...options });
  }

  function take(samples: Samples, next: Partial<Totals>) {
    totals = { ...totals, ...next };
    nowMs += 5_000;
    return samples.take();
  }

  it('measure what was since the one before', () => {
    totals = { ...NOTHING, decisions: 100, promptBlocks: 1_000, matchedBlocks: 10 };
    const samples = start();
    take(samples, { decisions: 110, promptBlocks: 1_040, matchedBlocks: 40 });
    const { at, values } = take(samples, { decisions: 115, promptBlocks: 1_060, matchedBlocks: 55 });
    assert.equal(at, 1_010);
    assert.deepInclude(values, { decisionsPerSecond: 1, promptBlocks: 20, hitRate: 0.75 });
  });

  it('have nothing to say of times in which nothing was', () => {
    const { values } = take(start(), {});
    assert.deepEqual(values, {
      ...{ decisionsPerSecond: 0, promptBlocks: 0, hitRate: null, decisionP50: null, decisionP99: null },
      ...{ firstByteP50: null, firstByteP99: null },
    });
  });

  it('take totals that have fallen, as those of a model that is gone, for nothing new', () => {
    totals = { ...NOTHING, decisions: 100, promptBlocks: 1_000, matchedBlocks: 900 };
    const { values } = take(start(), { decisions: 4, promptBlocks: 30, matchedBlocks: 2 });
    assert.deepInclude(values, { decisionsPerSecond: 0, promptBlocks: 0, hitRate: null });
  });

  it('find quantiles between the bounds of buckets, over all series', () => {
    const routed = new Distribution({}, [1, 2, 4]);
    const rejected = new Distribution({}, [1, 2, 4]);
    totals = {
      ...NOTHING,
      decisionSeconds: [routed, rejected],
      firstByteSeconds: [new Distribution({}, [1])],
    };
    routed.record(3);
    const samples = start();
    for (let i = 0; i < 50; i++) routed.record(0.5);
    for (let i = 0; i < 50; i++) rejected.record(1.5);
    const { values } = take(samples, {});
    assert.deepEqual([values.decisionP50, values.decisionP99, values.firstByteP50], [1, 1.98, null]);
  });

  it('say of what is above all bounds no more than that', () => {
    const slow = new Distribution({}, [1, 2]);
    totals = { ...NOTHING, decisionSeconds: [slow] };
    const samples = start();
    slow.record(60);
    assert.equal(take(samples, {}).values.decisionP50, 2);
  });

  it('find the quantiles of the first times in a series that has only just begun', () => {
    const samples = start();
    const series = new Distribution({}, [1, 2]);
    series.record(1.5);
    assert.equal(take(samples, { decisionSeconds: [series] }).values.decisionP50, 1.5);
  });

  it('keep the last ones, oldest first', () => {
    const samples = start();
    for (let decisions = 5; decisions <= 30; decisions += 5) take(samples, { decisions: decisions ** 2 });
    const { at, everySeconds, series } = samples.history();
    assert.equal(everySeconds, 5);
    assert.deepEqual(at, [1_015, 1_020, 1_025, 1_030]);
    assert.deepEqual(series.decisionsPerSecond, [25, 35, 45, 55]);
    assert.deepEqual(series.hitRate, [null, null, null, null]);
  });

  it('know how much was in flight on each pod, from when it came', () => {
    const samples = start();
    take(samples, { inFlight: [['a', 1]] });
    const { load } = take(samples, {
      inFlight: [
        ['__proto__', 7],
        ['a', 2],
      ],
    });
    assert.deepEqual(load, [
      ['__proto__', 7],
      ['a', 2],
    ]);
    assert.deepEqual(samples.history().load, [
      { pod: '__proto__', running: [null, 7] },
      { pod: 'a', running: [1, 2] },
    ]);
  });

  it('forget pods that are gone', () => {
    const samples = start();
    take(samples, { inFlight: [['a', 1]] });
    take(samples, { inFlight: [['b', 3]] });
    assert.deepEqual(samples.history().load, [{ pod: 'b', running: [null, 3] }]);
    take(samples, { inFlight: [['a', 1]] });
    assert.deepEqual(samples.history().load, [{ pod: 'a', running: [null, null, 1] }]);
  });

  it('show of a large fleet those with most in flight', () => {
    const samples = start();
    const inFlight = Array.from({ length: 100 }, (_, i) => [`pod-${i}`, i] as const);
    const { load } = take(samples, { inFlight });
    assert.deepEqual([load.length, load[0], load.at(-1)], [32, ['pod-99', 99], ['pod-68', 68]]);
    assert.deepEqual(
      samples.history().load.map(({ pod }) => pod),
      load.map(([pod]) => pod),
    );
  });
});
