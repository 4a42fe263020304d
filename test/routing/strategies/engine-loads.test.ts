import { assert } from 'chai';
import fc from 'fast-check';
import { type EngineLoad, type KnownEngineLoad, STRATEGIES } from '../../../src/domain.ts';
import { createPicker, DEFAULT_COSTS, policies, type Snapshot } from '../../../src/routing/policy.ts';
import { type ScoredName, scorersWith } from '../../../src/routing/strategies/scores.ts';
import { ENGINE_STRATEGIES } from '../../../src/strategies.ts';
import { anEngineLoad, aStrategy, UNKNOWN_LOAD } from '../../support/builders.ts';
import { assertUniform, type Row, snapshotOf, tally } from '../../support/candidates.ts';

const options = { imbalanceRequests: 8, standardDeviationFactor: 1, ...DEFAULT_COSTS };
const all = policies(options);

/** undefined: the engine has said nothing. */
type Loads = readonly (Partial<KnownEngineLoad> | undefined)[];

function snapshotWith(loads: Loads, rows: readonly Row[] = loads.map(() => [0]), random = () => 0): Snapshot {
  const known = loads.map((load): EngineLoad => (load ? anEngineLoad(load) : UNKNOWN_LOAD));
  return { ...snapshotOf(rows, random), engineLoad: ({ port }) => known[port - 8_000]! };
}

const requests = (given: Partial<KnownEngineLoad['recent']>) => ({
  recent: { ...anEngineLoad().recent, ...given },
});
/** As AIBrix's tests of least-latency write a pod: means of one request. */
const latency = (
  promptTokens: number,
  generatedTokens: number,
  prefillSeconds: number,
  decodeSeconds: number,
) => requests({ queueSeconds: 5, promptTokens, generatedTokens, prefillSeconds, decodeSeconds });
const tokens = (promptTokens: number, generatedTokens: number) => requests({ promptTokens, generatedTokens });
const kv = (kvUsage: number, cpuKvUsage: number) => ({ kvUsage, cpuKvUsage });
const busy = (busyShare: number) => ({ busyShare });

