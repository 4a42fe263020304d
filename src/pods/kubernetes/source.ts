import type { ReflectorFact } from '../../kubernetes/kubernetes.ts';

/** One list and watch: of which objects, and where. */
export interface WatchedPath {
  readonly what: 'pods' | 'inferencepools';
  /** `*` is all of them. */
  readonly namespace: string;
}

/** A source of pods in Kubernetes. */
export interface KubernetesSource {
  /** Why it is not complete yet, in words; undefined: all that there is was listed once. */
  readonly missing: string | undefined;
  start(): void;
  /** Afterwards no timer and no connection is left, and nothing is reported any more. */
  stop(): Promise<void>;
}

export type OnWatchFact = (path: WatchedPath, fact: ReflectorFact) => void;

export const ALL_NAMESPACES = '*';

export function podsPath(namespace: string): string {
  return namespace === ALL_NAMESPACES ? '/api/v1/pods' : `/api/v1/namespaces/${namespace}/pods`;
}
