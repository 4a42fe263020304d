import { atLeast, atMost, type Bench, type Measure, ratioTo } from '../support/measure.ts';
import { runOwn } from '../support/programs.ts';

interface AfterPass {
  readonly runs: number;
  /** (block, holder) pairs. */
  readonly entries: number;
  readonly residentBytes: number;
}

interface Churn {
  readonly trace: string;
  readonly changed: number;
  readonly blocksPerSecond: number;
  readonly find: { readonly p50: number; readonly p99: number };
  readonly afterPass: readonly AfterPass[];
}

/** Few holders, that they are full after few requests: the radix tree takes its time. */
const SUBSET = ['--requests', '1500', '--holders', '40'];

export const churn: Measure = {
  name: 'churn',
  async run({ trace }: Bench) {
    const path = trace === undefined ? [] : ['--trace', trace];
    const all = await runChurn([...path, '--holders', '1000']);
    const own = await runChurn([...path, ...SUBSET]);
    const radix = await runChurn([...path, ...SUBSET, '--index', 'radix-tree']);
    const [, second, last] = all.afterPass;
    const million = (all.changed / 1e6).toFixed(0);
    const workload = `${all.trace}, 1000 holders of 12,000 blocks, tails evicted block by block, 3 passes, ${million} M changes`;
    const to = 'radix-tree (40 holders)';
    return [
      {
        ...{ name: 'churn', value: all.blocksPerSecond, unit: 'blocks/s', reach: atLeast(3e6), workload },
        ratio: ratioTo(to, own.blocksPerSecond, radix.blocksPerSecond),
      },
      {
        ...{ name: 'churn find p99', value: all.find.p99, unit: 'µs', reach: atMost(10), workload },
        ratio: ratioTo(to, own.find.p99, radix.find.p99),
      },
      {
        ...{ name: 'churn runs', value: last!.runs, unit: 'runs after pass 3', workload, reach: FLAT },
        ratio: ratioTo('after pass 2', last!.runs, second!.runs),
      },
      {
        ...{ name: 'churn memory', value: last!.residentBytes / 1e6, unit: 'MB after pass 3', workload },
        reach: FLAT,
        // Not all holders are full before pass 3.
        ratio: ratioTo('after pass 2, by pair held', bytesAPair(last!), bytesAPair(second!)),
      },
    ];
  },
};

/** What varies from one pass to the next without a trend. */
const FLAT = { of: 'ratio', must: 'at most', number: 1.05 } as const;

function bytesAPair({ residentBytes, entries }: AfterPass): number {
  return residentBytes / entries;
}

function runChurn(args: readonly string[]): Promise<Churn> {
  return runOwn<Churn>('index/churn.ts', args);
}
