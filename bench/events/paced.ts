/**
 * How soon an event is visible at 50,000 blocks a second, and what 1,000 blocks a second cost: of the feed, and of a subscriber
 * that does nothing with its messages. Prints one line of JSON.
 *
 *   node bench/events/paced.ts
 */
import { BareSubscriber } from '../baselines/bare-subscriber.ts';
import { percentile } from '../support/stats.ts';
import { Receiver } from './receiver.ts';
import { type Receiving, Session } from './session.ts';
import { createWorkload, type Workload } from './workload.ts';

export interface Paced {
  /** Milliseconds from before a batch is sent until all of it is applied. */
  readonly p50: number;
  readonly p99: number;
  /** The CPU time of the process as it is, in percent of one core: nothing is taken off for what it would do anyway. */
  readonly cpuPercent: number;
}

interface Seconds {
  readonly busy: number;
  readonly atEase: number;
}

/** Blocks a second. */
const BUSY = 50_000;
const AT_EASE = 1_000;
const WARM_UP_BATCHES = 7_000;
const WARM_UP_SECONDS = 1;
/** Of the pace; below it is another load than the one that is told. */
const KEPT = 0.95;

const own = await measure(port => new Receiver(port), { busy: 6, atEase: 10 });
const bare = await measure(port => new BareSubscriber(port), { busy: 4, atEase: 4 });
console.log(JSON.stringify({ own, bare }));

async function measure(receiverAt: (port: number) => Receiving, seconds: Seconds): Promise<Paced> {
  const { session, batchesPerBlock } = await start(receiverAt);
  const paced = async (blocksPerSecond: number, duration: number) => {
    const blocks = blocksPerSecond * duration;
    const run = await session.run({ batches: Math.round(blocks * batchesPerBlock), blocksPerSecond });
    if (run.seconds > duration / KEPT) throw new Error(`${blocks} blocks took ${run.seconds} s`);
    return run;
  };
  await session.run({ batches: WARM_UP_BATCHES, blocksPerSecond: undefined });
  await paced(BUSY, WARM_UP_SECONDS);
  const { lags } = await paced(BUSY, seconds.busy);
  const atEase = await paced(AT_EASE, seconds.atEase);
  await session.stop();
  return {
    p50: percentile(lags, 0.5),
    p99: percentile(lags, 0.99),
    cpuPercent: (100 * atEase.cpuSeconds) / atEase.seconds,
  };
}

/** The workload itself is the publisher's: here it would be in the way of the garbage collector. */
async function start(receiverAt: (port: number) => Receiving) {
  const workload: Workload = createWorkload('map');
  const session = await Session.start('map', workload, receiverAt);
  return { session, batchesPerBlock: workload.cycle.length / workload.storedBlocks };
}
