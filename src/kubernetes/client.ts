import type { WatchEvent } from './watch-event.ts';

/** Query parameters of a request; those that are undefined are left out. */
export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export interface KubeClient {
  /** The namespace of the mounted ServiceAccount, or of the kubeconfig's context; else `default`. */
  readonly namespace: string;
  /**
   * The parsed JSON body of a success; rejects with KubernetesError. @param path `/api/v1/namespaces/x/pods`
   */
  get(path: string, query: Query, signal: AbortSignal): Promise<unknown>;
  /**
   * Events until the API server ends the watch; fails with KubernetesError, `aborted` when `signal` is. Leaving the loop ends the
   * connection. `watch=true` is added to the query.
   */
  watch(path: string, query: Query, signal: AbortSignal): AsyncIterable<WatchEvent>;
  /** Ends all connections, in use or not. */
  close(): Promise<void>;
}

export interface ConnectOptions {
  /**
   * The process's: `KUBERNETES_SERVICE_HOST` and `_PORT` in a cluster; outside `KUBECONFIG` (else `$HOME/.kube/config`), and what
   * credential plugins need.
   */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Where a pod's ServiceAccount is mounted. */
  readonly serviceAccountDirectory?: string;
}

/**
 * A client with the mounted ServiceAccount in a cluster, and with the kubeconfig outside. Does not talk to the API server yet. Rejects
 * with KubernetesError (`no_credentials`) that tells the operator what to do.
 */
export async function connectKubernetes(_options: ConnectOptions): Promise<KubeClient> {
  throw new Error('not written yet');
}
