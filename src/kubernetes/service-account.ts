/** Credentials that Kubernetes mounts into a pod: a token, the cluster's CA and the pod's namespace. */
import { readFile } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import { bearer, type Credentials, type Environment, noCredentials, serverUrl } from './credentials.ts';

export const SERVICE_ACCOUNT_DIRECTORY = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Undefined outside of a cluster. Rejects with KubernetesError where nothing is mounted. */
export async function serviceAccount(
  environment: Environment,
  directory: string,
): Promise<Credentials | undefined> {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = environment;
  if (!host) return undefined;
  const server = serverUrl(
    `https://${isIPv6(host) ? `[${host}]` : host}:${port}`,
    'KUBERNETES_SERVICE_HOST and _PORT',
  );

  async function read(name: string): Promise<string> {
    const path = join(directory, name);
    try {
      return await readFile(path, 'utf8');
    } catch (error) {
      throw noCredentials(
        `no ServiceAccount is mounted (${path}: ${(error as NodeJS.ErrnoException).code}): ` +
          'set automountServiceAccountToken: true and a serviceAccountName in the pod, or KUBECONFIG',
        error,
      );
    }
  }

  return {
    server,
    namespace: (await read('namespace')).trim() || 'default',
    async read() {
      const [token, ca] = await Promise.all([read('token'), read('ca.crt')]);
      return {
        authorization: bearer(token, join(directory, 'token')),
        tls: { ca, cert: undefined, key: undefined, serverName: undefined, serverCertificate: 'verified' },
      };
    },
    refused() {},
  };
}
