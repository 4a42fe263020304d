/** What `prefix-cost` picks, and why: each term by itself, then together. */
import { assert } from 'chai';
import { type EngineLoad, STRATEGIES } from '../../../src/domain.ts';
import { DEFAULT_COSTS, type Snapshot } from '../../../src/routing/policy.ts';
import { prefixCost, prefixCosts } from '../../../src/routing/strategies/prefix-cost.ts';
import { anEngineLoad, aPod, UNKNOWN_LOAD } from '../../support/builders.ts';
import { pickedBy, snapshotOf } from '../../support/candidates.ts';

interface Row {
  readonly matched?: number;
  readonly queued?: number;
  readonly decoding?: number;
  readonly rate?: number;
  readonly load?: EngineLoad;
}

const BLOCK = 16;
const PROMPT_BLOCKS = 1_000;

/** A prompt of a thousand blocks of 16 tokens; pods that compute ten tokens a millisecond. */
function aSnapshot(rows: readonly Row[], changes: Partial<Snapshot> = {}): Snapshot {
  const pods = rows.map((_, i) => aPod({ name: 'abcdefgh'[i]!, port: 8_000 + i }));
  return {
    ...snapshotOf(
      rows.map(({ matched = 0 }) => [0, matched, PROMPT_BLOCKS]),
      () => 0,
    ),
    pods,
    promptTokens: BLOCK * PROMPT_BLOCKS,
    engineLoad: pod => rows[pods.indexOf(pod)]!.load ?? UNKNOWN_LOAD,
    work: () => ({
      queuedTokens: Float64Array.from(rows, ({ queued = 0 }) => queued),
      decoding: Uint32Array.from(rows, ({ decoding = 0 }) => decoding),
      prefillRate: Float64Array.from(rows, ({ rate = 10 }) => rate),
      meanRate: rows.reduce((sum, { rate = 10 }) => sum + rate, 0) / rows.length,
      meanPromptTokens: 1_000,
    }),
    ...changes,
  };
}

const pick = (snapshot: Snapshot, options = DEFAULT_COSTS) =>
  pickedBy(each => prefixCost(each, options), snapshot);
const costsOf = (snapshot: Snapshot, options = DEFAULT_COSTS) => [...prefixCosts(snapshot, options).costs];