describe('the strategies that compare engines', () => {
  interface Case {
    readonly name: (typeof ENGINE_STRATEGIES)[number];
    readonly title: string;
    readonly loads: Loads;
    /** Every pod that may be picked. */
    readonly picks: string;
  }

  // From AIBrix's least_kv_cache_test.go, least_latency_test.go, throughput_test.go and least_busy_time_test.go.
  const published: readonly Case[] = [
    {
      name: 'least-kv-cache',
      title: 'adds up GPU and CPU',
      loads: [kv(0.2, 0.3), kv(0.1, 0.5), kv(0.6, 0.6), kv(0.6, 0.8)],
      picks: 'a',
    },
    {
      name: 'least-kv-cache',
      title: 'several are equal',
      loads: [kv(0.2, 0.3), kv(0.5, 0.5), kv(0.3, 0.2)],
      picks: 'ac',
    },
    { name: 'least-kv-cache', title: 'one says nothing', loads: [kv(0.2, 0.3), undefined], picks: 'a' },
    { name: 'least-kv-cache', title: 'nobody says anything', loads: [undefined, undefined], picks: 'ab' },
    {
      name: 'least-latency',
      title: 'compares times for equal lengths',
      loads: [
        latency(10, 100, 10, 10),
        latency(20, 200, 21, 21),
        latency(30, 300, 31, 31),
        latency(40, 400, 41, 41),
      ],
      picks: 'a',
    },
    {
      name: 'least-latency',
      title: 'several are equal',
      loads: [latency(10, 100, 10, 10), latency(20, 200, 21, 21), latency(30, 300, 30, 30)],
      picks: 'ac',
    },
    {
      name: 'least-latency',
      title: 'guesses the length of prompts',
      loads: [latency(0, 100, 10, 10), latency(0, 100, 20, 10)],
      picks: 'a',
    },
    {
      name: 'least-latency',
      title: 'guesses the length of generations',
      loads: [latency(10, 0, 10, 10), latency(10, 0, 10, 20)],
      picks: 'a',
    },
    {
      name: 'least-latency',
      title: 'one says nothing',
      loads: [latency(10, 100, 10, 10), undefined],
      picks: 'a',
    },
    { name: 'least-latency', title: 'nobody says anything', loads: [undefined, undefined], picks: 'ab' },
    {
      name: 'throughput',
      title: 'weighs prompts twice',
      loads: [tokens(1, 2), tokens(2, 1), tokens(3, 3), tokens(4, 4)],
      picks: 'a',
    },
    {
      name: 'throughput',
      title: 'several are equal',
      loads: [tokens(1, 4), tokens(5, 5), tokens(2, 2)],
      picks: 'ac',
    },
    { name: 'throughput', title: 'one says nothing', loads: [tokens(1, 2), undefined], picks: 'a' },
    { name: 'throughput', title: 'nobody says anything', loads: [undefined, undefined], picks: 'ab' },
    {
      name: 'least-busy-time',
      title: 'the least',
      loads: [busy(0.1), busy(0.5), busy(0.8), busy(0.9)],
      picks: 'a',
    },
    {
      name: 'least-busy-time',
      title: 'several are equal',
      loads: [busy(0.2), busy(0.7), busy(0.2)],
      picks: 'ac',
    },
    { name: 'least-busy-time', title: 'one says nothing', loads: [busy(0.5), undefined], picks: 'a' },
    { name: 'least-busy-time', title: 'one was never busy', loads: [busy(0.5), busy(0)], picks: 'b' },
  ];
  const ours: readonly Case[] = [
    {
      name: 'least-kv-cache',
      title: 'without a CPU part',
      loads: [{ kvUsage: 0.4 }, { kvUsage: 0.2 }],
      picks: 'b',
    },
    {
      name: 'least-kv-cache',
      title: 'an empty GPU with a full CPU',
      loads: [kv(0, 0.9), { kvUsage: 0.2 }],
      picks: 'b',
    },
    { name: 'least-gpu-cache', title: 'leaves the CPU out', loads: [kv(0.2, 0), kv(0.1, 0.9)], picks: 'b' },
    {
      name: 'least-utilization',
      title: 'by the engine’s word',
      loads: [{ utilization: 0.4 }, { utilization: 0.3 }],
      picks: 'b',
    },
    { name: 'least-utilization', title: 'engines that do not say', loads: [{}, {}], picks: 'ab' },
    {
      name: 'least-latency',
      title: 'an engine that has finished nothing is as good as the best',
      loads: [latency(10, 100, 1, 10), {}, latency(10, 100, 2, 10), latency(10, 100, 2, 10)],
      picks: 'ab',
    },
    {
      name: 'least-latency',
      title: 'the wait before the prefill counts',
      loads: [
        requests({
          queueSeconds: 9,
          promptTokens: 1,
          generatedTokens: 1,
          prefillSeconds: 1,
          decodeSeconds: 1,
        }),
        requests({ promptTokens: 1, generatedTokens: 1, prefillSeconds: 1, decodeSeconds: 1 }),
      ],
      picks: 'b',
    },
    {
      name: 'throughput',
      title: 'most have finished nothing: by load',
      loads: [tokens(1, 1), {}, {}],
      picks: 'abc',
    },
    {
      name: 'least-kv-cache',
      title: 'one of three says something: by load',
      loads: [kv(0, 0), undefined, undefined],
      picks: 'abc',
    },
  ];

  for (const { name, title, loads, picks } of [...published, ...ours]) {
    it(`${name}: ${title}`, () => {
      const counts = tally(random => {
        const snapshot = snapshotWith(loads, undefined, random);
        return snapshot.pods[all[name](snapshot).index]!.name;
      });
      assertUniform(counts, picks);
    });
  }

  it('take the pod with fewest requests in flight among equals', () => {
    const snapshot = snapshotWith([kv(0.1, 0), kv(0.1, 0), kv(0.9, 0)], [[4], [3], [0]]);
    assert.deepInclude(all['least-kv-cache'](snapshot), { index: 1, reason: 'least-kv-cache', unscored: [] });
  });

  for (const name of ENGINE_STRATEGIES) {
    it(`${name} says so when it knows nothing, and picks by load`, () => {
      const pick = all[name](snapshotWith([undefined, undefined, undefined], [[2], [1], [2]]));
      assert.deepInclude(pick, { index: 1, reason: 'no_engine_metrics', unscored: [name] });
    });
  }
});

