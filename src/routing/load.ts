import type { Pod } from '../domain.ts';
import { endpointOf } from '../domain.ts';

/** One request in flight. `release` may be called any number of times; it counts once. */
export interface Lease {
  release(): void;
}

/** Requests in flight per pod, from the decision to the end of the exchange, counted by this process alone. */
export class Load {
  readonly #running = new Map<string, number>();

  /** Requests in flight on this pod. */
  running(pod: Pod): number {
    return this.#running.get(endpointOf(pod)) ?? 0;
  }

  total(): number {
    let total = 0;
    for (const count of this.#running.values()) total += count;
    return total;
  }

  begin(pod: Pod): Lease {
    const key = endpointOf(pod);
    this.#running.set(key, this.running(pod) + 1);
    let open = true;
    return {
      release: () => {
        if (!open) return;
        open = false;
        const left = this.#running.get(key)! - 1;
        if (left === 0) this.#running.delete(key);
        else this.#running.set(key, left);
      },
    };
  }
}
