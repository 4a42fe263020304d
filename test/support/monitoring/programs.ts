/** Prometheus and its tool, where they are: in the folder that `KUBE_BIN` names, or on the path. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

type PrometheusProgram = 'promtool' | 'prometheus';

function find(program: PrometheusProgram, { KUBE_BIN, PATH = '' } = process.env): string | undefined {
  const folders = [KUBE_BIN ?? [], PATH.split(delimiter)].flat();
  return folders.map(folder => join(folder, program)).find(existsSync);
}

/** Skips the tests of a suite, and says so, where it is not there. */
export function programOrSkip(program: PrometheusProgram, context: Mocha.Context): string {
  const path = find(program);
  if (path === undefined) {
    console.warn(`NOT TESTED: no ${program} on the path; KUBE_BIN may name the folder that has one`);
    return context.skip();
  }
  return path;
}

export interface Ran {
  readonly code: number;
  readonly output: string;
}

/** Rejects when it cannot be run. */
export async function run(program: string, ...args: string[]): Promise<Ran> {
  try {
    const { stdout, stderr } = await promisify(execFile)(program, args);
    return { code: 0, output: stdout + stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code?: unknown; stdout: string; stderr: string };
    if (typeof code !== 'number') throw error;
    return { code, output: stdout + stderr };
  }
}
