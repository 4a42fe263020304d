import type { Copies } from './copies.ts';
import type { EngineHashes } from './engine-hashes.ts';
import type { Membership } from './membership.ts';
import { type Arena, LINE } from './memory/arena.ts';
import type { BuddyAllocator } from './memory/buddy-allocator.ts';
import { START } from './prefix-index.ts';
import type { RunMap } from './run-map.ts';

export interface CapacityParts {
  readonly arena: Arena;
  readonly heap: BuddyAllocator;
  readonly runs: RunMap;
  readonly engineHashes: EngineHashes;
  readonly copies: Copies;
  readonly members: Membership;
}

/** Per block: two hashes, its share of a line, and a slot of the table at the least that it is filled. */
const BYTES_A_BLOCK = 16 + 1 / LINE + 4 / 0.43;
const BYTES_A_RUN = 72 + 8;
/** Stores between two moves of a run to the newest end. */
const STORES_AN_EPOCH = 1_024;
/** Abandoned at once when there is no room. */
const LEAST_EVICTED = 64;

/** Keeps an index within its bytes: what was stored longest ago is evicted, whoever holds it. */
export class Capacity {
  readonly #parts: CapacityParts;
  readonly #bytes: number;
  #evicted = 0;
  #stores = 0;

  /** @param bytes of memory for all that grows with what is held */
  constructor(parts: CapacityParts, bytes: number) {
    this.#parts = parts;
    this.#bytes = bytes;
  }

  /** Blocks that may be stored at once: so many that there is room for them when all else is evicted. */
  get longestChain(): number {
    return Math.max(1, Math.floor(this.#bytes / 2 / BYTES_A_BLOCK));
  }

  /** Bytes of memory in use. */
  get used(): number {
    const { arena, heap, runs, engineHashes, copies } = this.#parts;
    return arena.bytes + heap.bytes + runs.bytes + engineHashes.bytes + copies.bytes;
  }

  /** (block, holder) pairs that were evicted. */
  get evicted(): number {
    return this.#evicted;
  }

  /** The run at this position, and all that it follows, are the newest. */
  touch(position: number): void {
    const { runs } = this.#parts;
    if (++this.#stores % STORES_AN_EPOCH === 0) runs.lru.startEpoch();
    runs.lru.touch(runs.at(position), runs.parentOf);
  }

  /** false: there is none, or what the blocks follow had to go for it. */
  makeRoom(blocks: number, after: number): boolean {
    const needed = blocks * BYTES_A_BLOCK + BYTES_A_RUN;
    if (this.used + needed <= this.#bytes) return true;
    if (after !== START) this.touch(after);
    this.#evictFor(needed);
    return after === START || this.#parts.runs.at(after) !== 0;
  }

  /** After a removal, which may have needed memory: it cuts a run whose other holders keep the block. */
  settle(): void {
    this.#evictFor(0);
  }

  /** Until there is room for so many bytes. */
  #evictFor(needed: number): void {
    const { runs, members } = this.#parts;
    for (;;) {
      const missing = this.used + needed - this.#bytes;
      if (missing <= 0) return;
      const { oldest } = runs.lru;
      if (oldest === 0) return;
      this.#evicted += members.evict(oldest, Math.max(LEAST_EVICTED, Math.ceil(missing / BYTES_A_BLOCK)));
    }
  }
}
