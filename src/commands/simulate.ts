import { type Command, InvalidArgumentError, Option } from 'commander';
import { printable } from '../printable.ts';
import { SETTINGS } from '../settings/settings.ts';
import { LLAMA_70B_ON_4_H100 } from '../simulation/engine/cost-model.ts';
import type { NamedPolicy } from '../simulation/policy.ts';
import { described } from '../simulation/report/page.ts';
import { jsonOf, type PolicyResult, policyResult, type Setup } from '../simulation/report/results.ts';
import { tableOf } from '../simulation/report/table.ts';
import { PolicyNameError, routerPolicy } from '../simulation/router-policies.ts';
import { simulate } from '../simulation/simulate.ts';
import { atLoad, merged } from '../simulation/trace/merged.ts';
import { traceFiles } from '../simulation/trace/trace-file.ts';
import type { Trace } from '../simulation/trace/trace-request.ts';
import { traceOf, WORKLOADS, type Workload } from '../simulation/workloads/workloads.ts';
import { CommandError } from './command-error.ts';
import { decimal, list, tokens, whole } from './number-values.ts';

interface SimulateFlags {
  readonly pods: number;
  readonly capacity: readonly number[];
  readonly speeds: readonly number[];
  readonly policies: readonly NamedPolicy[];
  readonly prefillRate?: number;
  readonly load: number;
  readonly minutes: number;
  readonly warmUp: number;
  readonly seed: readonly number[];
  readonly blockSize: number;
  readonly model?: string;
  readonly outputTokens: number;
  readonly maxBatchedTokens: number;
  readonly maxNumSeqs: number;
  readonly eventDelay: number;
  readonly metricsInterval: number;
  readonly expectedBlocksTtl: number;
  readonly zones: number;
  readonly zonePenalty: number;
  readonly zoneLatency: number;
  readonly json: boolean;
  readonly out?: string;
}

const GENERATED = 'gen:';
const DEFAULT_POLICIES = 'prefix-cache,least-request,round-robin';

const HELP = `
Traces are files in Mooncake's format (JSON Lines with timestamp, input_length, output_length and hash_ids), recordings of a router among them
(WARMROUTE_RECORD_FILE, docs/record.md), or generated:
${Object.values(WORKLOADS)
  .map(({ name, description }) => `  ${GENERATED}${name.padEnd(8)} ${description}`)
  .join('\n')}
Several are played at once, recordings as far apart as they began. Numbers of tokens may be written 512k or 2M. docs/policies.md says what the model is and where its constants are from.

Example:
  warmroute simulate conversation_trace.jsonl --pods 8 --capacity 512k --policies prefix-cache,round-robin --out result`;

type Print = (text: string) => void;

/** Adds `warmroute simulate`: what policies would give on a trace, in virtual time. */
export function addSimulateCommand(
  program: Command,
  ending: AbortSignal,
  print: Print = text => process.stdout.write(text),
  note: Print = text => process.stderr.write(text),
): void {
  program
    .command('simulate')
    .description(
      'Play traces against simulated engines, policy by policy: cache hits, time to first token, balance',
    )
    .argument('<traces...>', 'files, or generated workloads', (text, before: readonly NamedTrace[] = []) => [
      ...before,
      namedTrace(text),
    ])
    .option('--pods <n>', 'engines', whole(1, 10_000), 8)
    .addOption(
      new Option('--capacity <tokens>', 'KV cache of each; a list is given to the pods in turn')
        .argParser(list(tokens(1_024, 1e9)))
        .default([512_000], '512k'),
    )
    .addOption(
      new Option(
        '--speeds <factors>',
        'of the engines, 1 is usual, 0.5 half as fast; given to the pods in turn',
      )
        .argParser(list(decimal(0.001, 1_000)))
        .default([1], '1'),
    )
    .option(
      '--policies <names>',
      `separated by commas; a weighted list with + as prefix-cache:2+least-request (default: ${DEFAULT_POLICIES})`,
      policies,
    )
    .option(
      '--prefill-rate <tokens/s>',
      'of an engine of speed 1 (default: 70B on four H100, 13085)',
      decimal(1, 1e9),
    )
    .option('--load <factor>', 'so many times the traces’ rate', decimal(0.001, 1_000), 1)
    .option('--minutes <n>', 'length of generated workloads, at their own rate', decimal(0.01, 1_440), 10)
    .option(
      '--warm-up <minutes>',
      'requests that come before are played and not measured',
      decimal(0, 1_440),
      0,
    )
    .addOption(
      new Option(
        '--seed <numbers>',
        'of random choices and generated workloads; each policy is run with each',
      )
        .argParser(list(whole(0, 2 ** 32 - 1)))
        .default([1], '1'),
    )
    .option('--block-size <tokens>', 'of the engines', whole(1, 4_096), 16)
    .option('--model <name>', 'of a recording, only the requests of this model')
    .option(
      '--output-tokens <n>',
      'what requests generate of which a recording does not say it',
      tokens(1, 1e6),
      256,
    )
    .option(
      '--max-batched-tokens <n>',
      'tokens of one step (vLLM’s --max-num-batched-tokens)',
      tokens(1, 1e6),
      8_192,
    )
    .option('--max-num-seqs <n>', 'sequences of one step (vLLM’s)', whole(1, 100_000), 1_024)
    .option(
      '--event-delay <ms>',
      'from a step’s end until its events are in the index',
      decimal(0, 60_000),
      5,
    )
    .option(
      '--metrics-interval <ms>',
      'between readings of the engines’ metrics',
      decimal(10, 3_600_000),
      1_000,
    )
    .option(
      '--expected-blocks-ttl <ms>',
      'how long a routed prompt counts as held before it is announced',
      decimal(0, 3_600_000),
      5_000,
    )
    .option('--zones <n>', 'that pods are in, in turn, and requests come from, at random', whole(1, 100), 1)
    .option(
      '--zone-penalty <ms>',
      'what a pod in another zone than the request costs in the policy prefix-cost',
      decimal(0, 60_000),
      Number(SETTINGS.zonePenaltyMs.fallback),
    )
    .option(
      '--zone-latency <ms>',
      'what the way to another zone and back adds to the time to the first token',
      decimal(0, 60_000),
      1,
    )
    .option('--json', 'print JSON', false)
    .option('--out <dir>', 'write numbers (JSON, CSV), plots (SVG) and a page into this folder')
    .addHelpText('after', HELP)
    .action((traces: readonly NamedTrace[], flags: SimulateFlags) =>
      runSimulate(traces, flags, ending, { print, note }),
    );
}

