import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { type Command, InvalidArgumentError } from 'commander';
import { ownUrl } from '../composition/addresses.ts';
import { loadConfig } from '../config.ts';
import { askDecision, askDryRun, ExplainFailure } from '../explain/admin-client.ts';
import type { DecisionRecord } from '../explain/record.ts';
import { readRequestFile } from '../explain/request-file.ts';
import { decisionTable } from '../explain/table.ts';
import { CommandError } from './command-error.ts';
import { header, httpUrl } from './option-values.ts';

/** Exit codes beside 0. */
const REJECTED = 1;
const NOT_EXPLAINED = 2;

interface ExplainFlags {
  readonly requestId?: string;
  readonly path?: string;
  readonly header?: Readonly<Record<string, string>>;
  readonly admin?: URL;
  readonly json: boolean;
}

const MORE = `
The request is a JSON body, as a client would send it, or {"path": …, "headers": {…}, "body": {…}} (docs/explain.md). Nothing is sent to
a pod but its tokenizer's question, and nothing of the router's state is changed.

Exit code: 0 it is explained; 1 it is explained, and the request is rejected; 2 it cannot be explained.`;

/** Adds `warmroute explain`: where a request would go and why, or where one went. */
export function addExplainCommand(program: Command, ending: AbortSignal): void {
  program
    .command('explain')
    .description(
      'Ask a running router which pod a request would go to and why, or why one went where it went',
    )
    .argument('[request.json]', 'file with the request; - for standard input')
    .option('--request-id <id>', 'a decision that was made, one of the last 10,000, in place of a file')
    .option('--path <path>', 'path of the request (default: by what is in the body)', requestPath)
    .option('--header <name: value>', 'of the request; may be given several times', header)
    .option('--admin <url>', 'admin port of the router (default: by WARMROUTE_ADMIN_ADDRESS)', httpUrl)
    .option('--json', 'print the record as JSON', false)
    .addHelpText('after', MORE)
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : NOT_EXPLAINED))
    .action((file: string | undefined, flags: ExplainFlags) => explain(file, flags, ending));
}

async function explain(file: string | undefined, flags: ExplainFlags, ending: AbortSignal): Promise<void> {
  if ((file === undefined) === (flags.requestId === undefined))
    throw problem('either a file with a request or --request-id is needed: see warmroute explain --help');
  const admin = flags.admin ?? configuredAdmin();
  let record: DecisionRecord;
  try {
    record =
      file === undefined
        ? await askDecision(admin, flags.requestId!, ending)
        : await askDryRun(admin, await requestIn(file, flags), ending);
  } catch (error) {
    if (error instanceof ExplainFailure) throw problem(error.message);
    throw error;
  }
  console.log(flags.json ? asciiJson(record) : decisionTable(record));
  if (record.outcome === 'rejected') throw new CommandError([], REJECTED);
}

async function requestIn(file: string, { path, header: headers = {} }: ExplainFlags) {
  if ('content-type' in headers)
    throw problem(
      'the content-type can be given in an envelope alone: {"path": …, "headers": {"content-type": …}, "body": …}',
    );
  const request = readRequestFile(await bytesOf(file), { path, headers });
  if (request === undefined)
    throw problem(
      `${file} does not say which endpoint it is for: give it with --path, as --path /v1/messages`,
    );
  return request;
}

async function bytesOf(file: string): Promise<Buffer> {
  try {
    return Buffer.from(file === '-' ? await buffer(process.stdin) : await readFile(file));
  } catch (error) {
    throw problem(`${file} cannot be read: ${(error as Error).message}`);
  }
}

/** Where the router that is configured alike has its admin port, on this host. */
function configuredAdmin(): URL {
  const loaded = loadConfig();
  if (loaded.kind === 'invalid')
    throw new CommandError(
      [...loaded.problems, 'where the admin port is can also be given with --admin'],
      NOT_EXPLAINED,
    );
  const own = ownUrl(loaded.config.adminAddress);
  if (own === undefined)
    throw problem(
      'WARMROUTE_ADMIN_ADDRESS leaves the port open: give it with --admin, as --admin http://127.0.0.1:8080',
    );
  return own;
}

function problem(text: string): CommandError {
  return new CommandError([text], NOT_EXPLAINED);
}

function requestPath(text: string): string {
  if (!text.startsWith('/')) throw new InvalidArgumentError('must begin with /.');
  return text;
}

/** Whatever a client has written: nothing in it means anything to a terminal. */
function asciiJson(record: DecisionRecord): string {
  return JSON.stringify(record, null, 2).replaceAll(
    /[\u007f-\uffff]/g,
    char => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
