import type { BlockChain } from '../../src/domain.ts';

interface Sequence {
  readonly lanes: Uint32Array;
  /** Blocks of it that are still cached. */
  length: number;
}

/** What a request did to a cache. */
export interface Used {
  /** Leading blocks of the prompt that were cached already, and that are now. */
  readonly held: number;
  readonly cached: number;
  /** Hashes of the blocks that had to go, two lanes each, in this order. */
  readonly evicted: Uint32Array;
}

/** What an engine of limited size holds: sequences by their last use, of which the oldest gives up its tail first. */
export class EngineCache {
  readonly #limit: number;
  /** Oldest use first; blocks that sequences share belong to the one used last. */
  readonly #sequences = new Set<Sequence>();
  readonly #ownerOf = new Map<number, Sequence>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Blocks. */
  get size(): number {
    return this.#ownerOf.size;
  }

  use({ lanes, length }: BlockChain): Used {
    const cached = Math.min(length, this.#limit);
    let held = 0;
    while (held < cached && this.#ownerOf.has(keyOf(lanes, held))) held++;
    const sequence: Sequence = { lanes, length: cached };
    for (let i = 0; i < cached; i++) this.#ownerOf.set(keyOf(lanes, i), sequence);
    this.#sequences.add(sequence);
    return { held, cached, evicted: Uint32Array.from(this.#evict()) };
  }

  #evict(): number[] {
    const evicted: number[] = [];
    for (const oldest of this.#sequences) {
      while (this.size > this.#limit && oldest.length > 0) {
        const last = --oldest.length;
        const key = keyOf(oldest.lanes, last);
        if (this.#ownerOf.get(key) !== oldest) continue;
        this.#ownerOf.delete(key);
        evicted.push(oldest.lanes[2 * last]!, oldest.lanes[2 * last + 1]!);
      }
      if (this.size <= this.#limit) break;
      this.#sequences.delete(oldest);
    }
    return evicted;
  }
}

/** 53 bits of the hash. */
function keyOf(lanes: Uint32Array, block: number): number {
  return (lanes[2 * block]! >>> 11) * 2 ** 32 + lanes[2 * block + 1]!;
}
