/**
 * One router and a fleet whose engines publish all the time: how long it takes to follow all of them, what that costs, and a
 * rollout that replaces every one. Prints a table and one line of JSON. Engines are libzmq's, in a process of their own, on loopback
 * addresses; each takes some files, so `ulimit -n` must be 20,000 for a thousand.
 *
 *   npm run bench:fleet -- [--pods 1000] [--seconds 30]
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { podsOf } from './fleet/addresses.ts';
import type { Look } from './fleet/router.ts';
import { ForkedProgram } from './support/forked-program.ts';
import { machineLine } from './support/machine.ts';
import { atMost, type Row } from './support/measure.ts';
import { tableOf } from './support/table.ts';

const { values } = parseArgs({
  options: { pods: { type: 'string', default: '1000' }, seconds: { type: 'string', default: '30' } },
});
const pods = Number(values.pods);
const seconds = Number(values.seconds);
/** Of each engine: 4 blocks stored, and as many evicted, a batch. */
const BATCHES_PER_SECOND = 1;
const WORKLOAD = `${pods} engines, ${BATCHES_PER_SECOND} batch of 8 block events a second each, 50 batches to replay`;

const folder = mkdtempSync(join(tmpdir(), 'warmroute-fleet-'));
const podsFile = join(folder, 'pods.json');
try {
  const rows = await measure();
  console.log(`${machineLine()}\n${WORKLOAD}\n\n${tableOf(rows)}\n`);
  console.log(JSON.stringify(rows));
} finally {
  rmSync(folder, { recursive: true });
}

async function measure(): Promise<Row[]> {
  const engines = await ForkedProgram.start(new URL('./fleet/engines.ts', import.meta.url), [
    String(pods),
    String(BATCHES_PER_SECOND),
  ]);
  writeFileSync(podsFile, podsOf(0, 10));
  const router = await ForkedProgram.start(
    new URL('./fleet/router.ts', import.meta.url),
    [podsFile],
    ['--expose-gc'],
  );
  const look = (live?: { readonly generation: number; readonly count: number }): Promise<Look> => {
    const answer = router.answer<Look>();
    router.send({ live });
    return answer;
  };
  const timed = async (change: () => void, generation: number) => {
    const startedAt = performance.now();
    change();
    return { ...(await look({ generation, count: pods })), seconds: (performance.now() - startedAt) / 1_000 };
  };
  const few = await look({ generation: 0, count: 10 });
  const joined = await timed(() => writeFileSync(podsFile, podsOf(0, pods)), 0);
  await sleep(seconds * 1_000);
  const steady = await look();
  const rolled = await timed(() => writeFileSync(podsFile, podsOf(1, pods)), 1);
  await sleep(5_000);
  const after = await look();
  await router.stop();
  await engines.stop();
  return [
    row('10 pods: resident memory', few.residentMb, 'MB'),
    row(`from 10 pods to ${pods}: until all are live`, joined.seconds, 's'),
    row(`from 10 pods to ${pods}: longest stop of the event loop`, joined.delayMax, 'ms', atMost(100)),
    row('steady: resident memory', steady.residentMb, 'MB'),
    row('steady: CPU of one core', steady.cpuPercent, '%'),
    row('steady: event loop delay p99', steady.delayP99, 'ms'),
    row('steady: longest stop of the event loop', steady.delayMax, 'ms'),
    row('steady: distinct blocks', steady.blocks, ''),
    row('rollout of all: until all are live', rolled.seconds, 's'),
    row('rollout of all: longest stop of the event loop', rolled.delayMax, 'ms', atMost(100)),
    row('rollout of all: event loop delay p99', rolled.delayP99, 'ms'),
    row('after it: publishers that are live', after.live, ''),
    row('after it: resident memory', after.residentMb, 'MB'),
  ];
}

function row(name: string, value: number, unit: string, reach?: Row['reach']): Row {
  return { name, value, unit, reach, ratio: undefined, workload: WORKLOAD };
}
