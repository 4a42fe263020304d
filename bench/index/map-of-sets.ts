/** The plainest design: a map from each block to the set of its holders, and of each holder a map from engine hash to block. */
import type { BlockChain, EngineHash, HolderId, Matches } from '../../src/domain.ts';
import { type Announcement, type IndexSize, type Place, START } from '../../src/prefix-index/prefix-index.ts';
import type { BenchFound, BenchIndex } from './bench-index.ts';

/** 53 bits of a hash: what a number holds. */
export function keyOf(hi: number, lo: number): number {
  return (hi >>> 11) * 2 ** 32 + lo;
}

export class MapOfSets implements BenchIndex {
  readonly #holders = new Map<number, Set<HolderId>>();
  readonly #blocks = new Map<HolderId, Map<number, number>>();
  #entries = 0;

  find({ lanes, length }: BlockChain): BenchFound {
    const depths = new Map<HolderId, number>();
    let extents = 0;
    for (let i = 0; i < length; i++) {
      const holders = this.#holders.get(keyOf(lanes[2 * i]!, lanes[2 * i + 1]!));
      if (holders === undefined) break;
      extents++;
      for (const holder of holders) if ((depths.get(holder) ?? 0) === i) depths.set(holder, i + 1);
    }
    const layers = (): Matches => [...depths].map(([holder, depth]) => ({ depth, holders: [holder] }));
    return {
      extents,
      depthOf: holder => depths.get(holder) ?? 0,
      forEachLayer(callback) {
        for (const [holder, depth] of depths) callback(depth, Uint32Array.of(holder), 0, 1);
      },
      layers,
    };
  }

  /** Its chained hash says all of a block: where it stands does not matter. */
  locate(): Place | undefined {
    return START;
  }

  store(holder: HolderId, { lanes, length }: BlockChain, { engineHashes }: Announcement): number {
    const blocks = this.#blocks.get(holder) ?? new Map<number, number>();
    this.#blocks.set(holder, blocks);
    for (let i = 0; i < length; i++) {
      const key = keyOf(lanes[2 * i]!, lanes[2 * i + 1]!);
      const holders = this.#holders.get(key) ?? new Set();
      this.#holders.set(key, holders);
      if (!holders.has(holder)) this.#entries++;
      holders.add(holder);
      blocks.set(keyOf(engineHashes![2 * i]!, engineHashes![2 * i + 1]!), key);
    }
    return length;
  }

  remove(holder: HolderId, { hi, lo }: EngineHash): readonly Place[] {
    const blocks = this.#blocks.get(holder);
    const key = blocks?.get(keyOf(hi, lo));
    if (blocks === undefined || key === undefined) return [];
    blocks.delete(keyOf(hi, lo));
    const holders = this.#holders.get(key)!;
    holders.delete(holder);
    this.#entries--;
    if (holders.size === 0) this.#holders.delete(key);
    return [START];
  }

  size(): IndexSize {
    return { blocks: this.#holders.size, entries: this.#entries };
  }
}
