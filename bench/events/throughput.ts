/**
 * As fast as it goes. What decoding takes, then applying, then counting for the metrics, is measured on the same messages without
 * a socket; the rest is the socket's: libzmq's thread, and buffers, promises and garbage for each message. Prints one line of JSON.
 *
 *   node bench/events/throughput.ts [--form map]
 */
import { parseArgs } from 'node:util';
import type { EventEncoding } from '../../src/simulator/event-encoding.ts';
import { median } from '../support/stats.ts';
import { decodeOnly, InProcess } from './in-process.ts';
import { createReport } from './metrics.ts';
import { Receiver } from './receiver.ts';
import { Session } from './session.ts';
import { createWorkload } from './workload.ts';

export interface Throughput {
  /** A second of wall time. */
  readonly events: number;
  readonly blocks: number;
  /** A second of CPU time. */
  readonly eventsOfCpu: number;
  readonly percentOfCpu: {
    readonly socket: number;
    readonly decode: number;
    readonly index: number;
    readonly metrics: number;
  };
}

const { values } = parseArgs({ options: { form: { type: 'string', default: 'map' } } });
const form = values.form as EventEncoding;
/** Some 220,000 events. */
const CYCLES = 5;
const ROUNDS = 3;

const workload = createWorkload(form);
const events = CYCLES * workload.events;
const applied = new InProcess(workload);
const counted = new InProcess(workload, createReport());
const session = await Session.start(form, workload, port => new Receiver(port));
await round();
const rounds: Throughput[] = [];
while (rounds.length < ROUNDS) rounds.push(await round());
await session.stop();

const of = (value: (round: Throughput) => number) => median(rounds.map(value));
const result: Throughput = {
  events: of(each => each.events),
  blocks: of(each => each.blocks),
  eventsOfCpu: of(each => each.eventsOfCpu),
  percentOfCpu: {
    socket: of(each => each.percentOfCpu.socket),
    decode: of(each => each.percentOfCpu.decode),
    index: of(each => each.percentOfCpu.index),
    metrics: of(each => each.percentOfCpu.metrics),
  },
};
console.log(JSON.stringify(result));

async function round(): Promise<Throughput> {
  const untilDecoded = decodeOnly(workload, CYCLES);
  const untilApplied = applied.run(workload, CYCLES);
  const untilCounted = counted.run(workload, CYCLES);
  const { seconds, cpuSeconds } = await overSocket();
  const percent = (part: number) => (100 * part) / cpuSeconds;
  return {
    events: events / seconds,
    blocks: (CYCLES * workload.blocks) / seconds,
    eventsOfCpu: events / cpuSeconds,
    percentOfCpu: {
      socket: percent(cpuSeconds - untilCounted),
      decode: percent(untilDecoded),
      index: percent(untilApplied - untilDecoded),
      metrics: percent(untilCounted - untilApplied),
    },
  };
}

async function overSocket() {
  const { receiver } = session;
  const before = receiver.events;
  const run = await session.run({ batches: CYCLES * workload.cycle.length, blocksPerSecond: undefined });
  if (receiver.events - before !== events) throw new Error('not every event was applied');
  receiver.check(workload);
  return run;
}
