import { isDeepStrictEqual } from 'node:util';
import { ANY_MODEL, type ModelEntry, type Pod } from '../domain.ts';
import type { PodEntry } from './spec.ts';

/**
 * Called on every change after the registry shows it. Listeners must not call `replace`; what one throws keeps no other from being
 * called. Pods should be distinguished by name: one whose labels or aliases alone changed gets a new object without leaving.
 */
export interface PodListener {
  joined(pod: Pod): void;
  left(pod: Pod): void;
  /** Once per change of anything, after all `left` and `joined` of it. */
  changed?(): void;
}

const NO_PODS: readonly Pod[] = Object.freeze([]);

/** The pods that are known now. Reads are O(1) and return the same array until something changes. */
export class PodRegistry {
  #entries: readonly PodEntry[] = [];
  #pods: readonly Pod[] = NO_PODS;
  /** A name known only from entries without pods has an empty list. */
  #serving: ReadonlyMap<string, readonly Pod[]> = new Map();
  #models: readonly ModelEntry[] = [];
  #onlyModel: string | undefined;
  readonly #listeners = new Set<PodListener>();
  readonly #onUnexpected: (error: unknown) => void;

  /** @param onUnexpected what a listener threw; by default it is thrown on, when all others have been called */
  constructor(onUnexpected: (error: unknown) => void = throwLater) {
    this.#onUnexpected = onUnexpected;
  }

  /** Ready pods whose model or alias is `model`, ordered by name; all for `ANY_MODEL`. */
  serving(model: string): readonly Pod[] {
    if (model === ANY_MODEL) return this.#pods;
    return this.#serving.get(model) ?? NO_PODS;
  }

  /** Whether some entry serves this name, even one without a reachable pod. */
  knows(model: string): boolean {
    return model === ANY_MODEL || this.#serving.has(model);
  }

  /** Every name that can be asked for, ordered. */
  models(): readonly ModelEntry[] {
    return this.#models;
  }

  /** The base model, where every pod serves every name that can be asked for: then any pod is right for any request. */
  get onlyModel(): string | undefined {
    return this.#onlyModel;
  }

  /** All pods, ordered by name. */
  pods(): readonly Pod[] {
    return this.#pods;
  }

  /** Whether there is a pod to send anything to. */
  get ready(): boolean {
    return this.#pods.length > 0;
  }

  /**
   * Makes `entries` all that is known. A pod with the same name, address, port, model and event source stays; any other
   * difference is a pod that left and one that joined. Throws, and changes nothing, if two pods share a name.
   */
  replace(entries: readonly PodEntry[]): void {
    if (isDeepStrictEqual(entries, this.#entries)) return;
    const before = new Map(this.#pods.map(pod => [pod.name, pod]));
    const left: Pod[] = [];
    const joined: Pod[] = [];
    const after = new Map<string, Pod>();
    for (const pod of entries.flatMap(entry => entry.pods)) {
      if (after.has(pod.name)) throw new Error(`two pods are named ${JSON.stringify(pod.name)}`);
      const old = before.get(pod.name);
      after.set(pod.name, old !== undefined && isDeepStrictEqual(old, pod) ? old : pod);
      if (old !== undefined && sameReplica(old, pod)) {
        before.delete(pod.name);
      } else {
        joined.push(pod);
      }
    }
    left.push(...before.values());
    this.#rebuild(entries, [...after.values()].sort(byName));

    const listeners = [...this.#listeners];
    for (const pod of left) for (const listener of listeners) this.#guard(() => listener.left(pod));
    for (const pod of joined.sort(byName))
      for (const listener of listeners) this.#guard(() => listener.joined(pod));
    for (const listener of listeners) this.#guard(() => listener.changed?.());
  }

  /** `listener` first gets `joined` for every pod that is present. Returns the way to unsubscribe. */
  subscribe(listener: PodListener): () => void {
    // A set keeps one of equals; a wrapper makes two subscriptions of one listener two.
    const own: PodListener = {
      joined: pod => listener.joined(pod),
      left: pod => listener.left(pod),
      changed: () => listener.changed?.(),
    };
    this.#listeners.add(own);
    for (const pod of this.#pods) this.#guard(() => own.joined(pod));
    return () => void this.#listeners.delete(own);
  }

  #guard(tell: () => void): void {
    try {
      tell();
    } catch (error) {
      this.#onUnexpected(error);
    }
  }

  #rebuild(entries: readonly PodEntry[], pods: readonly Pod[]): void {
    const roots = new Map(entries.map(({ spec }) => [spec.model, spec.model]));
    for (const { spec } of entries) {
      for (const alias of spec.aliases) if (!roots.has(alias)) roots.set(alias, spec.model);
    }
    const serving = new Map<string, Pod[]>([...roots.keys()].map(id => [id, []]));
    for (const pod of pods) {
      for (const id of new Set([pod.model, ...pod.aliases])) serving.get(id)?.push(pod);
    }
    this.#entries = entries;
    this.#pods = pods;
    this.#serving = serving;
    const isUniform = pods.length > 0 && [...serving.values()].every(each => each.length === pods.length);
    this.#onlyModel = isUniform ? pods[0]!.model : undefined;
    this.#models = [...roots].map(([id, root]) => ({ id, root })).sort((a, b) => (a.id < b.id ? -1 : 1));
  }
}

function sameReplica(a: Pod, b: Pod): boolean {
  return (
    a.ip === b.ip && a.port === b.port && a.model === b.model && isDeepStrictEqual(a.kvEvents, b.kvEvents)
  );
}

function byName(a: Pod, b: Pod): number {
  return a.name < b.name ? -1 : 1;
}

function throwLater(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
