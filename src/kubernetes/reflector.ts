import type { Clock, Sleep } from '../time.ts';
import type { KubeClient } from './client.ts';
import type { ReflectorFact } from './reflector-fact.ts';

export interface ReflectorOptions<T> {
  readonly client: KubeClient;
  /** `/api/v1/pods`, `/api/v1/namespaces/x/pods`, … */
  readonly path: string;
  readonly query?: { readonly labelSelector?: string; readonly fieldSelector?: string };
  /**
   * What is kept of an object; undefined: nothing, as if it were not there. An object of the API is some ten kilobytes, so take single
   * fields. Take `metadata.uid` if it matters whether an object is another one of the same name.
   */
  readonly project: (raw: unknown) => T | undefined;
  /**
   * The whole set, by `namespace/name`: after the first list, even if it is empty, and after changes, at most once in 50 ms. Each call
   * gets a map of its own; an object that has not changed since the last call is the same value.
   */
  readonly onChange: (objects: ReadonlyMap<string, T>) => void;
  readonly onFact: (fact: ReflectorFact) => void;
  readonly sleep?: Sleep;
  readonly now?: Clock;
  readonly random?: () => number;
}

/** Keeps a copy of the objects of one path of the API by one list and one watch, whatever happens in between. */
export class Reflector<T> {
  readonly #options: ReflectorOptions<T>;

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
  }

  /** Whether the first list is complete. */
  get hasListed(): boolean {
    return false;
  }

  /** By `now`; undefined: nothing was ever heard. */
  get lastSignOfLifeMs(): number | undefined {
    return undefined;
  }

  start(): void {
    throw new Error(`not written yet: ${this.#options.path}`);
  }

  /** Afterwards no timer and no connection is left, and no function of the options is called again. */
  async stop(): Promise<void> {}
}
