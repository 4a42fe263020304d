/** Runs Helm on the chart. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { CHART } from '../../../scripts/chart/files.ts';
import { findHelm } from '../../../scripts/chart/render.ts';

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Values as they would stand in a file. */
export type ChartValues = Readonly<Record<string, unknown>>;

export class Helm {
  readonly #binary: string;

  constructor(binary: string) {
    this.#binary = binary;
  }

  lint(values: ChartValues): Promise<Ran> {
    return run(this.#binary, ['lint', '--strict', CHART, '--values', '-'], JSON.stringify(values));
  }

  template(values: ChartValues, ...args: readonly string[]): Promise<Ran> {
    const all = ['template', 'warmroute', CHART, '--namespace', 'llm', '--values', '-', ...args];
    return run(this.#binary, all, JSON.stringify(values));
  }
}

/** undefined where there is no Helm. */
export async function helmForTests(): Promise<Helm | undefined> {
  const binary = await findHelm();
  return binary === undefined ? undefined : new Helm(binary);
}

/** Never rejects for an exit code: that is what is tested. */
export async function run(
  binary: string,
  args: readonly string[],
  input = '',
  env: Readonly<Record<string, string>> = {},
): Promise<Ran> {
  const child = spawn(binary, args, { env: { ...process.env, ...env } });
  child.stdin.end(input);
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number]>,
  ]);
  return { code, stdout, stderr };
}