describe('prefix-cost', () => {
  it('is the first of the strategies', () => {
    assert.equal(STRATEGIES[0], 'prefix-cost');
  });

  it('reckons in milliseconds until the first token, where nobody waits', () => {
    const rows = [{ matched: 1_000 }, { matched: 500 }, {}, { rate: 40 }];
    assert.deepEqual(costsOf(aSnapshot(rows)), [0.1, 800, 1_600, 400]);
  });

  const FREE = { ...DEFAULT_COSTS, recomputePrice: 0, saturationPrice: 0 };
  const cases: readonly [what: string, rows: readonly Row[], picked: string][] = [
    ['the pod that holds most of it', [{}, { matched: 10 }, { matched: 900 }], 'c'],
    ['a holder that one request runs on, on an idle fleet', [{ matched: 175, decoding: 1 }, {}, {}], 'a'],
    [
      'another one, where more waits before it than it would save',
      [{ matched: 500, queued: 9_000 }, {}],
      'b',
    ],
    ['the holder, where less waits before it', [{ matched: 500, queued: 7_000 }, {}], 'a'],
    ['the least queue, where nobody holds anything', [{ queued: 10 }, { queued: 9 }, { queued: 11 }], 'b'],
    ['the faster of two that are idle', [{ rate: 5 }, { rate: 6 }], 'b'],
    ['a slow holder, where computing elsewhere takes longer', [{ matched: 900, rate: 2 }, { rate: 10 }], 'a'],
    ['a fast stranger, where it is there sooner', [{ matched: 900, rate: 0.5 }, { rate: 10 }], 'b'],
  ];
  for (const [what, rows, picked] of cases) {
    it(`picks ${what}`, () => assert.equal(pick(aSnapshot(rows), FREE), picked));
  }

  it('computes again what another pod holds only where that is worth its price', () => {
    const rows = [{ matched: 500, queued: 9_000 }, { queued: 500 }, { queued: 20_000 }];
    assert.equal(pick(aSnapshot(rows), FREE), 'b');
    assert.equal(pick(aSnapshot(rows)), 'a');
  });

  it('has no price where nobody waits, and the full one where all wait for long', () => {
    const { price } = prefixCosts(aSnapshot([{}, {}]), DEFAULT_COSTS);
    assert.equal(price, 0);
    const busy = prefixCosts(aSnapshot([{ queued: 1e9 }, { queued: 0 }]), DEFAULT_COSTS);
    assert.closeTo(busy.price, DEFAULT_COSTS.recomputePrice, 0.001);
    const between = prefixCosts(aSnapshot([{ queued: 32_000 }, { queued: 0 }]), DEFAULT_COSTS);
    assert.closeTo(between.price, DEFAULT_COSTS.recomputePrice / 4, 0.001, 'as long as the prompt');
  });

  it('has a higher price for each prompt that waits even where the queue is the shortest', () => {
    const options = { ...DEFAULT_COSTS, recomputePrice: 0, saturationPrice: 2 };
    const priceAt = (...queued: number[]) =>
      prefixCosts(aSnapshot(queued.map(tokens => ({ queued: tokens }))), options).price;
    assert.equal(priceAt(0, 9_000), 0);
    assert.equal(priceAt(1_000, 9_000), 2);
    assert.equal(priceAt(3_000, 3_000), 6);
    assert.equal(priceAt(9_000_000, 9_000_000), 20, 'of ten of them at the most');
  });

  it('has one price for a token, on slow pods and on fast ones', () => {
    const rows = [
      { queued: 1_000, rate: 5 },
      { queued: 3_000, rate: 15 },
    ];
    const options = { ...DEFAULT_COSTS, recomputePrice: 0, saturationPrice: 1 };
    // 200 ms of 10 tokens each wait at both, which is what two prompts take.
    assert.deepEqual(costsOf(aSnapshot(rows), options), [
      (1_000 + 16_000) / 5 + (2 * 16_000) / 10,
      (3_000 + 16_000) / 15 + (2 * 16_000) / 10,
    ]);
  });

  it('weighs what decodes there', () => {
    const options = { ...FREE, decodeTokens: 300 };
    assert.deepEqual(costsOf(aSnapshot([{ decoding: 2 }, {}]), options), [1_660, 1_600]);
  });

  it('weighs what is held off the GPU by what loading it costs', () => {
    const offGpu = { cpu: [0, 400, 0], storage: [0, 0, 400] };
    const rows = [{ matched: 500 }, { matched: 500 }, { matched: 500 }];
    const costs = costsOf(aSnapshot(rows, { offGpu }), { ...FREE, cpuLoadShare: 0.1, storageLoadShare: 0.5 });
    assert.deepEqual(costs, [800, 800 + 64, 800 + 320]);
  });

  it('weighs whether the adapter is loaded, and whether there is a place for it', () => {
    const adapters = (running: string[], waiting: string[] = []) => ({
      load: anEngineLoad({ adapters: { running, waiting, max: 2 } }),
    });
    const rows = [
      adapters(['tuned', 'x']),
      adapters(['x'], ['tuned']),
      adapters(['x']),
      adapters(['x', 'y']),
      {},
    ];
    const options = { ...FREE, adapterLoadMs: 100 };
    const costs = costsOf(aSnapshot(rows, { adapter: 'tuned' }), options);
    assert.deepEqual(
      costs.map(cost => cost - 1_600),
      [0, 0, 100, 200, 0],
    );
    assert.deepEqual(costsOf(aSnapshot(rows), options), [1_600, 1_600, 1_600, 1_600, 1_600]);
  });

  it('leaves the zone where what is held there is worth more than the way', () => {
    const rows = [{}, { matched: 10 }, { matched: 11 }];
    const inZones = (zonePenaltyMs: number) =>
      aSnapshot(rows, { zonePenaltiesMs: [0, zonePenaltyMs, zonePenaltyMs] });
    assert.deepEqual(costsOf(inZones(17)), [1_600, 1_584 + 17, 1_582.4 + 17]);
    assert.equal(pick(inZones(17)), 'c');
    assert.equal(pick(inZones(18)), 'a');
    const { zonePenaltyMs } = prefixCosts(inZones(17), FREE);
    assert.deepEqual([zonePenaltyMs, prefixCosts(aSnapshot(rows), FREE).zonePenaltyMs], [17, 0]);
  });

  it('leaves the zone where the queue is longer than the way', () => {
    const rows = [{ queued: 1_000 }, { queued: 500 }];
    assert.equal(pick(aSnapshot(rows, { zonePenaltiesMs: [0, 49] })), 'b');
    assert.equal(pick(aSnapshot(rows, { zonePenaltiesMs: [0, 51] })), 'a');
  });

  it('says whether the pod holds anything of it, or only others do', () => {
    const reasonOf = (rows: readonly Row[]) => prefixCost(aSnapshot(rows), FREE).reason;
    assert.equal(reasonOf([{ matched: 1 }, {}]), 'prefix_match');
    assert.equal(reasonOf([{ matched: 1, queued: 100 }, {}]), 'prefix_match_skipped');
    assert.equal(reasonOf([{}, {}]), 'no_match');
  });

  it('draws among equals', () => {
    const drawn = new Set(
      [0, 0.5, 0.9].map(chance => pick(aSnapshot([{}, {}, {}], { random: () => chance }))),
    );
    assert.deepEqual([...drawn], ['a', 'b', 'c']);
  });
});
