/** The plainest index there is: a map from each block to its holders. What the real one is compared with. */

import type { BlockChain, BlockHash, EngineHash, Hash64, HolderId, Matches } from '../../src/domain.ts';
import {
  type Announcement,
  type Found,
  type IndexSize,
  type Place,
  type PrefixIndex,
  START,
} from '../../src/prefix-index/prefix-index.ts';
import { blockAt } from '../../src/prompt/blocks.ts';
import { blockLanes, engineHashIn, engineLanes } from './blocks.ts';

/** Copies by the engine's hash; none for a holder that no engine speaks for. */
type Held = Map<string, number>;

const keyOf = ({ hi, lo }: Hash64) => `${hi},${lo}`;

export class MapOfSets implements PrefixIndex {
  readonly #blocks = new Map<string, Map<HolderId, Held>>();
  /** All blocks ever, by place. */
  readonly #places: BlockHash[] = [{ hi: 0, lo: 0 } as BlockHash];
  readonly #placeOf = new Map<string, Place>();
  /** What precedes a block in its chain, by their places. */
  readonly #before = new Map<Place, Place>();

  find(chain: BlockChain): Found {
    const depths = new Map<HolderId, number>();
    for (const holder of this.#holdersAt(chain, 0)) {
      let depth = 1;
      while (depth < chain.length && this.#blocks.get(keyOf(blockAt(chain, depth)))?.has(holder)) depth++;
      depths.set(holder, depth);
    }
    const layers: Matches = [...new Set(depths.values())]
      .sort((a, b) => b - a)
      .map(depth => ({ depth, holders: [...depths.keys()].filter(holder => depths.get(holder) === depth) }));
    return {
      depthOf: holder => depths.get(holder) ?? 0,
      forEachLayer(callback) {
        for (const { depth, holders } of layers)
          callback(depth, Uint32Array.from(holders), 0, holders.length);
      },
      layers: () => layers,
      ...this.#extents(chain),
    };
  }

  locate(holder: HolderId, engineHash: EngineHash): Place | undefined {
    const [key] = this.#called(holder, engineHash);
    return key === undefined ? undefined : this.#placeOf.get(key);
  }

  locateAll(holder: HolderId, engineHash: EngineHash): Place[] {
    return this.#called(holder, engineHash).map(key => this.#placeOf.get(key)!);
  }

  startOf(place: Place): Place {
    let start = place;
    for (let before = this.#before.get(start); before !== undefined; before = this.#before.get(start))
      start = before;
    return start;
  }

  hashAt(place: Place): BlockHash {
    return this.#places[place]!;
  }

  store(holder: HolderId, chain: BlockChain, { after, engineHashes, again }: Announcement): number {
    let added = 0;
    let before = after;
    for (let position = 0; position < chain.length; position++) {
      const block = blockAt(chain, position);
      const key = keyOf(block);
      if (!this.#placeOf.has(key)) this.#placeOf.set(key, (this.#places.push(block) - 1) as Place);
      const place = this.#placeOf.get(key)!;
      if (before !== START) this.#before.set(place, before);
      before = place;
      const holders = this.#blocks.get(key) ?? new Map<HolderId, Held>();
      this.#blocks.set(key, holders);
      const engineHash = engineHashes && keyOf(engineHashIn(engineHashes, position));
      const held = holders.get(holder);
      if (held === undefined) {
        holders.set(holder, new Map(engineHash === undefined ? [] : [[engineHash, 1]]));
        added++;
      } else if (engineHash !== undefined && (again === 'copy' || !held.has(engineHash)))
        held.set(engineHash, (held.get(engineHash) ?? 0) + 1);
    }
    return added;
  }

  storeAt(holder: HolderId, place: Place, engineHash: EngineHash | undefined): void {
    const block = this.hashAt(place);
    if (!this.#blocks.has(keyOf(block))) return;
    const chain = { blockSizeTokens: 1, length: 1, lanes: blockLanes(block.hi, block.lo) };
    const engineHashes = engineHash && engineLanes(engineHash.hi, engineHash.lo);
    this.store(holder, chain, { after: place, engineHashes, again: 'copy' });
  }

  storeAllOf(other: HolderId, holder: HolderId): void {
    for (const holders of this.#blocks.values()) {
      if (holders.has(other) && !holders.has(holder)) holders.set(holder, new Map());
    }
  }

  holdsAt(holder: HolderId, place: Place): boolean {
    return this.#blocks.get(keyOf(this.hashAt(place)))?.has(holder) ?? false;
  }

  remove(holder: HolderId, engineHash: EngineHash): Place[] {
    return this.#called(holder, engineHash).flatMap(key => {
      const held = this.#blocks.get(key)!.get(holder)!;
      const hash = keyOf(engineHash);
      const copies = held.get(hash)! - 1;
      if (copies > 0) held.set(hash, copies);
      else held.delete(hash);
      if (held.size > 0) return [];
      this.#drop(holder, key);
      return [this.#placeOf.get(key)!];
    });
  }

  prefetch(): void {}

  removeAt(holder: HolderId, place: Place): void {
    this.#drop(holder, keyOf(this.hashAt(place)));
  }

  clear(holder: HolderId): void {
    for (const key of [...this.#blocks.keys()]) this.#drop(holder, key);
  }

  held(holder: HolderId): number {
    return [...this.#blocks.values()].filter(holders => holders.has(holder)).length;
  }

  size(): IndexSize {
    let entries = 0;
    for (const holders of this.#blocks.values()) entries += holders.size;
    return { blocks: this.#blocks.size, entries };
  }

  /** Whether it holds this block under this very hash. */
  calls(holder: HolderId, block: BlockHash, engineHash: EngineHash): boolean {
    return this.#blocks.get(keyOf(block))?.get(holder)?.has(keyOf(engineHash)) ?? false;
  }

  /** A extent for each block, as far as anybody holds it. */
  #extents(chain: BlockChain): Pick<Found, 'extents' | 'endOf' | 'holds' | 'placeOf'> {
    const held = Array.from({ length: chain.length }, (_, i) => this.#blocks.get(keyOf(blockAt(chain, i))));
    const end = held.indexOf(undefined);
    return {
      extents: end === -1 ? chain.length : end,
      endOf: extent => extent + 1,
      holds: (extent, holder) => held[extent]!.has(holder),
      placeOf: block =>
        block < (end === -1 ? chain.length : end)
          ? this.#placeOf.get(keyOf(blockAt(chain, block)))
          : undefined,
    };
  }

  #holdersAt(chain: BlockChain, position: number): HolderId[] {
    if (position >= chain.length) return [];
    return [...(this.#blocks.get(keyOf(blockAt(chain, position)))?.keys() ?? [])];
  }

  /** Blocks that a holder holds under a hash. */
  #called(holder: HolderId, engineHash: EngineHash): string[] {
    const wanted = keyOf(engineHash);
    return [...this.#blocks].filter(([, holders]) => holders.get(holder)?.has(wanted)).map(([key]) => key);
  }

  #drop(holder: HolderId, key: string): void {
    const holders = this.#blocks.get(key);
    holders?.delete(holder);
    if (holders?.size === 0) this.#blocks.delete(key);
  }
}
