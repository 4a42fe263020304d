import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const KEPT_LINES = 20;

/** A `warmroute` command that runs. Its log lines are JSON objects. */
export interface RunningCommand {
  /** The log line that said it was ready. */
  readonly ready: Readonly<Record<string, unknown>>;
  /** SIGTERM; resolves with the exit code when it is gone. */
  stop(): Promise<number | null>;
}

/** It ended, or said something else than "ready"; the message has the last lines that it wrote. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed';
}

/**
 * Runs `node src/main.ts ...args` and waits for the log line whose `msg` is `readyMessage`. Rejects with CommandFailed when
 * it ends before. A child does not outlive this process.
 */
export async function runCommand(
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
  readyMessage: string,
): Promise<RunningCommand> {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
    // Ctrl-C goes to the whole foreground group; we alone decide in which order things stop.
    detached: true,
  });
  const ended = once(child, 'exit') as Promise<[number | null]>;
  const killWithUs = () => void child.kill('SIGKILL');
  process.once('exit', killWithUs);
  void ended.then(() => process.off('exit', killWithUs));

  return {
    ready: await readyLine(child, readyMessage, `warmroute ${args[0]}`),
    async stop() {
      child.kill('SIGTERM');
      return (await ended)[0];
    },
  };
}

function readyLine(child: ChildProcess, message: string, what: string): Promise<Record<string, unknown>> {
  const lines: string[] = [];
  return new Promise((resolve, reject) => {
    const onLine = (line: string) => {
      lines.push(line);
      if (lines.length > KEPT_LINES) lines.shift();
      const entry = parse(line);
      if (entry?.msg === message) resolve(entry);
    };
    for (const output of [child.stdout, child.stderr]) createInterface({ input: output! }).on('line', onLine);
    child.once('close', code => {
      reject(new CommandFailed(`${what} ended with code ${code} before it was ready:\n${lines.join('\n')}`));
    });
  });
}

function parse(line: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
