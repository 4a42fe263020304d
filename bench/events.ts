/**
 * Events from a ZeroMQ socket to the index: how many, how soon, and what they cost. Prints a table, in which what was missed is
 * marked, and one line of JSON.
 *
 *   npm run bench:events
 */
import type { Paced, PacedAt } from './events/paced.ts';
import type { Throughput } from './events/throughput.ts';
import { CACHE_BLOCKS, REQUESTS_A_BATCH } from './events/workload.ts';
import { machineLine } from './support/machine.ts';
import { atMost, isReached, type Row, ratioTo } from './support/measure.ts';
import { runOwn } from './support/programs.ts';
import { tableOf } from './support/table.ts';
import { BLOCK_SIZE_TOKENS } from './support/trace.ts';

const BARE = 'a bare zeromq subscriber';
const WORKLOAD =
  `one engine, whose cache of ${CACHE_BLOCKS} blocks of ${BLOCK_SIZE_TOKENS} tokens is full; a batch is what ${REQUESTS_A_BATCH} ` +
  'requests do: 1 to 8 blocks each, stored as one chain with their tokens, and as many removed, one an event; PUB in a process ' +
  'of its own on 127.0.0.1; blocks are counted when they are stored and when they are removed, half and half; map: events as since vLLM 0.24, array: before';

const machine = machineLine();
console.log(`${machine}\n${WORKLOAD}\n`);
const rows = [...(await throughput('map')), ...(await paced()), ...(await throughput('array'))];
console.log(`${tableOf(rows)}\n`);
const results = rows.map(row => ({ ...row, workload: undefined, reached: isReached(row) ?? null }));
console.log(JSON.stringify({ machine, workload: WORKLOAD, rows: results }));

function rowOf(name: string, value: number, unit: string, more: Partial<Row> = {}): Row {
  return { name, value, unit, reach: undefined, ratio: undefined, workload: WORKLOAD, ...more };
}

async function throughput(form: 'map' | 'array'): Promise<Row[]> {
  const { events, blocks, eventsOfCpu, percentOfCpu } = await runOwn<Throughput>('events/throughput.ts', [
    '--form',
    form,
  ]);
  return [
    rowOf(`${form}: events`, events, '/s'),
    rowOf(`${form}: blocks`, blocks, '/s'),
    rowOf(`${form}: events by CPU time`, eventsOfCpu, '/s'),
    ...Object.entries(percentOfCpu).map(([part, share]) => rowOf(`${form}: CPU time, ${part}`, share, '%')),
  ];
}

async function paced(): Promise<Row[]> {
  const { own, bare } = await runOwn<{ own: PacedAt; bare: PacedAt }>('events/paced.ts');
  const row = (pace: keyof PacedAt, what: string, of: keyof Paced, unit: string, reach?: Row['reach']) =>
    rowOf(`${what}, ${pace.toLocaleString('en')} blocks/s`, own[pace][of], unit, {
      ...{ reach, ratio: ratioTo(BARE, own[pace][of], bare[pace][of]) },
    });
  return [
    row(50_000, 'wire to visible p50', 'p50', 'ms'),
    row(50_000, 'wire to visible p99', 'p99', 'ms', atMost(1)),
    row(100_000, 'wire to visible p50', 'p50', 'ms'),
    row(100_000, 'wire to visible p99', 'p99', 'ms'),
    row(1_000, 'CPU of one core', 'cpuPercent', '%', atMost(1)),
    row(2_000, 'CPU of one core', 'cpuPercent', '%'),
  ];
}