describe('every strategy', () => {
  const anEngine: fc.Arbitrary<EngineLoad> = fc
    .option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: undefined })
    .chain(value =>
      value === undefined
        ? fc.constant(UNKNOWN_LOAD)
        : fc.double({ min: 0, max: 100, noNaN: true }).map(other =>
            anEngineLoad({
              kvUsage: value,
              busyShare: value,
              utilization: value,
              ...latency(1 + other, 1 + other, value, other),
            }),
          ),
    );
  const aSession = fc.record({
    id: fc.option(
      fc.oneof(
        fc
          .integer({ min: 7_999, max: 8_010 })
          .map(port => Buffer.from(`127.0.0.1:${port}`).toString('base64')),
        fc.string(),
      ),
      { nil: undefined },
    ),
    key: fc.option(fc.string({ maxLength: 300 }), { nil: undefined }),
  });
  const aSnapshot = fc
    .array(fc.tuple(fc.nat({ max: 20 }), fc.nat({ max: 10 }), anEngine), { minLength: 1, maxLength: 8 })
    .chain(rows =>
      fc
        .record({ session: aSession, chance: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }) })
        .map(
          ({ session, chance }): Snapshot => ({
            ...snapshotOf(
              rows.map(([running, matched]) => [running, matched]),
              () => chance,
            ),
            engineLoad: ({ port }) => rows[port - 8_000]![2],
            session,
          }),
        ),
    );
  const scorable = Object.keys(scorersWith(DEFAULT_COSTS)) as ScoredName[];
  const aList = fc
    .array(fc.tuple(fc.constantFrom(...scorable), fc.nat({ max: 9 })), { minLength: 1, maxLength: 5 })
    .map(members =>
      [['least-request', 1] as const, ...members].map(([name, weight]) => `${name}:${weight}`).join(),
    );
  const anyStrategy = fc.oneof(fc.constantFrom(...STRATEGIES), aList).map(text => aStrategy(text));
  const pick = createPicker(options);

  /** The same pods in another order. */
  function permuted(snapshot: Snapshot, order: readonly number[]): Snapshot {
    const reordered = <T>(values: ArrayLike<T>) => order.map(i => values[i]!);
    return {
      ...snapshot,
      pods: reordered(snapshot.pods),
      running: reordered(snapshot.running),
      matchedBlocks: reordered(snapshot.matchedBlocks),
      totalBlocks: reordered(snapshot.totalBlocks),
      matchedTokens: reordered(snapshot.matchedTokens),
    };
  }

  /** All pods that chance could choose. */
  function possible(strategy: ReturnType<typeof aStrategy>, snapshot: Snapshot): string[] {
    const chances = Array.from({ length: 64 }, (_, i) => i / 64);
    const names = chances.map(chance => {
      const { index } = pick(strategy, { ...snapshot, random: () => chance });
      return snapshot.pods[index]!.name;
    });
    return [...new Set(names)].sort();
  }

  it('picks one of the candidates, and says why', () => {
    fc.assert(
      fc.property(anyStrategy, aSnapshot, (strategy, snapshot) => {
        const { index, reason } = pick(strategy, snapshot);
        assert.isTrue(Number.isInteger(index) && index >= 0 && index < snapshot.pods.length);
        assert.isString(reason);
      }),
      { numRuns: 500 },
    );
  });

  it('does not depend on the order of the candidates, where it does not take turns', () => {
    const ordered = fc.oneof(
      aList,
      fc.constantFrom(
        ...STRATEGIES.filter(name => !['random', 'round-robin', 'power-of-two'].includes(name)),
      ),
    );
    fc.assert(
      fc.property(ordered, aSnapshot, fc.infiniteStream(fc.nat()), (text, snapshot, keys) => {
        const order = snapshot.pods
          .map((_, i) => [keys.next().value, i] as const)
          .sort(([a], [b]) => a! - b!)
          .map(([, i]) => i);
        const strategy = aStrategy(text);
        assert.deepEqual(possible(strategy, permuted(snapshot, order)), possible(strategy, snapshot));
      }),
      { numRuns: 300 },
    );
  });

  it('picks the same of the rest when a pod that it did not pick is not there', () => {
    const byScore = fc.constantFrom(
      ...ENGINE_STRATEGIES.filter(name => name !== 'least-latency'),
      'least-request' as const,
    );
    fc.assert(
      fc.property(byScore, aSnapshot, fc.nat(), (name, snapshot, which) => {
        // With all engines heard: who is not decides whether the others are.
        fc.pre(
          snapshot.pods.every(pod => snapshot.engineLoad(pod).kind === 'known') && snapshot.pods.length > 1,
        );
        const strategy = aStrategy(name);
        const winners = possible(strategy, snapshot);
        const gone = which % snapshot.pods.length;
        fc.pre(!winners.includes(snapshot.pods[gone]!.name));
        const rest = snapshot.pods.map((_, i) => i).filter(i => i !== gone);
        assert.deepEqual(possible(strategy, permuted(snapshot, rest)), winners);
      }),
      { numRuns: 300 },
    );
  });
});
