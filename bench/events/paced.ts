/**
 * How soon an event is visible, and what following an engine costs, at a given pace: of the feed, and of a subscriber that does
 * nothing with its messages. Prints one line of JSON.
 *
 *   node bench/events/paced.ts
 */

import { median, percentile } from '../support/stats.ts';
import { BareSubscriber } from './bare-subscriber.ts';
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

/** By blocks a second. */
export type PacedAt = Readonly<Record<(typeof PACES)[number], Paced>>;

/** Blocks a second. */
const PACES = [50_000, 100_000, 1_000, 2_000] as const;
const ROUND_SECONDS = 4;
const ROUNDS = 3;
const WARM_UP_BATCHES = 7_000;
/** Of the pace; below it is another load than the one that is stated. */
const KEPT = 0.95;

const own = await measure(port => new Receiver(port));
const bare = await measure(port => new BareSubscriber(port));
console.log(JSON.stringify({ own, bare } satisfies Record<string, PacedAt>));

async function measure(receiverAt: (port: number) => Receiving): Promise<PacedAt> {
  const { session, batchesPerBlock } = await start(receiverAt);
  await session.run({ batches: WARM_UP_BATCHES, blocksPerSecond: undefined });
  const measured: [number, Paced][] = [];
  for (const pace of PACES) measured.push([pace, await atPace(session, pace, batchesPerBlock)]);
  await session.stop();
  return Object.fromEntries(measured) as unknown as PacedAt;
}

async function atPace(session: Session<Receiving>, pace: number, batchesPerBlock: number): Promise<Paced> {
  const blocks = pace * ROUND_SECONDS;
  const rounds: Run[] = [];
  // The first one is to forget the pace before.
  for (let round = 0; round <= ROUNDS; round++) {
    const run = await session.run({ batches: Math.round(blocks * batchesPerBlock), blocksPerSecond: pace });
    if (run.seconds > ROUND_SECONDS / KEPT) throw new Error(`${blocks} blocks took ${run.seconds} s`);
    if (round > 0) rounds.push(run);
  }
  return {
    p50: median(rounds.map(({ lags }) => percentile(lags, 0.5))),
    p99: median(rounds.map(({ lags }) => percentile(lags, 0.99))),
    cpuPercent: median(rounds.map(({ cpuSeconds, seconds }) => (100 * cpuSeconds) / seconds)),
  };
}

/** The workload itself is the publisher's: here it would be in the way of the garbage collector. */
async function start(receiverAt: (port: number) => Receiving) {
  const workload: Workload = createWorkload('map');
  const session = await Session.start('map', workload, receiverAt);
  return { session, batchesPerBlock: workload.cycle.length / workload.blocks };
}
