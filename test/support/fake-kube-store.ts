/** What a fake API server has: objects with revisions, and all that ever happened to them, as etcd has it. */
import { randomUUID } from 'node:crypto';

export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata: {
    name: string;
    namespace?: string;
    uid?: string;
    resourceVersion?: string;
    creationTimestamp?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    [field: string]: unknown;
  };
  [field: string]: unknown;
}

/** A kind of objects: `/api/v1` and `pods`, or `/apis/inference.networking.k8s.io/v1` and `inferencepools`. */
export interface KubeResource {
  readonly root: string;
  readonly plural: string;
  readonly kind: string;
  /** The API server leaves `apiVersion` and `kind` out of the items of lists, except of custom resources. */
  readonly isCustom: boolean;
}

export interface Change {
  readonly revision: number;
  readonly resource: KubeResource;
  readonly before: KubeObject | undefined;
  /** Undefined: deleted. */
  readonly after: KubeObject | undefined;
}

export class FakeKubeStore {
  readonly #changes: Change[] = [];
  readonly #now = new Map<string, { readonly resource: KubeResource; readonly object: KubeObject }>();
  readonly onChange: (change: Change) => void;
  #revision = 1_000;
  /** What was before is not known any more. */
  #compacted = 0;

  constructor(onChange: (change: Change) => void) {
    this.onChange = onChange;
  }

  get revision(): number {
    return this.#revision;
  }

  /** Creates or replaces. */
  put(resource: KubeResource, object: KubeObject): KubeObject {
    const key = keyOf(resource, object);
    const before = this.#now.get(key)?.object;
    const after: KubeObject = {
      apiVersion: apiVersionOf(resource),
      kind: resource.kind,
      ...object,
      metadata: {
        ...object.metadata,
        uid: before?.metadata.uid ?? randomUUID(),
        creationTimestamp: before?.metadata.creationTimestamp ?? '2026-09-01T12:00:00Z',
        resourceVersion: String(++this.#revision),
      },
    };
    this.#now.set(key, { resource, object: after });
    this.#changed({ revision: this.#revision, resource, before, after });
    return after;
  }

  /** Nothing happens if it is not there. */
  delete(resource: KubeResource, metadata: KubeObject['metadata']): void {
    const key = keyOf(resource, { metadata });
    const before = this.#now.get(key)?.object;
    if (before === undefined) return;
    this.#now.delete(key);
    this.#changed({ revision: ++this.#revision, resource, before, after: undefined });
  }

  /** All that happened so far is forgotten, except how it is now. */
  compact(): void {
    // A revision of its own, so that what was current before counts as too old.
    this.#compacted = ++this.#revision;
  }

  hasForgotten(revision: number): boolean {
    return revision < this.#compacted;
  }

  /** As it was, by namespace and name. */
  at(resource: KubeResource, revision = this.#revision): readonly KubeObject[] {
    const objects = new Map([...this.#now].map(([key, now]) => [key, now]));
    for (const { resource, before, after, ...change } of this.#changes.toReversed()) {
      if (change.revision <= revision) break;
      const key = keyOf(resource, (before ?? after)!);
      if (before === undefined) objects.delete(key);
      else objects.set(key, { resource, object: before });
    }
    return [...objects]
      .filter(([, now]) => now.resource === resource)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, { object }]) => object);
  }

  since(revision: number): readonly Change[] {
    return this.#changes.filter(change => change.revision > revision);
  }

  #changed(change: Change): void {
    this.#changes.push(change);
    this.onChange(change);
  }
}

export function apiVersionOf({ root }: KubeResource): string {
  return root.replace(/^\/apis?\//, '');
}

function keyOf({ root, plural }: KubeResource, { metadata }: KubeObject): string {
  return `${root}/${plural}/${metadata.namespace ?? ''}/${metadata.name}`;
}
