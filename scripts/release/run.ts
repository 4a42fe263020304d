import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const exec = promisify(execFile);
/** An SBOM has some megabytes. */
const MAX_OUTPUT_BYTES = 64 << 20;

/** What a command prints, without the line break at its end. Rejects with what it says where it fails. */
export async function run(cwd: string, command: string, ...args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await exec(command, args, { cwd, maxBuffer: MAX_OUTPUT_BYTES });
    return stdout.trimEnd();
  } catch (error) {
    const { stderr = '', message } = error as { stderr?: string; message: string };
    throw new Error(`${command} ${args.join(' ')}: ${stderr.trim() || message}`);
  }
}

/** A command as one would type it. */
export function typed(command: readonly string[]): string {
  return command
    .map(word => (/^[\w./:=@,+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`))
    .join(' ');
}
