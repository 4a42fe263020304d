/** kubectl against the API server that KUBECONFIG names. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { text } from 'node:stream/consumers';

const { KUBE_BIN = `${homedir()}/.cache/kube-test/bin`, KUBECONFIG } = process.env;

/** Where a binary for tests on Kubernetes is; its plain name, for PATH, where it is not among them. */
export function kubeBinary(name: string): string {
  const path = `${KUBE_BIN}/${name}`;
  return existsSync(path) ? path : name;
}

/** What it prints. Rejects with what it says where it fails. @param input its standard input */
export async function kubectl(args: readonly string[], input = ''): Promise<string> {
  const child = spawn(kubeBinary('kubectl'), args, {
    env: { PATH: process.env.PATH, HOME: homedir(), KUBECONFIG },
  });
  const output = Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  child.stdin.end(input);
  const [stdout, stderr, [code]] = await output;
  if (code !== 0) throw new Error(`kubectl ${args.join(' ')} ended with ${code}: ${stderr}${stdout}`);
  return stdout;
}

export async function kubeObject<T>(...args: readonly string[]): Promise<T> {
  return JSON.parse(await kubectl(['get', ...args, '-o', 'json'])) as T;
}