async function runSimulate(
  traces: readonly NamedTrace[],
  flags: SimulateFlags,
  ending: AbortSignal,
  { print, note }: { readonly print: Print; readonly note: Print },
): Promise<void> {
  const setup = setupOf(traces, flags);
  const runs: PolicyResult[] = [];
  const chosen = flags.policies ?? policies(DEFAULT_POLICIES);
  const total = chosen.length * flags.seed.length;
  const opened = await openedTraces(traces, flags, note);
  for (const policy of chosen) {
    for (const seed of flags.seed) {
      const trace = atLoad(merged(opened.map(trace => trace(seed))), flags.load);
      const result = await simulate({ ...setup, policy, seed, trace, signal: ending });
      if (result.requests === 0)
        throw new CommandError(['the traces have no requests, or none after the warm-up']);
      runs.push(policyResult(policy.name, seed, result));
      if (process.stderr.isTTY) console.error(`${runs.length} of ${total}: ${policy.name}, seed ${seed}`);
    }
  }
  const results = { setup, runs };
  if (flags.json) print(jsonOf(results));
  else {
    for (const [name, value] of Object.entries(described(setup)))
      print(`${`${name}:`.padEnd(8)} ${value}
`);
    print(`
${tableOf(results)}`);
  }
  if (flags.out === undefined) return;
  // Nobody else needs what plots are made with.
  const { writeOutput } = await import('../simulation/report/output.ts');
  const paths = await writeOutput(flags.out, results);
  if (!flags.json) print(`\nWritten: ${paths.join(', ')}\n`);
}

function setupOf(traces: readonly NamedTrace[], flags: SimulateFlags): Setup {
  const { prefillRate } = flags;
  return {
    traces: traces.map(({ name }) => name),
    load: flags.load,
    minutes: flags.minutes,
    warmUpMs: 60_000 * flags.warmUp,
    pods: flags.pods,
    capacityTokens: flags.capacity,
    speeds: flags.speeds,
    cost: {
      ...LLAMA_70B_ON_4_H100,
      ...(prefillRate !== undefined && { prefillTokenMs: 1_000 / prefillRate }),
    },
    blockSizeTokens: flags.blockSize,
    maxBatchedTokens: flags.maxBatchedTokens,
    maxSequences: flags.maxNumSeqs,
    eventDelayMs: flags.eventDelay,
    metricsIntervalMs: flags.metricsInterval,
    expectedBlocksTtlMs: flags.expectedBlocksTtl,
    zones: { count: flags.zones, penaltyMs: flags.zonePenalty, latencyMs: flags.zoneLatency },
  };
}

/** A file, or what is made up. */
type NamedTrace =
  | { readonly kind: 'file'; readonly name: string }
  | { readonly kind: 'generated'; readonly name: string; readonly workload: Workload };

function namedTrace(name: string): NamedTrace {
  if (!name.startsWith(GENERATED)) return { kind: 'file', name };
  const workload = name.slice(GENERATED.length);
  if (!Object.hasOwn(WORKLOADS, workload)) {
    throw new InvalidArgumentError(
      `must be a file or one of ${Object.keys(WORKLOADS)
        .map(each => GENERATED + each)
        .join(', ')}.`,
    );
  }
  return { kind: 'generated', name, workload: WORKLOADS[workload]! };
}

/** Each by the seed of its run. What is noted of a file is said once, on standard error. */
async function openedTraces(
  traces: readonly NamedTrace[],
  { minutes, model, outputTokens }: SimulateFlags,
  print: Print,
): Promise<readonly ((seed: number) => Trace)[]> {
  const said = new Set<string>();
  const onNote = (note: string) => {
    if (!said.has(note)) print(`warmroute: ${printable(note)}\n`);
    said.add(note);
  };
  const paths = traces.filter(({ kind }) => kind === 'file').map(({ name }) => name);
  const files = await traceFiles(paths, { model, outputTokens, onNote });
  const byPath = new Map(paths.map((path, i) => [path, files[i]!]));
  return traces.map(trace => {
    if (trace.kind === 'generated') return seed => traceOf(trace.workload, seed, minutes);
    const file = byPath.get(trace.name)!;
    return () => file;
  });
}

function policies(text: string): readonly NamedPolicy[] {
  try {
    return text.split(',').map(name => routerPolicy(name.trim()));
  } catch (error) {
    if (error instanceof PolicyNameError) throw new InvalidArgumentError(`${error.message}.`);
    throw error;
  }
}
