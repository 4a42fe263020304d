import type { HolderId } from '../domain.ts';

/** Stands for the pod as a whole: the router knows which pod it sent a request to, not which rank took it. */
export const ANY_RANK = -1;

export interface Holder {
  /** The pod's name. */
  readonly pod: string;
  /** Data-parallel rank from 0, or ANY_RANK. */
  readonly rank: number;
}

/** Gives out holder ids: small integers, a freed one is used again. Whoever frees one clears it in every index first. */
export class Holders {
  readonly #holders: (Holder | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #ids = new Map<string, Map<number, HolderId>>();

  find(pod: string, rank: number): HolderId | undefined {
    return this.#ids.get(pod)?.get(rank);
  }

  /** The id of this holder, a new one if it has none. */
  ensure(pod: string, rank: number): HolderId {
    const known = this.find(pod, rank);
    if (known !== undefined) return known;
    const id = (this.#free.pop() ?? this.#holders.length) as HolderId;
    this.#holders[id] = { pod, rank };
    const ranks = this.#ids.get(pod) ?? new Map<number, HolderId>();
    this.#ids.set(pod, ranks.set(rank, id));
    return id;
  }

  get(id: HolderId): Holder | undefined {
    return this.#holders[id];
  }

  /** The ids of all ranks of a pod. */
  of(pod: string): HolderId[] {
    return [...(this.#ids.get(pod)?.values() ?? [])];
  }

  /** Frees all ids of a pod. */
  release(pod: string): void {
    for (const id of this.of(pod)) {
      this.#holders[id] = undefined;
      this.#free.push(id);
    }
    this.#ids.delete(pod);
  }
}
