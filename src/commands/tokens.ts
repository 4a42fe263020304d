import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { buffer } from 'node:stream/consumers';
import type { Command } from 'commander';
import { compareWithEngineAt, inspectTokens } from '../composition/inspecting-tokens.ts';
import { type Config, loadConfig } from '../config.ts';
import { readRequestFile } from '../explain/request-file.ts';
import { printable } from '../printable.ts';
import { type PromptRequest, parsePrompt } from '../prompt/request.ts';
import type { Comparison } from '../tokenizers/parity/comparison.ts';
import { CommandError } from './command-error.ts';
import { whole } from './number-values.ts';
import { httpUrl } from './option-values.ts';
import { tokenTable } from './token-table.ts';

/** Exit codes beside 0. */
const DIFFERENT = 1;
const NOT_TOKENIZED = 2;

interface TokensFlags {
  readonly model?: string;
  readonly path?: string;
  readonly tokenizer?: string;
  readonly compare?: URL;
  readonly blockSize: number;
  readonly json: boolean;
}

const MORE = `
The request is a JSON body, as a client would send it. The tokenizer files are looked for where the router would look for them
(WARMROUTE_TOKENIZER_DIR, WARMROUTE_TOKENIZER_HUB), unless --tokenizer names a directory (docs/tokenizing.md).

Exit code: 0 these are its tokens, and the engine's, if one was asked; 1 the engine's are others; 2 it cannot be tokenized, or compared.`;

/** Adds `warmroute tokens`: what the router makes of a prompt, and whether an engine makes the same of it. */
export function addTokensCommand(program: Command, ending: AbortSignal): void {
  program
    .command('tokens')
    .description('Show the tokens, segments and blocks of a request, and the first difference from an engine')
    .argument('<request.json>', 'file with the body of a request; - for standard input')
    .option('--model <name>', 'the base model (default: the model that the request names)')
    .option('--path <path>', 'path of the request (default: by what is in the body)')
    .option('--tokenizer <directory>', 'directory with the tokenizer files')
    .option('--compare <url>', 'an engine that is asked for the same', httpUrl)
    .option('--block-size <tokens>', 'tokens per block', whole(1, 65_536), 16)
    .option('--json', 'print ids and comparison as JSON', false)
    .addHelpText('after', MORE)
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : NOT_TOKENIZED))
    .action((file: string, flags: TokensFlags) => showTokens(file, flags, ending));
}

async function showTokens(file: string, flags: TokensFlags, ending: AbortSignal): Promise<void> {
  const loaded = loadConfig();
  if (loaded.kind === 'invalid') throw new CommandError(loaded.problems, NOT_TOKENIZED);
  const { config } = loaded;
  const prompt = await promptIn(file, flags);
  const { content } = prompt;
  if (content.kind === 'tokens') throw problem('the request has token ids in place of a text');
  if (content.kind === 'none')
    throw problem(
      `requests to ${printable(prompt.path, 80)} have no prompt: give the path with --path, as --path /v1/chat/completions`,
    );
  const { tokenizer, blockSize } = flags;
  const place =
    tokenizer === undefined ? undefined : ({ kind: 'directory', path: resolve(tokenizer) } as const);
  const model = flags.model ?? prompt.model;
  const inspected = await inspectTokens(config, { model, place, prompt }, ending);
  if (inspected.kind === 'none') throw problem(`no tokens of ${JSON.stringify(model)}: ${inspected.why}`);
  const { segments, cut } = inspected;
  const ids = segments.flatMap(segment => [...segment.ids]);
  const comparison = await compared(config, flags.compare, prompt, ids, ending);
  console.log(
    flags.json
      ? JSON.stringify({ model, path: prompt.path, segments: segments.length, tokens: ids, comparison })
      : tokenTable({ model, path: prompt.path, segments, cut, blockSizeTokens: blockSize, comparison }),
  );
  if (comparison?.kind === 'different') throw new CommandError([], DIFFERENT);
  if (comparison?.kind === 'unanswered')
    throw problem(`the engine at ${flags.compare} gives no tokens: ${UNANSWERED[comparison.why]}`);
}

const UNANSWERED: Readonly<Record<Extract<Comparison, { kind: 'unanswered' }>['why'], string>> = {
  refused: 'it calls the request invalid, or does not serve this model (--model, or the name in the request)',
  no_form: 'it serves nothing that such a request could be tokenized with (vLLM: --enable-scale-out)',
  failed: 'it does not answer',
};

async function compared(
  config: Config,
  url: URL | undefined,
  prompt: PromptRequest,
  ids: readonly number[],
  ending: AbortSignal,
): Promise<Comparison | undefined> {
  return url && compareWithEngineAt(config, url, prompt, Uint32Array.from(ids), ending);
}

async function promptIn(file: string, { model, path }: TokensFlags): Promise<PromptRequest> {
  const bytes = await bytesOf(file);
  const request = readRequestFile(bytes, { path, headers: {} });
  if (request?.path === undefined && !isObject(bytes))
    throw problem(`${file === '-' ? 'standard input' : file} is no JSON object, as the body of a request is`);
  if (request?.path === undefined)
    throw problem(
      `${file} does not say which endpoint it is for: give it with --path, as --path /v1/messages`,
    );
  const parsed = parsePrompt(request.path, 'application/json', request.body, model);
  if (parsed.kind === 'prompt') return parsed.prompt;
  const { error } = parsed;
  if ('param' in error && error.param === 'model' && model === undefined)
    throw problem(`${file} names no model: give its name with --model`);
  throw problem('message' in error ? `${file}: ${printable(error.message)}` : `${file} is no request`);
}

async function bytesOf(file: string): Promise<Buffer> {
  try {
    return Buffer.from(file === '-' ? await buffer(process.stdin) : await readFile(file));
  } catch (error) {
    throw problem(`${file} cannot be read: ${(error as Error).message}`);
  }
}

function isObject(bytes: Buffer): boolean {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

function problem(text: string): CommandError {
  return new CommandError([text], NOT_TOKENIZED);
}
