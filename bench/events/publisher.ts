/** In a process of its own: publishes a workload as an engine does, on request. Its argument is the encoding. */
import { setImmediate } from 'node:timers/promises';
import { XPublisher } from 'zeromq';
import { sequenceFrame } from '../../src/events/wire/sequence.ts';
import type { EventEncoding } from '../../src/simulator/event-encoding.ts';
import { secondsNow } from './clock.ts';
import { type Batch, createWorkload, TIME_OFFSET } from './workload.ts';

export interface FromPublisher {
  readonly port: number;
}

/** Batches of the cycle, from where it was left. */
export interface ToPublisher {
  readonly batches: number;
  /** Stored and removed, on average; undefined: as fast as it goes. */
  readonly blocksPerSecond: number | undefined;
}

/** Between two looks at what else there is. */
const BATCHES_AT_ONCE = 64;

const { fill, cycle } = createWorkload(process.argv[2] as EventEncoding);
// Nothing is lost, however far behind the other side is.
const socket = new XPublisher({ linger: 0, sendHighWaterMark: 0 });
const sleeping = new Int32Array(new SharedArrayBuffer(4));
let sequence = 0;
let position = 0;

process.on('disconnect', () => process.exit());
await socket.bind('tcp://127.0.0.1:*');
process.send!({ port: Number(socket.lastEndpoint!.split(':').at(-1)) } satisfies FromPublisher);
// Somebody has subscribed.
await socket.receive();
for (const batch of fill) await send(batch);
process.on('message', (order: ToPublisher) => void publish(order));

async function publish({ batches, blocksPerSecond }: ToPublisher): Promise<void> {
  let due = secondsNow();
  for (let i = 0; i < batches; i++) {
    if (i % BATCHES_AT_ONCE === 0) await setImmediate();
    const batch = cycle[position++ % cycle.length]!;
    if (blocksPerSecond !== undefined) {
      sleepUntil(due);
      due += batch.blocks / blocksPerSecond;
    }
    await send(batch);
  }
}

/**
 * The socket may keep what it is given for some time, and a batch may get another time while it waits to be sent: only when a whole
 * cycle waits, and then nobody asks how late it is. Copies would be collected as garbage, with pauses that are not the feed's.
 */
async function send({ payload }: Batch): Promise<void> {
  const { buffer, byteOffset, length } = payload;
  new DataView(buffer, byteOffset, length).setFloat64(TIME_OFFSET, secondsNow());
  await socket.send(['', sequenceFrame(sequence++), payload as Buffer]);
}

/** Timers are late by up to a millisecond. */
function sleepUntil(seconds: number): void {
  const milliseconds = 1_000 * (seconds - secondsNow());
  if (milliseconds > 0) Atomics.wait(sleeping, 0, 0, milliseconds);
}
