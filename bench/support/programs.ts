/** Runs programs that print their result as one line of JSON, each in a process of its own. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** Nothing here takes longer, on any machine. */
const TIMEOUT_MS = 240_000;

/** What baselines take that keep an object a block. */
const HEAP_MEGABYTES = 8_000;

/**
 * @param file below `bench/`
 * @param flags of node
 */
export async function runOwn<T>(
  file: string,
  args: readonly string[] = [],
  flags: readonly string[] = [],
): Promise<T> {
  const program = fileURLToPath(new URL(`../${file}`, import.meta.url));
  const all = ['--expose-gc', `--max-old-space-size=${HEAP_MEGABYTES}`, ...flags];
  return runProgram<T>(process.execPath, [...all, program, ...args]);
}

export async function runProgram<T>(program: string, args: readonly string[]): Promise<T> {
  const { stdout } = await run(program, args, { timeout: TIMEOUT_MS, maxBuffer: 1 << 24 });
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as T;
}
