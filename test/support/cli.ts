/** The command line as its users run it: a process of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Environment } from '../../src/config.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

export interface CliResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningCli {
  /** Resolves to the first line of standard output that contains `text`; rejects when the process ends without one. */
  line(text: string): Promise<string>;
  kill(signal: NodeJS.Signals): void;
  readonly ended: Promise<CliResult>;
}

/** Only `environment` and what Node needs: settings of whoever runs the tests do not count. */
export function startCli(args: readonly string[], environment: Environment = {}): RunningCli {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { PATH: process.env.PATH, NODE_V8_COVERAGE: process.env.NODE_V8_COVERAGE, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  createInterface({ input: child.stdout }).on('line', line => {
    lines.push(line);
    for (const look of waiting) look();
  });
  const ended = once(child, 'close').then(
    ([code, signal]): CliResult => ({ code, signal, stdout: lines.join('\n'), stderr }),
  );
  return {
    line: text =>
      new Promise((resolve, reject) => {
        const look = () => {
          const found = lines.find(line => line.includes(text));
          if (found === undefined) return;
          waiting.delete(look);
          resolve(found);
        };
        waiting.add(look);
        look();
        void ended.then(result => reject(new Error(`ended without "${text}": ${JSON.stringify(result)}`)));
      }),
    kill: signal => child.kill(signal),
    ended,
  };
}

export function runCli(args: readonly string[], environment: Environment = {}): Promise<CliResult> {
  return startCli(args, environment).ended;
}
