import { expect } from './expect.ts';
import { PairMap } from './memory/pair-map.ts';

/**
 * How many copies of a block a holder has beside the first one: engines announce and evict each physical copy on its own. Few
 * blocks have any.
 */
export class Copies {
  /** (holder, position) → further copies. */
  readonly #further: PairMap;
  /** By holder: how many of its blocks have any. */
  readonly #blocks: Uint32Array;

  constructor(capacity: number, maxHolders: number, seed: number) {
    this.#further = new PairMap(capacity, seed);
    this.#blocks = new Uint32Array(maxHolders);
  }

  /** Bytes of memory in use. */
  get bytes(): number {
    return this.#further.bytes;
  }

  /** Without room it is not counted, and the block counts as gone too early. */
  add(holder: number, position: number): void {
    const copies = this.#further.get(holder, position);
    if (copies === 0) {
      if (this.#further.isFull) return;
      this.#blocks[holder]!++;
    }
    this.#further.set(holder, position, copies + 1);
  }

  /** Takes one away. false: there is only the first one. */
  remove(holder: number, position: number): boolean {
    if (this.#blocks[holder] === 0) return false;
    const copies = this.#further.get(holder, position);
    if (copies === 0) return false;
    if (copies > 1) this.#further.set(holder, position, copies - 1);
    else this.forget(holder, position, 1);
    return true;
  }

  /** The holder no longer holds these blocks. */
  forget(holder: number, first: number, count: number): void {
    for (let position = first; this.#blocks[holder] !== 0 && position < first + count; position++) {
      if (this.#further.get(holder, position) === 0) continue;
      this.#further.delete(holder, position);
      this.#blocks[holder]!--;
    }
  }

  /** Throws what is wrong. */
  check(): void {
    const blocks = new Map<number, number>();
    this.#further.forEach(holder => {
      blocks.set(holder, (blocks.get(holder) ?? 0) + 1);
    });
    const counted = this.#blocks.reduce((sum, count) => sum + count, 0);
    expect(counted === this.#further.size, `${counted} blocks have several copies`);
    for (const [holder, count] of blocks)
      expect(this.#blocks[holder] === count, `${count} of holder ${holder}`);
  }

  forEach(callback: (holder: number, position: number, further: number) => void): void {
    this.#further.forEach(callback);
  }
}
