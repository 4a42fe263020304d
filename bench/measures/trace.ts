import { type Measure, type Row, ratioTo, timesAtLeast, timesAtMost } from '../support/measure.ts';
import { type PeerTrace, SMG } from '../support/peers.ts';
import { runOwn } from '../support/programs.ts';
import { median } from '../support/stats.ts';

interface OwnTrace {
  readonly trace: string;
  readonly requests: number;
  readonly opsPerSecond: number;
  readonly find: { readonly p50: number; readonly p99: number };
  readonly findOnlyPerSecond: number;
  /** Best match, all matches, matching holders, the owner's own, summed up. */
  readonly sums: readonly number[];
  readonly findOnlySums: readonly number[];
}

const ROUNDS = 5;
const PUBLISHED_REQUESTS = 12_031;
/** What any exact index gives for the published trace, while it is stored and when all is. */
const SUMS: Readonly<Record<number, readonly [storing: readonly number[], finding: readonly number[]]>> = {
  8: [
    [3_382_720, 9_812_032, 96_203, 1_237_760],
    [9_232_000, 22_129_888, 96_248, 9_232_000],
  ],
  1000: [
    [3_382_720, 361_115_328, 11_001_359, 366_112],
    [9_232_000, 411_911_712, 12_031_000, 9_232_000],
  ],
  7000: [
    [3_382_720, 1_419_251_744, 44_067_886, 203_840],
    [9_232_000, 2_244_547_168, 69_298_560, 9_232_000],
  ],
};

export const traces: readonly Measure[] = [8, 1000, 7000].map(holders => ({
  name: `trace-${holders}`,
  async run({ trace, peers }) {
    const own: OwnTrace[] = [];
    const scores: OwnTrace[] = [];
    const smg: PeerTrace[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      own.push(verified(holders, await runTrace(holders, trace)));
      if (peers.index !== undefined && trace !== undefined) smg.push(await peers.index.trace(holders, trace));
      scores.push(verified(holders, await runTrace(holders, trace, ['--scores'])));
    }
    for (const { sum_best, sum_all, sum_holders, sum_own } of smg) {
      if (String([sum_best, sum_all, sum_holders, sum_own]) !== String(own[0]!.sums))
        throw new Error('two exact indexes do not find the same');
    }
    const workload = `${own[0]!.trace}, ${own[0]!.requests} requests, ${holders} holders, median of ${ROUNDS}`;
    const row = (
      what: string,
      unit: string,
      reach: Row['reach'],
      ours: (run: OwnTrace) => number,
      theirs: (run: PeerTrace) => number,
      runs = own,
    ): Row => {
      const value = median(runs.map(ours));
      const baseline = smg.length === 0 ? undefined : median(smg.map(theirs));
      return { name: what, value, unit, reach, ratio: ratioTo(SMG, value, baseline), workload };
    };
    const name = `trace-${holders}`;
    const findReach = timesAtMost(holders >= 1000 ? 0.5 : 1);
    const findOnlyReach = holders >= 1000 ? timesAtLeast(10) : undefined;
    return [
      row(
        `${name} ops`,
        'ops/s',
        timesAtLeast(1.2),
        run => run.opsPerSecond,
        run => run.ops_per_s,
      ),
      row(
        `${name} find p50`,
        'µs',
        findReach,
        run => run.find.p50,
        run => run.find.p50_us,
      ),
      row(
        `${name} find p99`,
        'µs',
        findReach,
        run => run.find.p99,
        run => run.find.p99_us,
      ),
      row(
        `${name} find only`,
        'finds/s',
        findOnlyReach,
        run => run.findOnlyPerSecond,
        run => run.find2_ops_per_s,
      ),
      row(
        `trace-scores-${holders} p50`,
        'µs',
        timesAtMost(1),
        run => run.find.p50,
        run => run.find.p50_us,
        scores,
      ),
      row(
        `trace-scores-${holders} only`,
        'finds/s',
        timesAtLeast(1),
        run => run.findOnlyPerSecond,
        run => run.find2_ops_per_s,
        scores,
      ),
    ];
  },
}));

const SUBSET = ['--requests', '2000'];

/** The designs that everybody starts with. They take too long for all of it. */
export const baselines: Measure = {
  name: 'trace-baselines',
  async run({ trace }) {
    const own = await runTrace(1000, trace, SUBSET);
    const rows: Row[] = [];
    for (const index of ['radix-tree', 'map-of-sets']) {
      const run = await runTrace(1000, trace, [...SUBSET, '--index', index]);
      if (String(run.sums) !== String(own.sums)) throw new Error(`the ${index} does not find the same`);
      const workload = `${own.trace}, ${own.requests} requests, 1000 holders`;
      const row = (what: string, unit: string, value: number, baseline: number): Row => ({
        ...{ name: `trace-baselines ${what}`, value, unit, workload, reach: undefined },
        ratio: ratioTo(index, value, baseline),
      });
      rows.push(row('ops', 'ops/s', own.opsPerSecond, run.opsPerSecond));
      rows.push(row('find p50', 'µs', own.find.p50, run.find.p50));
    }
    return rows;
  },
};

function runTrace(
  holders: number,
  trace: string | undefined,
  more: readonly string[] = [],
): Promise<OwnTrace> {
  const path = trace === undefined ? [] : ['--trace', trace];
  return runOwn<OwnTrace>('index/trace.ts', ['--holders', String(holders), ...path, ...more]);
}

function verified(holders: number, run: OwnTrace): OwnTrace {
  const [storing, finding] = SUMS[holders]!;
  const isPublished = run.trace !== 'synthetic' && run.requests === PUBLISHED_REQUESTS;
  if (isPublished && (String(run.sums) !== String(storing) || String(run.findOnlySums) !== String(finding)))
    throw new Error(`wrong with ${holders} holders: ${run.sums}; ${run.findOnlySums}`);
  return run;
}
