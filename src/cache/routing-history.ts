import type { BlockChain, HolderId } from '../domain.ts';
import { type Place, type PrefixIndex, START } from '../prefix-index/prefix-index.ts';
import { type Clock, monotonicClock } from '../time.ts';
import type { Holders } from './holders.ts';

export interface RoutingHistoryOptions {
  readonly index: PrefixIndex;
  readonly holders: Holders;
  /** How long a prompt counts as held by the pod that it was sent to: at least so long, at most an eighth longer. */
  readonly timeToLiveMs: number;
  /** Most (block, pod) pairs. Beyond it what was routed longest ago goes first, an eighth of a pod's share at a time. */
  readonly capacityEntries: number;
  /** Monotonic. */
  readonly now?: Clock;
}

/** What was routed to a pod for some time, as one holder: it ends as a whole. */
export interface Generation {
  readonly pod: string;
  readonly holder: HolderId;
  readonly startedAt: number;
  /** (block, pod) pairs, as many as it may have at the most. */
  entries: number;
}

/** Blocks that were expected of nobody's request before: those of `chain` from the block with the number `from` on. */
export interface Expectation {
  readonly generation: Generation;
  readonly chain: BlockChain;
  readonly from: number;
}

/** Generations of one pod in a time to live, and in the capacity. */
const GENERATIONS = 8;

/** What was routed where: in the index like what engines announce, until its time is over. */
export class RoutingHistory {
  readonly #options: RoutingHistoryOptions;
  readonly #now: Clock;
  readonly #generationMs: number;
  readonly #generationEntries: number;
  /** Oldest first. */
  readonly #generations = new Set<Generation>();
  /** By pod, oldest first. */
  readonly #byPod = new Map<string, readonly Generation[]>();
  #count = 0;
  /** Of all generations. */
  #entries = 0;

  constructor(options: RoutingHistoryOptions) {
    this.#options = options;
    this.#now = options.now ?? monotonicClock;
    this.#generationMs = options.timeToLiveMs / GENERATIONS;
    this.#generationEntries = options.capacityEntries / GENERATIONS;
  }

  /** (block, pod) pairs, counted once per generation. */
  get entries(): number {
    let entries = 0;
    for (const { holder } of this.#generations) entries += this.#options.index.held(holder);
    return entries;
  }

  /** The prompt was sent to this pod. Returns what is to be withdrawn if the pod will not hold it after all. */
  store(pod: string, chain: BlockChain): Expectation | undefined {
    const { index, capacityEntries } = this.#options;
    const fitting = Math.min(chain.length, capacityEntries);
    if (fitting === 0) return undefined;
    this.expire();
    const generation = this.#current(pod, fitting);
    const stored = { ...chain, length: fitting };
    const added = index.store(generation.holder, stored, {
      ...{ after: START, engineHashes: undefined, again: 'same' },
    });
    generation.entries += added;
    this.#entries += added;
    for (const oldest of this.#generations) {
      if (this.#entries <= capacityEntries || oldest === generation) break;
      this.#end(oldest);
    }
    return added === 0 ? undefined : { generation, chain: stored, from: fitting - added };
  }

  /** The prompt's request failed: what nobody expected of the pod before is not expected because of it, either. */
  withdraw({ generation, chain, from }: Expectation): void {
    const { index } = this.#options;
    if (!this.#generations.has(generation)) return;
    const found = index.find(chain);
    const places: Place[] = [];
    for (let block = from; block < chain.length; block++) {
      const place = found.placeOf(block);
      if (place === undefined) break;
      places.push(place);
    }
    // What was found is not valid any more when the first one is gone; the places are. The tail first, as engines evict.
    for (const place of places.reverse()) index.removeAt(generation.holder, place);
    generation.entries -= chain.length - from;
    this.#entries -= chain.length - from;
  }

  /** Ends what is no longer expected of anybody. Whoever looks something up calls it first. */
  expire(): void {
    const bound = this.#now() - this.#options.timeToLiveMs - this.#generationMs;
    for (const generation of this.#generations) {
      if (generation.startedAt > bound) break;
      this.#end(generation);
    }
  }

  /** What was routed to a pod, oldest first. */
  of(pod: string): readonly Generation[] {
    return this.#byPod.get(pod) ?? NONE;
  }

  /** The pod no longer has this block, as its engine says. */
  gone(pod: string, place: Place): void {
    for (const { holder } of this.of(pod)) this.#options.index.removeAt(holder, place);
  }

  /** Nothing is expected of this pod any more. */
  forget(pod: string): void {
    for (const generation of this.of(pod)) this.#end(generation);
  }

  /** The generation that takes so many blocks more. */
  #current(pod: string, blocks: number): Generation {
    const ofPod = this.of(pod);
    const newest = ofPod.at(-1);
    const startedAt = this.#now();
    if (
      newest !== undefined &&
      startedAt < newest.startedAt + this.#generationMs &&
      newest.entries + blocks <= Math.max(blocks, this.#generationEntries)
    ) {
      return newest;
    }
    const holder = this.#options.holders.ensure(pod, { kind: 'expected', generation: this.#count++ });
    const generation = { pod, holder, startedAt, entries: 0 };
    this.#generations.add(generation);
    this.#byPod.set(pod, [...ofPod, generation]);
    return generation;
  }

  #end(generation: Generation): void {
    const { index, holders } = this.#options;
    const { pod, holder, entries } = generation;
    index.clear(holder);
    holders.release(holder);
    this.#entries -= entries;
    this.#generations.delete(generation);
    const others = this.of(pod).filter(each => each !== generation);
    if (others.length === 0) this.#byPod.delete(pod);
    else this.#byPod.set(pod, others);
  }
}

const NONE: readonly Generation[] = [];
