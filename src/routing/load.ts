import { type Endpoint, endpointOf, type Pod } from '../domain.ts';

/** One request in flight. `release` may be called any number of times; it counts once. */
export interface Lease {
  release(): void;
}

interface Counter {
  running: number;
  isForgotten: boolean;
}

/** Requests in flight per pod, from the decision to the end of the exchange, counted by this process alone. */
export class Load {
  readonly #counters = new Map<Endpoint, Counter>();
  /** By list of pods: the registry gives the same one until something changes. */
  readonly #ofPods = new WeakMap<
    readonly Pod[],
    { readonly counters: readonly Counter[]; readonly running: Uint32Array }
  >();
  #total = 0;

  /** Requests in flight on this pod. */
  running(pod: Pod): number {
    return this.#counters.get(endpointOf(pod))?.running ?? 0;
  }

  /** Requests in flight on each of these pods. Valid until the next call for the same list. */
  runningOn(pods: readonly Pod[]): Uint32Array {
    let known = this.#ofPods.get(pods);
    if (known === undefined) {
      known = { counters: pods.map(pod => this.#counterOf(pod)), running: new Uint32Array(pods.length) };
      this.#ofPods.set(pods, known);
    }
    const { counters, running } = known;
    const { length } = counters;
    for (let i = 0; i < length; i++) running[i] = counters[i]!.running;
    return running;
  }

  total(): number {
    return this.#total;
  }

  begin(pod: Pod): Lease {
    const counter = this.#counterOf(pod);
    counter.running++;
    this.#total++;
    let open = true;
    return {
      release: () => {
        if (!open) return;
        open = false;
        counter.running--;
        this.#total--;
        if (counter.isForgotten) this.forget(pod);
      },
    };
  }

  /** The pod is gone, or known by another name: what is still in flight there counts on. */
  forget(pod: Pod): void {
    const endpoint = endpointOf(pod);
    const counter = this.#counters.get(endpoint);
    if (counter === undefined) return;
    counter.isForgotten = true;
    if (counter.running === 0) this.#counters.delete(endpoint);
  }

  #counterOf(pod: Pod): Counter {
    const endpoint = endpointOf(pod);
    let counter = this.#counters.get(endpoint);
    if (counter === undefined) {
      counter = { running: 0, isForgotten: false };
      this.#counters.set(endpoint, counter);
    }
    counter.isForgotten = false;
    return counter;
  }
}
