import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const NEEDED = ['kube-apiserver', 'etcd'];

/** The folder that `KUBE_BIN` names, or the usual cache of such parts; `missing` says what is not there. */
export function findKubeBinaries(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): { readonly kind: 'found'; readonly folder: string } | { readonly kind: 'missing'; readonly why: string } {
  const cache = environment.XDG_CACHE_HOME || join(homedir(), '.cache');
  const folder = environment.KUBE_BIN || join(cache, 'kube-test', 'bin');
  const missing = NEEDED.filter(name => !existsSync(join(folder, name)));
  return missing.length === 0
    ? { kind: 'found', folder }
    : { kind: 'missing', why: `no ${missing.join(' and no ')} in ${folder}; KUBE_BIN names another folder` };
}
