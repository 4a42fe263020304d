import type { HolderId, Matches, MatchLayer } from '../domain.ts';
import { DepthLayers } from './depth-layers.ts';
import type { HolderSets } from './holder-sets.ts';
import type { BuddyAllocator } from './memory/buddy-allocator.ts';
import type { Found, Place } from './prefix-index.ts';
import type { RunMap } from './run-map.ts';

/**
 * What a prompt was found to be: runs, one behind the other, and how many of the prompt's blocks have been covered behind each.
 * Belongs to the index, and is valid until the next look-up or change.
 *
 * Who stands where is computed only when asked. A run's holders hold the prompt up to there if they are holders of all runs before.
 */
export class Path implements Found {
  readonly #runMap: Pick<RunMap, 'offset'>;
  readonly #sets: HolderSets;
  readonly #leavers: DepthLayers;
  runs = new Uint32Array(256);
  depths = new Uint32Array(256);
  length = 0;
  /** Where those that end at each run end in what the leavers are. */
  #ends = new Uint32Array(256);

  constructor(runMap: Pick<RunMap, 'offset' | 'sets'>, heap: BuddyAllocator) {
    this.#runMap = runMap;
    this.#sets = runMap.sets;
    this.#leavers = new DepthLayers(runMap.sets, heap);
  }

  get extents(): number {
    return this.length;
  }

  endOf(extent: number): number {
    return this.depths[extent]!;
  }

  holds(extent: number, holder: HolderId): boolean {
    return this.#sets.has(this.runs[extent]!, holder);
  }

  placeOf(block: number): Place | undefined {
    let step = 0;
    while (step < this.length && this.depths[step]! <= block) step++;
    if (step === this.length) return undefined;
    const start = step === 0 ? 0 : this.depths[step - 1]!;
    return (this.#runMap.offset(this.runs[step]!) + block - start) as Place;
  }

  depthOf(holder: HolderId): number {
    let step = 0;
    while (step < this.length && this.#sets.has(this.runs[step]!, holder)) step++;
    return step === 0 ? 0 : this.depths[step - 1]!;
  }

  forEachLayer(callback: (depth: number, holders: Uint32Array, from: number, to: number) => void): void {
    const { holders } = this.#leavers;
    this.#leavers.find(this.runs, this.length, this.#ends);
    for (let step = this.length - 1; step >= 0; step--) {
      const from = step === 0 ? 0 : this.#ends[step - 1]!;
      const to = this.#ends[step]!;
      if (to > from) callback(this.depths[step]!, holders, from, to);
    }
  }

  layers(): Matches {
    const layers: MatchLayer[] = [];
    this.forEachLayer((depth, holders, from, to) => {
      layers.push({ depth, holders: Array.from(holders.subarray(from, to)) as unknown as HolderId[] });
    });
    return layers;
  }

  /** Room for so many runs, to be filled from the first one on; the index calls this. */
  reserve(length: number): this {
    while (this.runs.length < length) {
      this.runs = new Uint32Array(2 * this.runs.length);
      this.depths = new Uint32Array(this.runs.length);
      this.#ends = new Uint32Array(this.runs.length);
    }
    return this;
  }
}
