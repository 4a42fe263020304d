import type { HolderId } from '../domain.ts';

/** What of a pod's cache a holder stands for. `rank` counts data-parallel ranks from 0. */
export type Part =
  /** What a rank has on its GPU, of the KV-cache group that carries prefixes. */
  | { readonly kind: 'gpu'; readonly rank: number }
  /** What it has elsewhere, and what it has anywhere. */
  | { readonly kind: 'cpu' | 'storage' | 'anywhere'; readonly rank: number }
  /** What it has on its GPU of another KV-cache group. */
  | { readonly kind: 'group'; readonly rank: number; readonly group: number }
  /** What was routed to the pod for some time, whichever rank took it. */
  | { readonly kind: 'expected'; readonly generation: number };

export interface Holder {
  /** The pod's name. */
  readonly pod: string;
  /** A small integer, the same for all holders of a pod. */
  readonly slot: number;
  readonly part: Part;
}

/** A rank that holds blocks in several tiers, or in several KV-cache groups. */
export interface Composite {
  readonly slot: number;
  readonly gpu: HolderId;
  /** undefined: it has shown blocks on its GPU only. */
  readonly tiers:
    | { readonly cpu: HolderId; readonly storage: HolderId; readonly anywhere: HolderId }
    | undefined;
  readonly groups: readonly GroupNeed[];
}

/** Of a further KV-cache group a prefix needs the last `blocks` blocks; all of them if it has fewer. */
export interface GroupNeed {
  readonly holder: HolderId;
  readonly blocks: number;
}

/** What these hold is told from them alone, unless they are part of a composite. */
const STAND_ALONE: ReadonlySet<Part['kind']> = new Set<Part['kind']>(['gpu', 'expected']);
const NOWHERE = -1;

/** Gives out holder ids: small integers, a freed one is used again. Whoever frees one clears it in the index first. */
export class Holders {
  readonly #holders: (Holder | undefined)[] = [];
  /** By holder: the slot of its pod, if what it holds is told from it alone. */
  readonly #standAlone: number[] = [];
  /** By holder: its data-parallel rank, if it is what that has on its GPU. */
  readonly #ranks: number[] = [];
  readonly #free: number[] = [];
  readonly #pods = new Map<string, { readonly slot: number; readonly ids: Map<string, HolderId> }>();
  readonly #freeSlots: number[] = [];
  readonly #composites = new Map<HolderId, Composite>();
  #slots = 0;

  find(pod: string, part: Part): HolderId | undefined {
    return this.#pods.get(pod)?.ids.get(keyOf(part));
  }

  /** The id of this holder, a new one if it has none. */
  ensure(pod: string, part: Part): HolderId {
    const known = this.find(pod, part);
    if (known !== undefined) return known;
    const slot = this.slotOf(pod);
    const id = (this.#free.pop() ?? this.#holders.length) as HolderId;
    this.#holders[id] = { pod, slot, part };
    this.#standAlone[id] = STAND_ALONE.has(part.kind) ? slot : NOWHERE;
    this.#ranks[id] = part.kind === 'gpu' ? part.rank : NOWHERE;
    this.#pods.get(pod)!.ids.set(keyOf(part), id);
    return id;
  }

  get(id: HolderId): Holder | undefined {
    return this.#holders[id];
  }

  /** The slot of a holder's pod; -1 if what it holds is told together with others (`composites`), or it is none. */
  slotOfLone(id: HolderId): number {
    return this.#standAlone[id] ?? NOWHERE;
  }

  /** The data-parallel rank that has these blocks on its GPU; -1 of any other part. */
  rankOf(id: HolderId): number {
    return this.#ranks[id] ?? NOWHERE;
  }

  /** All ids of a pod. */
  of(pod: string): HolderId[] {
    return [...(this.#pods.get(pod)?.ids.values() ?? [])];
  }

  /** A small integer that is this pod's until it is released; given out if it has none. */
  slotOf(pod: string): number {
    const known = this.#pods.get(pod);
    if (known) return known.slot;
    const slot = this.#freeSlots.pop() ?? this.#slots++;
    this.#pods.set(pod, { slot, ids: new Map() });
    return slot;
  }

  /** Frees one id. */
  release(id: HolderId): void {
    const holder = this.#holders[id]!;
    this.#pods.get(holder.pod)!.ids.delete(keyOf(holder.part));
    this.#holders[id] = undefined;
    this.#standAlone[id] = NOWHERE;
    this.#ranks[id] = NOWHERE;
    this.#free.push(id);
  }

  /** Frees all ids of a pod. */
  releaseAll(pod: string): void {
    const slot = this.#pods.get(pod)?.slot;
    if (slot === undefined) return;
    for (const id of this.of(pod)) {
      this.#composites.delete(id);
      this.release(id);
    }
    this.#pods.delete(pod);
    this.#freeSlots.push(slot);
  }

  /** From now on, what the rank holds is told from all its parts. */
  compose(composite: Composite): void {
    this.#composites.set(composite.gpu, composite);
    this.#standAlone[composite.gpu] = NOWHERE;
  }

  composites(): IterableIterator<Composite> {
    return this.#composites.values();
  }
}

function keyOf(part: Part): string {
  if (part.kind === 'expected') return `expected ${part.generation}`;
  return part.kind === 'group' ? `group ${part.rank} ${part.group}` : `${part.kind} ${part.rank}`;
}
