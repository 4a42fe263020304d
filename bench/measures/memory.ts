import { atMost, type Measure, type Row, ratioTo } from '../support/measure.ts';
import { type NodeOptions, runOwn } from '../support/programs.ts';
import { median } from '../support/stats.ts';

interface Filled {
  readonly trace: string;
  readonly entries: number;
  readonly bytesPerEntry: number;
}

interface Pods {
  readonly entries: number;
  readonly residentBytes: number;
}

/**
 * Garbage that waits to be collected is not what is measured, nor are the pages that an index never touches: once glibc has freed large
 * arrays, those of the warm-up, it takes the next ones from the same memory, and clears all of it.
 */
const MEMORY_ALONE: NodeOptions = {
  flags: ['--max-semi-space-size=1'],
  env: { MALLOC_MMAP_THRESHOLD_: '131072' },
};
const ROUNDS = 5;
const SUBSET = ['--requests', '2000'];

export const memory: Measure = {
  name: 'memory',
  async run({ trace }) {
    const path = trace === undefined ? [] : ['--trace', trace];
    const args = ['--holders', '1000', '--warm-up', '100', '--memory', ...path];
    const fill = (more: readonly string[]) =>
      runOwn<Filled>('index/trace.ts', [...args, ...more], MEMORY_ALONE);
    const own = await fill(SUBSET);
    const radix = await fill([...SUBSET, '--index', 'radix-tree']);
    const row = async (what: string, most: number, more: readonly string[]): Promise<Row> => {
      const runs: Filled[] = [];
      for (let round = 0; round < ROUNDS; round++) runs.push(await fill(more));
      const { trace, entries } = runs[0]!;
      const value = median(runs.map(({ bytesPerEntry }) => bytesPerEntry));
      const workload = `${trace}, 1000 holders, ${entries} entries, growth of RSS, median of ${ROUNDS}`;
      return {
        ...{ name: `memory ${what}`, value, unit: 'bytes/entry', reach: atMost(most), workload },
        ratio: ratioTo('radix-tree (2000 requests)', own.bytesPerEntry, radix.bytesPerEntry),
      };
    };
    return [await row('shared hashes', 16, []), await row('own hashes', 28, ['--own-hashes'])];
  },
};

export const pods: Measure = {
  name: 'pods-1000',
  async run() {
    const fill = (args: readonly string[]) => runOwn<Pods>('index/pods.ts', args, MEMORY_ALONE);
    const all = await fill([]);
    const own = await fill(['--pods', '200']);
    const radix = await fill(['--pods', '200', '--index', 'radix-tree']);
    return [
      {
        ...{ name: 'pods-1000', value: all.residentBytes / 1e6, unit: 'MB', reach: atMost(60) },
        ratio: ratioTo('radix-tree (200 pods)', own.residentBytes, radix.residentBytes),
        workload: '1000 pods of 2500 blocks, a tenth of them the same everywhere, growth of RSS',
      },
    ];
  },
};
