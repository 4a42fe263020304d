/** A reflector whose facts and sets a test can wait for. */
import {
  type KubeClient,
  Reflector,
  type ReflectorFact,
  type ReflectorOptions,
} from '../../src/kubernetes/kubernetes.ts';
import type { KubeObject } from './fake-kube-api.ts';
import { Inbox } from './inbox.ts';

/** What the tests keep of a pod. */
export interface Kept {
  readonly uid: string;
  readonly version: string;
}

export type KeptSet = ReadonlyMap<string, Kept>;

export const PODS_PATH = '/api/v1/pods';

export function keep(raw: unknown): Kept {
  const { uid = '', resourceVersion: version = '' } = (raw as KubeObject).metadata;
  return { uid, version };
}

export interface Reflected {
  readonly reflector: Reflector<Kept>;
  readonly facts: Inbox<ReflectorFact>;
  readonly sets: Inbox<KeptSet>;
  /** The next fact of this kind; those before it are skipped. */
  fact<K extends ReflectorFact['kind']>(kind: K): Promise<ReflectorFact & { readonly kind: K }>;
}

export function reflect(client: KubeClient, options: Partial<ReflectorOptions<Kept>> = {}): Reflected {
  const facts = new Inbox<ReflectorFact>();
  const sets = new Inbox<KeptSet>();
  const reflector = new Reflector<Kept>({
    client,
    path: PODS_PATH,
    project: keep,
    onChange: sets.push,
    onFact: facts.push,
    ...options,
  });
  reflector.start();
  return {
    reflector,
    facts,
    sets,
    fact: async kind => (await facts.until(fact => fact.kind === kind)) as never,
  };
}

/** As a set should be for these objects. */
export function keptOf(objects: readonly KubeObject[]): KeptSet {
  return new Map(objects.map(raw => [`${raw.metadata.namespace}/${raw.metadata.name}`, keep(raw)]));
}
