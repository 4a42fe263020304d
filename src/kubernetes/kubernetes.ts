/** What other parts may use of the Kubernetes API. */
export { type ConnectOptions, connectKubernetes, type KubeClient, type Query } from './client.ts';
export { KubernetesError, type KubernetesErrorKind } from './kubernetes-error.ts';
export { Reflector, type ReflectorOptions } from './reflector.ts';
export type { ReflectorFact, RelistReason } from './reflector-fact.ts';
export type { WatchEvent } from './watch-event.ts';
