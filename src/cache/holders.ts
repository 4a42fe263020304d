import type { HolderId } from '../domain.ts';

/** What of a pod's cache a holder stands for. `rank` counts data-parallel ranks from 0. */
export type Part =
  /** What a rank has on its GPU, of the KV-cache group that carries prefixes. */
  | { readonly kind: 'gpu'; readonly rank: number }
  /** What it has off the GPU, and what it has anywhere. */
  | { readonly kind: 'cpu' | 'storage' | 'anywhere'; readonly rank: number }
  /**
   * What it has on its GPU of a secondary KV-cache group: whole cells (`GroupNeed`), and cells of which it has the end that a window
   * needs.
   */
  | { readonly kind: 'group' | 'group-tail'; readonly rank: number; readonly group: number }
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
export interface MultiPart {
  readonly slot: number;
  readonly gpu: HolderId;
  /** undefined: it has shown blocks on its GPU only. */
  readonly tiers:
    | { readonly cpu: HolderId; readonly storage: HolderId; readonly anywhere: HolderId }
    | undefined;
  /** undefined: it has shown one KV-cache group only. */
  readonly hybrid: Hybrid | undefined;
}

/** What a prefix needs beside the blocks of the main group. */
export interface Hybrid {
  /** A prefix ends where blocks of all groups end: its blocks are a multiple of this. */
  readonly alignBlocks: number;
  readonly needs: readonly GroupNeed[];
}

/**
 * What a prefix needs of a secondary KV-cache group. Its blocks may have another size than those of the main group; a cell is what
 * lies between two places where blocks of both end, and stands in the index under the main group's last block of it.
 */
export interface GroupNeed {
  /** Blocks of the main group in a cell. */
  readonly cellBlocks: number;
  /** How many cells a prefix needs before its end, at least one; all if it has fewer. */
  readonly cells: number;
  /** Holds those of which the group has what is needed. */
  readonly holder: HolderId;
  /** Holds the cells of which the group has the end, which the one before those is to be of; undefined: nothing more is needed. */
  readonly before: HolderId | undefined;
}

/** What these hold is known from them alone, unless they are part of a multiPart. */
const STAND_ALONE: ReadonlySet<Part['kind']> = new Set<Part['kind']>(['gpu', 'expected']);
const NOWHERE = -1;

/** Gives out holder ids: small integers, a freed one is used again. Whoever frees one clears it in the index first. */
export class Holders {
  readonly #holders: (Holder | undefined)[] = [];
  /** By holder: the slot of its pod, if what it holds is known from it alone. */
  readonly #standAlone: number[] = [];
  /** By holder: its data-parallel rank, if it is what that has on its GPU. */
  readonly #ranks: number[] = [];
  readonly #free: number[] = [];
  readonly #pods = new Map<string, { readonly slot: number; readonly ids: Map<string, HolderId> }>();
  readonly #freeSlots: number[] = [];
  readonly #multiParts = new Map<HolderId, MultiPart>();
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

  /** `slotOfLone` of each id. */
  get loneSlots(): readonly number[] {
    return this.#standAlone;
  }

  /** The slot of a holder's pod; -1 if what it holds is known only together with others (`multiParts`), or it is none. */
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
      this.#multiParts.delete(id);
      this.release(id);
    }
    this.#pods.delete(pod);
    this.#freeSlots.push(slot);
  }

  /** From now on, what the rank holds is known from all these parts; from what is on its GPU alone if there are no others. */
  compose(multiPart: MultiPart): void {
    const { gpu, slot, tiers, hybrid } = multiPart;
    const isLone = tiers === undefined && hybrid === undefined;
    if (isLone) this.#multiParts.delete(gpu);
    else this.#multiParts.set(gpu, multiPart);
    this.#standAlone[gpu] = isLone ? slot : NOWHERE;
  }

  multiParts(): IterableIterator<MultiPart> {
    return this.#multiParts.values();
  }
}

function keyOf(part: Part): string {
  if (part.kind === 'expected') return `expected ${part.generation}`;
  return 'group' in part ? `${part.kind} ${part.rank} ${part.group}` : `${part.kind} ${part.rank}`;
}
