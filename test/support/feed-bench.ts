/** The feeds of engines over one cache, and what the read path finds of what they were told. */

import type { CacheState } from '../../src/cache/cache-state.ts';
import type { HolderId } from '../../src/domain.ts';
import { RankIngest, type RankIngestOptions } from '../../src/events/ingest/rank-ingest.ts';
import { createPrefixLookup, type PrefixLookup } from '../../src/routing/prefix-lookup.ts';
import { chainOf, HASHER } from './blocks.ts';
import { aCacheState, aPod } from './builders.ts';
import { tokensOf } from './kv-events.ts';

export interface Context {
  readonly model?: string;
  readonly salt?: string;
}

export class FeedBench {
  readonly cache: CacheState;
  readonly #lookup: PrefixLookup;

  constructor(cache = aCacheState()) {
    this.cache = cache;
    this.#lookup = createPrefixLookup({
      ...{ cache, source: 'engines', hasher: HASHER },
      defaultBlockSizeTokens: { engine: 2, character: 2, tiktoken: 2 },
      maxBlocksPerPrompt: Number.POSITIVE_INFINITY,
    });
  }

  /** Of an engine of the model `demo`. */
  feed(pod = 'a', given: Partial<RankIngestOptions> = {}): RankIngest {
    return new RankIngest({ pod, rank: 0, model: 'demo', cache: this.cache, hasher: HASHER, ...given });
  }

  gpu(pod = 'a'): HolderId {
    return this.cache.holders.find(pod, { kind: 'gpu', rank: 0 })!;
  }

  /** How many blocks of a prompt made of these blocks the pod has on its GPU, of what carries prefixes. */
  depth(hashes: readonly number[], context: Context = {}, pod = 'a'): number {
    return this.cache.index.find(chainOf(tokensOf(hashes), 2, context)).depthOf(this.gpu(pod));
  }

  /** How many of its blocks the pod would reuse, and where they are. */
  match(
    hashes: readonly number[],
    { pod = 'a', salt = '' } = {},
  ): { gpu: number; cpu: number; storage: number } {
    return this.matchTokens(tokensOf(hashes), { pod, salt });
  }

  /** The same of any tokens, in blocks of the size in which the pod holds most of them. */
  matchTokens(
    ids: Uint32Array,
    { pod = 'a', salt = '' } = {},
  ): { gpu: number; cpu: number; storage: number } {
    const found = this.#lookup({ space: 'engine', ids }, { model: 'demo', adapter: undefined, salt }, [
      aPod({ name: pod }),
    ]);
    const [cpu, storage] = [found.offGpu?.cpu[0] ?? 0, found.offGpu?.storage[0] ?? 0];
    return { gpu: found.matchedBlocks[0]! - cpu - storage, cpu, storage };
  }
}
