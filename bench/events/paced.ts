/**
 * How soon an event is visible at 50,000 blocks a second, and what 1,000 blocks a second cost: of the feed, and of a subscriber
 * that does nothing with its messages. Prints one line of JSON.
 *
 *   node bench/events/paced.ts
 */
import { BareSubscriber } from '../baselines/bare-subscriber.ts';
import { median, percentile } from '../support/stats.ts';
import { Receiver } from './receiver.ts';
import { type Receiving, type Run, Session } from './session.ts';
import { createWorkload, type Workload } from './workload.ts';

/** Medians of the rounds. */
export interface Paced {
  /** Milliseconds from before a batch is sent until all of it is applied. */
  readonly p50: number;
  readonly p99: number;
  /** The CPU time of the process as it is, in percent of one core: nothing is taken off for what it would do anyway. */
  readonly cpuPercent: number;
}

/** Blocks a second, and rounds of so many seconds. */
const BUSY = { pace: 50_000, seconds: 3, rounds: 5 };
const AT_EASE = { pace: 1_000, seconds: 5, rounds: 3 };
const WARM_UP_BATCHES = 7_000;
/** Of the pace; below it is another load than the one that is told. */
const KEPT = 0.95;

const own = await measure(port => new Receiver(port));
const bare = await measure(port => new BareSubscriber(port));
console.log(JSON.stringify({ own, bare }));

async function measure(receiverAt: (port: number) => Receiving): Promise<Paced> {
  const { session, batchesPerBlock } = await start(receiverAt);
  const rounds = async ({ pace, seconds, rounds }: typeof BUSY) => {
    const blocks = pace * seconds;
    const runs: Run[] = [];
    // The first one warms up.
    for (let round = 0; round <= rounds; round++) {
      const run = await session.run({ batches: Math.round(blocks * batchesPerBlock), blocksPerSecond: pace });
      if (run.seconds > seconds / KEPT) throw new Error(`${blocks} blocks took ${run.seconds} s`);
      if (round > 0) runs.push(run);
    }
    return (value: (run: Run) => number) => median(runs.map(value));
  };
  await session.run({ batches: WARM_UP_BATCHES, blocksPerSecond: undefined });
  const busy = await rounds(BUSY);
  const atEase = await rounds(AT_EASE);
  await session.stop();
  return {
    p50: busy(({ lags }) => percentile(lags, 0.5)),
    p99: busy(({ lags }) => percentile(lags, 0.99)),
    cpuPercent: atEase(({ cpuSeconds, seconds }) => (100 * cpuSeconds) / seconds),
  };
}

/** The workload itself is the publisher's: here it would be in the way of the garbage collector. */
async function start(receiverAt: (port: number) => Receiving) {
  const workload: Workload = createWorkload('map');
  const session = await Session.start('map', workload, receiverAt);
  return { session, batchesPerBlock: workload.cycle.length / workload.storedBlocks };
}
