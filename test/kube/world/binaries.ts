import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const NEEDED = ['kube-apiserver', 'etcd'];

/** The folder that `KUBE_BIN` names, or the usual cache of such parts; `missing` says what is not there. */
export function findKubeBinaries(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): { readonly kind: 'found'; readonly folder: string } | { readonly kind: 'missing'; readonly why: string } {
  const folder = folderOf(environment);
  const missing = NEEDED.filter(name => !existsSync(join(folder, name)));
  return missing.length === 0
    ? { kind: 'found', folder }
    : { kind: 'missing', why: `no ${missing.join(' and no ')} in ${folder}; KUBE_BIN names another folder` };
}

/** The path of a program there; undefined where it is not installed. */
export function kubeProgram(name: string): string | undefined {
  const path = join(folderOf(process.env), name);
  return existsSync(path) ? path : undefined;
}

/** Folders with CustomResourceDefinitions, beside that of the programs, as far as they are there. */
export function crdFolders(): readonly string[] {
  const root = join(folderOf(process.env), '..');
  return ['eg-crds', 'eg-crds/generated', 'crds'].map(name => join(root, name)).filter(existsSync);
}

function folderOf(environment: Readonly<Record<string, string | undefined>>): string {
  const cache = environment.XDG_CACHE_HOME || join(homedir(), '.cache');
  return environment.KUBE_BIN || join(cache, 'kube-test', 'bin');
}
