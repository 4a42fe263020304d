/** The objects of one path as the API server last sent them; of each only what is wanted. */
import { identityOf } from './api-object.ts';

interface Kept<T> {
  readonly version: string;
  /** Undefined: not wanted as it is now. */
  readonly value: T | undefined;
}

export interface Replacement {
  add(items: readonly unknown[]): void;
  /** Takes the place of what is there. Returns whether anything that is wanted differs. */
  complete(): boolean;
}

export class ObjectSet<T> {
  readonly #project: (raw: unknown) => T | undefined;
  #kept: Map<string, Kept<T>> = new Map();

  constructor(project: (raw: unknown) => T | undefined) {
    this.#project = project;
  }

  /** A map of its own, of what is wanted. */
  snapshot(): Map<string, T> {
    const snapshot = new Map<string, T>();
    for (const [key, { value }] of this.#kept) if (value !== undefined) snapshot.set(key, value);
    return snapshot;
  }

  /** Returns whether anything that is wanted differs now. */
  put(raw: unknown): boolean {
    const { key, version } = identityOf(raw);
    const before = this.#kept.get(key);
    const after = this.#read(raw, version, before);
    this.#kept.set(key, after);
    return before?.value !== after.value;
  }

  /** Returns whether it was wanted. */
  remove(raw: unknown): boolean {
    const { key } = identityOf(raw);
    const before = this.#kept.get(key);
    this.#kept.delete(key);
    return before?.value !== undefined;
  }

  /** For a list: until it is complete nothing changes. What has not changed keeps its value. */
  replacement(): Replacement {
    const next = new Map<string, Kept<T>>();
    return {
      add: items => {
        for (const raw of items) {
          const { key, version } = identityOf(raw);
          next.set(key, this.#read(raw, version, this.#kept.get(key)));
        }
      },
      complete: () => {
        const before = this.#kept;
        this.#kept = next;
        const keys = new Set([...before.keys(), ...next.keys()]);
        return [...keys].some(key => before.get(key)?.value !== next.get(key)?.value);
      },
    };
  }

  #read(raw: unknown, version: string, before: Kept<T> | undefined): Kept<T> {
    return before?.version === version ? before : { version, value: this.#project(raw) };
  }
}
