/** Runs programs that print their result as one line of JSON, each in a process of its own. */
import { execFile } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** Nothing here takes longer, on any machine. */
const TIMEOUT_MS = 240_000;

/** What baselines take that keep an object a block. */
const HEAP_MEGABYTES = 8_000;

/** How node is started. */
export interface NodeOptions {
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** A program that starts it, and that one's arguments. */
  readonly launcher?: readonly string[];
}

/** @param file below `bench/` */
export async function runOwn<T>(
  file: string,
  args: readonly string[] = [],
  { flags = [], env = {}, launcher = [] }: NodeOptions = {},
): Promise<T> {
  const program = fileURLToPath(new URL(`../${file}`, import.meta.url));
  const all = ['--expose-gc', `--max-old-space-size=${HEAP_MEGABYTES}`, ...flags, program, ...args];
  const [started, ...rest] = [...launcher, process.execPath, ...all];
  return runProgram<T>(started!, rest, env);
}

/** What starts programs on one processor alone; undefined where there is nothing that does. */
export async function onOneProcessor(): Promise<readonly string[] | undefined> {
  const launcher = ['taskset', '-c', String(availableParallelism() - 1)];
  return run(launcher[0]!, [...launcher.slice(1), process.execPath, '--version']).then(
    () => launcher,
    () => undefined,
  );
}

export async function runProgram<T>(
  program: string,
  args: readonly string[],
  env: NodeOptions['env'] = {},
): Promise<T> {
  const options = { timeout: TIMEOUT_MS, maxBuffer: 1 << 24, env: { ...process.env, ...env } };
  const { stdout } = await run(program, args, options);
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as T;
}
