import { type Command, InvalidArgumentError } from 'commander';
import { DiscoveryPlanError, planDiscovery } from '../composition/discovering.ts';
import { type DoctorOptions, NothingToExamine, runDoctor } from '../composition/doctoring.ts';
import { loadConfig, processEnvironment } from '../config.ts';
import { type EnvoySource, MAX_DUMP_BYTES } from '../doctor/envoy/examine-envoy.ts';
import { countsOf, jsonReport, textReport } from '../doctor/report.ts';
import { KubernetesError } from '../kubernetes/kubernetes.ts';
import { BoundedReader } from '../pods/bounded-read.ts';
import { PodsFileError } from '../pods/pods-file-follower.ts';
import { CommandError } from './command-error.ts';
import { httpUrl } from './option-values.ts';
import { settingsHelp } from './settings-help.ts';

/** Exit codes beside 0. */
const FAILED = 1;
const NOT_EXAMINED = 2;

const READ_TIMEOUT_MS = 30_000;
const ENVOY_TIMEOUT_MS = 10_000;

interface DoctorFlags {
  readonly pod: readonly string[];
  readonly envoy?: URL;
  readonly envoyConfigDump?: string;
  readonly admin?: URL;
  readonly completion: boolean;
  readonly timeout: number;
  readonly json: boolean;
}

const EXIT_CODES = `
Exit code: 0 nothing fails (there may be warnings); 1 something does; 2 nothing could be looked at: the configuration is not valid, or no pod is known.
docs/doctor.md says what each finding means, and what to do.
`;

/** Adds `warmroute doctor`: what is wrong with the engines, Envoy and the router that runs. */
export function addDoctorCommand(program: Command, ending: AbortSignal): void {
  program
    .command('doctor')
    .description(
      'Look at the configured pods, at Envoy and at the running router, and say what is wrong; with the environment of serve',
    )
    .option('--pod <name>', 'look at this pod alone; may be given several times', collected, [])
    .option('--envoy <url>', 'Envoy’s admin port, as http://127.0.0.1:9901', httpUrl)
    .option('--envoy-config-dump <file>', 'in its place: a file with what its /config_dump answers')
    .option('--admin <url>', 'the running router’s admin port (default: as configured)', httpUrl)
    .option('--no-completion', 'send no prompts: by default each engine is asked for two tokens')
    .option('--timeout <s>', 'for all of it', seconds, 60)
    .option('--json', 'print JSON', false)
    .addHelpText('after', EXIT_CODES)
    .addHelpText('after', settingsHelp)
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : NOT_EXAMINED))
    .action((flags: DoctorFlags) => runDoctorCommand(flags, ending));
}

async function runDoctorCommand(flags: DoctorFlags, ending: AbortSignal): Promise<void> {
  const loaded = loadConfig();
  if (loaded.kind === 'invalid') throw new CommandError(loaded.problems, NOT_EXAMINED);
  const plan = planDiscovery(loaded.config);
  if (plan.kind === 'invalid') throw new CommandError(plan.problems, NOT_EXAMINED);
  const options: DoctorOptions = {
    only: flags.pod,
    envoy: await envoyOf(flags, ending),
    admin: flags.admin,
    prompts: flags.completion ? 'send' : 'leave_out',
    timeoutMs: 1_000 * flags.timeout,
  };
  const parts = { environment: processEnvironment(), ending };
  const sections = await runDoctor(loaded.config, options, parts).catch((error: unknown) => {
    throw isTerminal(error) ? new CommandError(error.message.split('\n'), NOT_EXAMINED) : error;
  });
  console.log((flags.json ? jsonReport : textReport)(sections));
  if (countsOf(sections).fail > 0) throw new CommandError([], FAILED);
}

function isTerminal(error: unknown): error is Error {
  return [NothingToExamine, PodsFileError, DiscoveryPlanError, KubernetesError].some(
    kind => error instanceof kind,
  );
}

async function envoyOf(
  { envoy, envoyConfigDump }: DoctorFlags,
  ending: AbortSignal,
): Promise<EnvoySource | undefined> {
  if (envoy !== undefined) return { kind: 'admin', base: envoy, timeoutMs: ENVOY_TIMEOUT_MS };
  if (envoyConfigDump === undefined) return undefined;
  const reader = new BoundedReader({ maxBytes: MAX_DUMP_BYTES, timeoutMs: READ_TIMEOUT_MS });
  const content = await reader.read(envoyConfigDump, ending);
  if (content.kind === 'unreadable')
    throw new CommandError([`${envoyConfigDump} cannot be read: ${content.reason}`], NOT_EXAMINED);
  return { kind: 'dump', name: envoyConfigDump, content: content.text };
}

function collected(text: string, before: readonly string[]): readonly string[] {
  return [...before, text];
}

function seconds(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 3_600))
    throw new InvalidArgumentError('must be above 0 and at most 3600 seconds.');
  return value;
}
