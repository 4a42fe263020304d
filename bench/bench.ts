/**
 * All workloads. Prints a table, in which what was missed is marked, and writes `bench/results.json`.
 *
 *   npm run bench -- [--trace FILE] [--peers DIR] [--tokenizer DIR [--libraries NODE_MODULES] [--vllm URL --vllm-model NAME]] [--only NAME]...
 */
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { churn } from './measures/churn.ts';
import { memory, pods } from './measures/memory.ts';
import { micros } from './measures/micro.ts';
import { decide, extprocs, hash, record } from './measures/read-path.ts';
import { tokens } from './measures/tokens.ts';
import { baselines, traces } from './measures/trace.ts';
import { machineLine } from './support/machine.ts';
import { isReached, type Measure, type Row } from './support/measure.ts';
import { buildPeers, NO_PEERS } from './support/peers.ts';
import { tableOf } from './support/table.ts';

const MEASURES: readonly Measure[] = [
  ...traces,
  baselines,
  ...micros,
  churn,
  memory,
  pods,
  hash,
  decide,
  record,
  ...extprocs,
  ...tokens,
];
const RESULTS = fileURLToPath(new URL('./results.json', import.meta.url));

const { values } = parseArgs({
  options: {
    trace: { type: 'string' },
    peers: { type: 'string' },
    tokenizer: { type: 'string' },
    libraries: { type: 'string' },
    vllm: { type: 'string' },
    'vllm-model': { type: 'string' },
    only: { type: 'string', multiple: true, default: [] },
  },
});
const unknown = values.only.filter(name => MEASURES.every(measure => measure.name !== name));
if (unknown.length > 0)
  throw new Error(`no measure is named ${unknown}; there are ${MEASURES.map(({ name }) => name).join(', ')}`);

const machine = machineLine();
console.log(machine);
const bench = {
  trace: values.trace,
  peers: values.peers === undefined ? NO_PEERS : await buildPeers(values.peers),
  ...{ tokenizer: values.tokenizer, libraries: values.libraries },
  vllm: values.vllm === undefined ? undefined : { url: values.vllm, model: values['vllm-model'] ?? '' },
};
const measures = MEASURES.filter(({ name }) => values.only.length === 0 || values.only.includes(name));
const rows: Row[] = [];
for (const [i, measure] of measures.entries()) {
  const started = performance.now();
  process.stdout.write(`[${i + 1}/${measures.length}] ${measure.name} ... `);
  rows.push(...(await measure.run(bench)));
  console.log(`${((performance.now() - started) / 1_000).toFixed(0)} s`);
}
const results = rows.map(row => ({ ...row, reached: isReached(row) ?? null, machine }));
await writeFile(RESULTS, `${JSON.stringify(results, undefined, 2)}\n`);
console.log(`\n${tableOf(rows)}`);
