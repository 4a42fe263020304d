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
  /** It is not picked for the time being; nothing that is kept of it goes. */
  becameUnready?(pod: Pod): void;
  /** It is picked again. */
  becameReady?(pod: Pod): void;
  /** Once per change of anything, after all `left` and `joined` of it. */
  changed?(): void;
}

const NO_PODS: readonly Pod[] = Object.freeze([]);

/** The pods that are known now. Reads are O(1) and return the same array until something changes. */
export class PodRegistry {
  #entries: readonly PodEntry[] = [];
  #pods: readonly Pod[] = NO_PODS;
  #unready: ReadonlySet<string> = new Set();
  #ready: readonly Pod[] = NO_PODS;
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
    if (model === ANY_MODEL) return this.#ready;
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

  /** All pods, ordered by name, unready ones among them. */
  pods(): readonly Pod[] {
    return this.#pods;
  }

  /** Whether the pod is known, and not picked for the time being. */
  isUnready(pod: string): boolean {
    return this.#unready.has(pod);
  }

  /** Whether there is a pod to send anything to. */
  get ready(): boolean {
    return this.#ready.length > 0;
  }

  /**
   * Makes `entries` all that is known. A pod with the same name, address, port, model, event source and incarnation stays; any other
   * difference is a pod that left and one that joined. Throws, and changes nothing, if two pods share a name.
   */
  replace(entries: readonly PodEntry[]): void {
    if (isDeepStrictEqual(entries, this.#entries)) return;
    const before = new Map(this.#pods.map(pod => [pod.name, pod]));
    const joined: Pod[] = [];
    const changedReadiness: Pod[] = [];
    const after = new Map<string, Pod>();
    const unready = new Set<string>();
    const take = (pod: Pod) => {
      if (after.has(pod.name)) throw new Error(`two pods are named ${JSON.stringify(pod.name)}`);
      const old = before.get(pod.name);
      after.set(pod.name, old !== undefined && isDeepStrictEqual(old, pod) ? old : pod);
      if (old === undefined || !sameReplica(old, pod)) {
        joined.push(pod);
        return;
      }
      before.delete(pod.name);
      if (this.#unready.has(pod.name) !== unready.has(pod.name)) changedReadiness.push(pod);
    };
    for (const entry of entries) {
      for (const pod of entry.unready ?? []) {
        unready.add(pod.name);
        take(pod);
      }
      for (const pod of entry.pods) take(pod);
    }
    const left = [...before.values()];
    this.#rebuild(entries, [...after.values()].sort(byName), unready);

    const listeners = [...this.#listeners];
    const tell = (pods: readonly Pod[], what: (listener: PodListener, pod: Pod) => void) => {
      for (const pod of pods) for (const listener of listeners) this.#guard(() => what(listener, pod));
    };
    tell(left, (listener, pod) => listener.left(pod));
    tell(joined.sort(byName), (listener, pod) => listener.joined(pod));
    tell(changedReadiness.sort(byName), (listener, pod) =>
      unready.has(pod.name) ? listener.becameUnready?.(pod) : listener.becameReady?.(pod),
    );
    for (const listener of listeners) this.#guard(() => listener.changed?.());
  }

  /** `listener` first gets `joined` for every pod that is present. Returns the way to unsubscribe. */
  subscribe(listener: PodListener): () => void {
    // A set keeps one of equals; a wrapper makes two subscriptions of one listener two.
    const own: PodListener = {
      joined: pod => listener.joined(pod),
      left: pod => listener.left(pod),
      becameUnready: pod => listener.becameUnready?.(pod),
      becameReady: pod => listener.becameReady?.(pod),
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

  #rebuild(entries: readonly PodEntry[], pods: readonly Pod[], unready: ReadonlySet<string>): void {
    const roots = new Map(entries.map(({ spec }) => [spec.model, spec.model]));
    for (const { spec } of entries) {
      for (const alias of spec.aliases) if (!roots.has(alias)) roots.set(alias, spec.model);
    }
    const serving = new Map<string, Pod[]>([...roots.keys()].map(id => [id, []]));
    const ready = unready.size === 0 ? pods : pods.filter(({ name }) => !unready.has(name));
    for (const pod of ready) {
      for (const id of new Set([pod.model, ...pod.aliases])) serving.get(id)?.push(pod);
    }
    this.#entries = entries;
    this.#pods = pods;
    this.#unready = unready;
    this.#ready = ready;
    this.#serving = serving;
    const isUniform = ready.length > 0 && [...serving.values()].every(each => each.length === ready.length);
    this.#onlyModel = isUniform ? ready[0]!.model : undefined;
    this.#models = [...roots].map(([id, root]) => ({ id, root })).sort((a, b) => (a.id < b.id ? -1 : 1));
  }
}

function sameReplica(a: Pod, b: Pod): boolean {
  return (
    a.ip === b.ip &&
    a.port === b.port &&
    a.model === b.model &&
    a.incarnation === b.incarnation &&
    a.metricsPort === b.metricsPort &&
    isDeepStrictEqual(a.kvEvents, b.kvEvents)
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
