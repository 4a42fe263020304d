/** Kubeconfig files and mounted ServiceAccounts, in a folder that goes with the test. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectKubernetes, type KubeClient } from '../../src/kubernetes/kubernetes.ts';

export interface KubeFolder {
  readonly path: string;
  /** Returns the file's path. */
  write(name: string, content: string): Promise<string>;
  remove(): Promise<void>;
}

export async function kubeFolder(): Promise<KubeFolder> {
  const path = await mkdtemp(join(tmpdir(), 'kube-'));
  return {
    path,
    async write(name, content) {
      await writeFile(join(path, name), content);
      return join(path, name);
    },
    remove: () => rm(path, { recursive: true, force: true }),
  };
}

export interface KubeconfigOptions {
  readonly server: string;
  /** Further fields of the cluster, of the user and of the context. */
  readonly cluster?: object;
  readonly user?: object;
  readonly context?: object;
}

/** JSON, which is YAML. */
export function kubeconfigText({ server, cluster, user, context }: KubeconfigOptions): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    clusters: [{ name: 'test', cluster: { server, ...cluster } }],
    users: [{ name: 'test', user: { ...user } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test', ...context } }],
  });
}

/** A client of a (fake) API server, by a kubeconfig of its own. */
export async function connectTo(
  server: string,
  options: Omit<KubeconfigOptions, 'server'> = {},
): Promise<KubeClient> {
  const folder = await kubeFolder();
  const KUBECONFIG = await folder.write('config', kubeconfigText({ server, ...options }));
  const client = await connectKubernetes({ environment: { KUBECONFIG } });
  return {
    namespace: client.namespace,
    get: client.get.bind(client),
    watch: client.watch.bind(client),
    async close() {
      await client.close();
      await folder.remove();
    },
  };
}
