import type { EngineLanes } from '../../domain.ts';
import type { EngineHash, EngineHashes } from './kv-event.ts';

const INITIAL_LANES = 32;

/** Engine hashes, one behind the other. It is filled again and again, and keeps the room that it once needed. */
export class HashList implements EngineHashes {
  lanes = new Uint32Array(INITIAL_LANES) as EngineLanes;
  length = 0;

  /** Empties it, and makes it one of so many. Returns the lanes to be filled. */
  make(length: number): Uint32Array {
    this.length = 0;
    this.#reserve(length);
    this.length = length;
    return this.lanes;
  }

  clear(): void {
    this.length = 0;
  }

  addAll({ lanes, length }: EngineHashes): void {
    this.#reserve(length);
    const to = 2 * this.length;
    for (let i = 0; i < 2 * length; i++) this.lanes[to + i] = lanes[i]!;
    this.length += length;
  }

  /** What is in it now. */
  copy(): EngineHashes {
    return { length: this.length, lanes: this.lanes.slice(0, 2 * this.length) as EngineLanes };
  }

  /** Room for so many more. */
  #reserve(more: number): void {
    const needed = 2 * (this.length + more);
    if (needed <= this.lanes.length) return;
    const lanes = new Uint32Array(Math.max(needed, 2 * this.lanes.length)) as EngineLanes;
    lanes.set(this.lanes);
    this.lanes = lanes;
  }
}

/** One of several. */
export function hashAt({ lanes }: EngineHashes, i: number): EngineHash {
  return { hi: lanes[2 * i]!, lo: lanes[2 * i + 1]! } as EngineHash;
}

/** All of them, one by one. */
export function* each(hashes: EngineHashes): Generator<EngineHash> {
  for (let i = 0; i < hashes.length; i++) yield hashAt(hashes, i);
}
