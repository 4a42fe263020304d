/** What is read of every object and list of the API, whatever they are of. All of it is untrusted. */
import { KubernetesError } from './kubernetes-error.ts';

export interface Identity {
  /** `namespace/name`; of an object that is in no namespace, its name. */
  readonly key: string;
  /** Of its last change: opaque, and only ever compared for being the same. */
  readonly version: string;
}

/** One page of a list. */
export interface Page {
  readonly items: readonly unknown[];
  /** Of the list: the same on all of its pages. */
  readonly version: string;
  /** Undefined: it is the last one. */
  readonly continueToken: string | undefined;
}

interface Untrusted {
  readonly metadata?: {
    readonly name?: unknown;
    readonly namespace?: unknown;
    readonly resourceVersion?: unknown;
    readonly continue?: unknown;
  } | null;
  readonly items?: unknown;
}

/** Throws KubernetesError (`malformed`), as all here. */
export function identityOf(raw: unknown): Identity {
  const { name, namespace } = metadataOf(raw);
  if (typeof name !== 'string' || name === '') throw malformed('an object has no name');
  const key = typeof namespace === 'string' && namespace !== '' ? `${namespace}/${name}` : name;
  return { key, version: versionOf(raw) };
}

export function versionOf(raw: unknown): string {
  const { resourceVersion } = metadataOf(raw);
  if (typeof resourceVersion === 'string' && resourceVersion !== '') return resourceVersion;
  throw malformed('an object has no resourceVersion');
}

export function readPage(answer: unknown): Page {
  const { continue: token } = metadataOf(answer);
  // Go writes an empty list as null.
  const { items: given } = answer as Untrusted;
  const items = given === null ? [] : given;
  if (!Array.isArray(items)) throw malformed('a list has no items');
  return {
    items,
    version: versionOf(answer),
    continueToken: typeof token === 'string' && token !== '' ? token : undefined,
  };
}

function metadataOf(raw: unknown): NonNullable<Untrusted['metadata']> {
  const metadata = (raw as Untrusted | null | undefined)?.metadata;
  if (typeof metadata === 'object' && metadata !== null) return metadata;
  throw malformed('an object has no metadata');
}

function malformed(what: string): KubernetesError {
  return new KubernetesError('malformed', `${what}: is this the API server?`);
}
