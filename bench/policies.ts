/**
 * The rules of other routers beside ours, on a trace and on generated workloads, in virtual time: rows are workloads, caches and loads; columns
 * are rules. Each cell has the mean and the 99th percentile of the time to first token, and the share of prompt tokens from the cache.
 *
 *   npm run bench:policies -- [--trace FILE] [--workloads agents,tenants,rag,bursts] [--capacity 512000,2000000] [--loads 1,2]
 *     [--rules a,b] [--speeds 1,1,0.5] [--seeds 1,2] [--pods 8] [--minutes 5] [--warm-up MINUTES] [--jobs 1] [--json FILE] [--known FILE,FILE]
 *     [--plots DIR]
 *
 * Speeds and capacities in one row are separated by +: `--capacity 1000000+250000` is a fleet whose pods have the one and the other in turn.
 * What stands in a `--known` file, written by `--json` before, is not run again. Plots are one SVG a row, with a curve a rule (first seed).
 */
import { fork } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { shares } from '../src/simulation/report/plots.ts';
import type { PolicyResult } from '../src/simulation/report/results.ts';
import type { OneRun } from './policies/one-run.ts';
import { RULES } from './policies/rules.ts';
import type { Played } from './policies/workloads.ts';

type Result = OneRun & { readonly result: PolicyResult };

const { values } = parseArgs({
  options: {
    trace: { type: 'string' },
    workloads: { type: 'string', default: 'agents,tenants,rag,bursts' },
    rules: { type: 'string', default: RULES.map(({ name }) => name).join(',') },
    capacity: { type: 'string', default: '512000,2000000' },
    speeds: { type: 'string', default: '1' },
    loads: { type: 'string' },
    seeds: { type: 'string', default: '1' },
    pods: { type: 'string', default: '8' },
    minutes: { type: 'string', default: '5' },
    'warm-up': { type: 'string', default: '0' },
    jobs: { type: 'string', default: '1' },
    json: { type: 'string' },
    known: { type: 'string', default: '' },
    plots: { type: 'string' },
  },
});

/** Times the workload's own rate: with `min-ttft` prompts take some 30, 60 and 80 to 90 % of the pods' time, or decoding is what they are busy with. */
const LOADS: Readonly<Record<string, readonly number[]>> = {
  agents: [3, 6, 9],
  tenants: [4, 8, 12],
  rag: [0.8, 1.5, 2.1],
  bursts: [3, 6, 9],
};
const LOADS_OF_FILES = [1, 2, 2.5];

const played: readonly Played[] = [
  ...(values.trace === undefined ? [] : [{ kind: 'file', path: values.trace } as const]),
  ...listed(values.workloads).map(
    name => ({ kind: 'generated', name, minutes: Number(values.minutes) }) as const,
  ),
];
const rules = listed(values.rules);
const seeds = listed(values.seeds).map(Number);
const rows = played.flatMap(each =>
  listed(values.capacity).flatMap(capacity =>
    loadsOf(each).map(load => ({ played: each, capacityTokens: capacity.split('+').map(Number), load })),
  ),
);

console.log(`| workload | cache | load | ${rules.join(' | ')} |`);
console.log(`| --- | ---: | ---: | ${rules.map(() => '---').join(' | ')} |`);
const known = new Map(
  listed(values.known)
    .flatMap(path => JSON.parse(readFileSync(path, 'utf8')) as Result[])
    .map(({ result, ...run }) => [keyOf(run), result]),
);
const all: Result[] = [];
for (const row of rows) {
  const runs = rules.flatMap(rule =>
    seeds.map(seed => ({
      ...{ ...row, rule, seed, pods: Number(values.pods) },
      speeds: listed(values.speeds).map(Number),
      warmUpMs: 60_000 * Number(values['warm-up']),
    })),
  );
  const results = await inProcesses(runs, Number(values.jobs));
  all.push(...results);
  const cells = rules.map(rule =>
    cellOf(results.filter(each => each.rule === rule).map(({ result }) => result)),
  );
  const tokens = row.capacityTokens.map(each => `${each / 1_000}k`).join('+');
  console.log(`| ${nameOf(row.played)} | ${tokens} | ${row.load} | ${cells.join(' | ')} |`);
  if (values.plots !== undefined) plot(`${nameOf(row.played)}, ${tokens}, load ${row.load}`, results);
}
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(all, null, 1)}\n`);

/** Means over the seeds: seconds, seconds, per cent. */
function cellOf(results: readonly PolicyResult[]): string {
  const mean = (value: (result: PolicyResult) => number) =>
    results.reduce((sum, result) => sum + value(result), 0) / results.length;
  const firstToken = mean(({ firstTokenMs }) => firstTokenMs.mean) / 1_000;
  const slowest = mean(({ firstTokenMs }) => firstTokenMs.p99) / 1_000;
  return `${firstToken.toFixed(2)} / ${slowest.toFixed(2)} / ${(100 * mean(({ hitRate }) => hitRate)).toFixed(1)} %`;
}

function plot(title: string, results: readonly Result[]): void {
  const curves = results.filter(({ seed }) => seed === seeds[0]);
  const svg = shares(
    { title: `Requests that have their first token: ${title}`, axis: 'seconds since they arrived' },
    curves.map(({ rule, result }) => ({
      label: rule,
      points: result.firstTokenPercentilesMs.map((ms, percent) => [ms / 1_000, percent / 100] as const),
    })),
  );
  mkdirSync(values.plots!, { recursive: true });
  writeFileSync(join(values.plots!, `${title.replaceAll(/[^a-z0-9.]+/gi, '-')}.svg`), svg);
}

/** The same for the same run, whatever the order of its fields. */
function keyOf(run: OneRun): string {
  return JSON.stringify(Object.entries(run).sort(([a], [b]) => (a < b ? -1 : 1)));
}

async function inProcesses(runs: readonly OneRun[], jobs: number) {
  const results: Result[] = [];
  const next = runs.entries();
  const work = async () => {
    for (const [place, run] of next)
      results[place] = { ...run, result: known.get(keyOf(run)) ?? (await inProcess(run)) };
  };
  await Promise.all(Array.from({ length: jobs }, work));
  return results;
}

/** A process, not a thread: V8 sometimes aborts at the end of a thread that has used WebAssembly. */
function inProcess(run: OneRun): Promise<PolicyResult> {
  return new Promise((resolve, reject) => {
    const child = fork(new URL('policies/one-run.ts', import.meta.url));
    child.once('message', result => resolve(result as PolicyResult));
    child.once('exit', code => reject(new Error(`${run.rule} ended with ${code}`)));
    child.send(run);
  });
}

function loadsOf(each: Played): readonly number[] {
  if (values.loads !== undefined) return listed(values.loads).map(Number);
  return each.kind === 'file' ? LOADS_OF_FILES : LOADS[each.name]!;
}

function nameOf(each: Played): string {
  return each.kind === 'file' ? basename(each.path, '.jsonl') : each.name;
}

function listed(text: string): string[] {
  return text.split(',').filter(each => each !== '');
}
