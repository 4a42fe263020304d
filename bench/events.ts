/**
 * Events from a ZeroMQ socket to the index: how many, how soon, and what they cost. Prints a table, in which what was missed is
 * marked, and one line of JSON.
 *
 *   npm run bench:events
 */
import type { Paced } from './events/paced.ts';
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
  'of its own on 127.0.0.1; blocks are counted when they are stored; map: events as since vLLM 0.24, array: before';

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
  const { events, storedBlocks, eventsOfCpu, percentOfCpu } = await runOwn<Throughput>(
    'events/throughput.ts',
    ['--form', form],
  );
  return [
    rowOf(`${form}: events`, events, '/s'),
    rowOf(`${form}: blocks`, storedBlocks, '/s'),
    rowOf(`${form}: events by CPU time`, eventsOfCpu, '/s'),
    ...Object.entries(percentOfCpu).map(([part, share]) => rowOf(`${form}: CPU time, ${part}`, share, '%')),
  ];
}

async function paced(): Promise<Row[]> {
  const { own, bare } = await runOwn<{ own: Paced; bare: Paced }>('events/paced.ts');
  const row = (name: string, unit: string, of: keyof Paced, reach?: Row['reach']) =>
    rowOf(name, own[of], unit, { reach, ratio: ratioTo(BARE, own[of], bare[of]) });
  return [
    row('wire to visible at 50,000 blocks/s, p50', 'ms', 'p50'),
    row('wire to visible at 50,000 blocks/s, p99', 'ms', 'p99', atMost(1)),
    row('CPU of one core at 1,000 blocks/s', '%', 'cpuPercent', atMost(1)),
  ];
}
