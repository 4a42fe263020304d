import { readFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Trust } from '../http-client.ts';
import type { Api } from '../smoke/prompts.ts';
import { smokeReport } from '../smoke/report.ts';
import { type SmokeResult, smoke } from '../smoke/smoke.ts';
import { CommandError } from './command-error.ts';
import { header, httpUrl } from './option-values.ts';

/** Exit codes beside 0. */
const NOT_WARM = 1;
const UNSERVED = 2;

interface SmokeFlags {
  readonly model?: string;
  readonly api: Api;
  readonly header?: Readonly<Record<string, string>>;
  readonly apiKeyFile?: string;
  readonly ca?: string;
  readonly insecure: boolean;
  readonly pause: number;
  readonly timeout: number;
}

const EXIT_CODES = `
Exit code: 0 the second prompt was served warm; 1 it was not, or the answers do not tell; 2 the prompts were not served.`;

/** Adds `warmroute smoke`: whether a gateway serves the second of two prompts with one prefix warm. */
export function addSmokeCommand(program: Command, ending: AbortSignal): void {
  program
    .command('smoke')
    .description('Ask a gateway, from outside, whether a second prompt with the same prefix is served warm')
    .argument('<url>', 'where clients send their requests, as https://llm.example', httpUrl)
    .option('--model <name>', 'model to ask (default: the first one that the gateway lists)')
    .addOption(
      new Option('--api <api>', 'OpenAI API to use').choices(['chat', 'completions']).default('chat'),
    )
    .option('--header <name: value>', 'sent with each request; may be given several times', header)
    .option('--api-key-file <path>', 'a file with the key to send as a bearer token')
    .option('--ca <path>', 'PEM certificates that the gateway’s own is checked against')
    .option('--insecure', 'do not check the gateway’s certificate', false)
    .option('--pause <s>', 'between the two prompts, for the engine’s events to arrive', seconds, 1)
    .option('--timeout <s>', 'for all of it', seconds, 120)
    .addHelpText('after', EXIT_CODES)
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : UNSERVED))
    .action((gateway: URL, flags: SmokeFlags) => runSmoke(gateway, flags, ending));
}

async function runSmoke(gateway: URL, flags: SmokeFlags, ending: AbortSignal): Promise<void> {
  const key = flags.apiKeyFile === undefined ? undefined : (await textOf(flags.apiKeyFile)).trim();
  const options = {
    ...{ gateway, model: flags.model, api: flags.api, trust: await trustOf(flags) },
    headers: { ...flags.header, ...(key !== undefined && { authorization: `Bearer ${key}` }) },
    pauseMs: 1_000 * flags.pause,
    timeoutMs: 1_000 * flags.timeout,
  };
  let result: SmokeResult;
  try {
    result = await smoke(options, { ending });
  } catch (error) {
    throw new CommandError(error instanceof Error ? error.message.split('\n') : [String(error)], UNSERVED);
  }
  console.log(smokeReport(result));
  if (result.verdict.kind !== 'warm') throw new CommandError([], NOT_WARM);
}

async function trustOf({ ca, insecure }: SmokeFlags): Promise<Trust> {
  if (insecure) return { kind: 'any' };
  return ca === undefined ? { kind: 'system' } : { kind: 'ca', pem: await textOf(ca) };
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new CommandError([`${path} cannot be read: ${(error as Error).message}`], UNSERVED);
  }
}

function seconds(text: string): number {
  const value = Number(text);
  if (!(value >= 0 && value <= 3_600)) throw new InvalidArgumentError('must be from 0 to 3600 seconds.');
  return value;
}
