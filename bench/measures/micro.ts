import { type Measure, ratioTo, timesAtMost } from '../support/measure.ts';
import { type PeerMicro, SMG } from '../support/peers.ts';
import { runOwn } from '../support/programs.ts';
import { median } from '../support/stats.ts';

interface OwnMicro {
  readonly find: { readonly p50: number };
  readonly scores: { readonly p50: number };
  readonly sum: number;
}

const ROUNDS = 5;

export const micros: readonly Measure[] = [
  { blocks: 3_750, holders: 96, sum: 189_264 },
  { blocks: 6_250, holders: 1_000, sum: 3_127_266 },
].map(({ blocks, holders, sum }) => ({
  name: `micro-${holders}`,
  async run({ peers }) {
    const own: OwnMicro[] = [];
    const smg: PeerMicro[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const args = ['--blocks', String(blocks), '--holders', String(holders)];
      own.push(await runOwn<OwnMicro>('index/micro.ts', args));
      if (own.at(-1)!.sum !== sum) throw new Error(`wrong: ${own.at(-1)!.sum}, not ${sum}`);
      if (peers.index !== undefined) smg.push(await peers.index.micro(blocks, holders));
    }
    const baseline = smg.length === 0 ? undefined : median(smg.map(run => run.find.p50_us));
    const workload = `one chain of ${blocks} blocks, ${holders} holders, a part of it each; median of ${ROUNDS}`;
    const row = (what: string, reach: ReturnType<typeof timesAtMost> | undefined, value: number) => ({
      ...{ name: `micro-${holders} ${what}`, value, unit: 'µs', reach, workload },
      ratio: ratioTo(SMG, value, baseline),
    });
    return [
      row('find p50', timesAtMost(1), median(own.map(run => run.find.p50))),
      row('scores p50', undefined, median(own.map(run => run.scores.p50))),
    ];
  },
}));
