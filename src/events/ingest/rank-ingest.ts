import type { CacheState } from '../../cache/cache-state.ts';
import type { BlockChain, ClearScope, HolderId } from '../../domain.ts';
import { type Place, START } from '../../prefix-index/prefix-index.ts';
import { type BlockHasher, blockAt } from '../../prompt/blocks.ts';
import {
  type CacheGroup,
  type EngineHash,
  type EngineHashes,
  each,
  hashAt,
  type KvEvent,
  type RemovedEvent,
  type StoredEvent,
} from '../decoding/decoding.ts';
import { CacheGroups, type MainRole } from './cache-groups.ts';
import { chainOf, formOf } from './event-chain.ts';
import { Orphans } from './orphans.ts';
import { SecondaryGroups } from './secondary-groups.ts';
import { SingleBlocks } from './single-blocks.ts';
import { StartContexts } from './start-contexts.ts';
import { type Tier, Tiers } from './tiers.ts';

export interface RankIngestOptions {
  /** The pod's name. */
  readonly pod: string;
  /** Data-parallel rank. */
  readonly rank: number;
  /** The pod's base model: the context of events without a LoRA name. */
  readonly model: string;
  readonly cache: Pick<CacheState, 'index' | 'holders' | 'catalog' | 'history'>;
  /** The one that the read path hashes with. */
  readonly hasher: BlockHasher;
  /** What the engine means by a clear. Default: everything. */
  readonly clearScope?: () => ClearScope;
  /** So many blocks, one behind the other, are new on the GPU: as far as they are placed, the engine has just computed them. */
  readonly onComputed?: (blocks: number, blockSizeTokens: number) => void;
  /** Most blocks held aside because their parent is unknown. */
  readonly maxOrphanBlocks?: number;
}

/**
 * What became of one event.
 * - `stored`: `blocks` of it, and `attached` more that had waited for one of these as their parent;
 * - `orphaned`: its parent is unknown, so it waits; `dropped` older blocks had to go for it;
 * - `inconsistent`: its hashes and tokens do not fit together; not indexed;
 * - `off_gpu`: about a medium that is not known, or about blocks off the GPU that are not; not indexed;
 * - `foreign_cache`: about a cache beside the engine's own, as LMCache's, that names chunks of another size by hashes of its own and
 *   never says what it has removed; not indexed;
 * - `refused`: of more block sizes, adapters or cache groups than an engine can have; not indexed.
 */
export type Applied =
  | { readonly kind: 'stored'; readonly blocks: number; readonly attached: number }
  | { readonly kind: 'removed'; readonly blocks: number }
  | { readonly kind: 'orphaned'; readonly blocks: number; readonly dropped: number }
  | { readonly kind: 'cleared' | 'inconsistent' | 'off_gpu' | 'foreign_cache' | 'refused' };

const DEFAULT_MAX_ORPHAN_BLOCKS = 65_536;
const OFF_GPU: Applied = { kind: 'off_gpu' };
const FOREIGN_CACHE: Applied = { kind: 'foreign_cache' };
const INCONSISTENT: Applied = { kind: 'inconsistent' };
const REFUSED: Applied = { kind: 'refused' };

/** Turns the events of one rank into index writes. */
export class RankIngest {
  readonly #options: RankIngestOptions;
  readonly #gpu: HolderId;
  readonly #orphans: Orphans;
  readonly #groups = new CacheGroups();
  readonly #secondary: SecondaryGroups;
  readonly #singles = new SingleBlocks();
  readonly #starts: StartContexts;
  readonly #tiers: Tiers;

  constructor(options: RankIngestOptions) {
    const { pod, rank, model, cache, hasher, maxOrphanBlocks = DEFAULT_MAX_ORPHAN_BLOCKS } = options;
    this.#options = options;
    this.#gpu = cache.holders.ensure(pod, { kind: 'gpu', rank });
    this.#orphans = new Orphans(maxOrphanBlocks);
    this.#starts = new StartContexts(model);
    const composed = () => this.#compose();
    this.#secondary = new SecondaryGroups({ pod, rank, gpu: this.#gpu, cache, seed: hasher.seed, composed });
    this.#tiers = new Tiers({ ...options, gpu: this.#gpu, composed });
  }

  /** Blocks held now, on the GPU. */
  get size(): number {
    return this.#options.cache.index.held(this.#gpu);
  }

  /** Blocks that wait for their parent. */
  get orphans(): number {
    return this.#orphans.blocks;
  }

  /** These will be applied next. */
  prepare(events: readonly KvEvent[]): void {
    const { index } = this.#options.cache;
    for (const event of events) {
      if (event.kind === 'removed') index.prefetch(event.hashes.lanes, 0, event.hashes.length);
      else if (event.kind === 'stored') this.#learnMain(event);
    }
  }

  /** The size of the main group's blocks tells what those of the others are, which may come first in a batch. */
  #learnMain(event: StoredEvent): void {
    const { medium, group, blockSizeTokens } = event;
    if (medium !== 'gpu' || blockSizeTokens === this.#secondary.mainBlockSizeTokens) return;
    if (group.kind === undefined || !this.#groups.carriesPrefixes(group)) return;
    const role = this.#groups.storing(group, blockSizeTokens, isComplete(event));
    if (typeof role !== 'string' && role.kind === 'main') this.#mainIs(role, group);
  }

  apply(event: KvEvent): Applied {
    switch (event.kind) {
      case 'stored':
        return this.#store(event);
      case 'removed':
        return this.#remove(event);
      case 'cleared':
        if (this.#options.clearScope?.() === 'gpu') this.#clearGpu();
        else this.#clear();
        return { kind: 'cleared' };
    }
  }

  /** The holder holds nothing, as far as we know, and may be another process from now on. */
  forget(): void {
    this.#clear();
    this.#groups.forget();
    this.#secondary.forget();
  }

  #clear(): void {
    this.#clearGpu();
    this.#tiers.clear();
    this.#options.cache.catalog.forget(this.#gpu);
  }

  #clearGpu(): void {
    const { cache, pod } = this.#options;
    this.#starts.clear();
    this.#orphans.clear();
    this.#singles.clear();
    this.#secondary.clear();
    cache.index.clear(this.#gpu);
    cache.history.forget(pod);
    this.#tiers.gpuCleared();
  }

  #store(event: StoredEvent): Applied {
    const { blockSizeTokens, medium, group } = event;
    if (medium === 'unknown') return OFF_GPU;
    if (medium !== 'gpu') return this.#storeInTier(event, medium);
    const role = this.#groups.storing(group, blockSizeTokens, isComplete(event));
    if (role === 'unknown') return INCONSISTENT;
    if (role === 'refused') return REFUSED;
    if (role === 'partial') return { kind: 'stored', blocks: 0, attached: 0 };
    if (role.kind === 'secondary') {
      this.#dropPartial();
      return { kind: 'stored', blocks: this.#secondary.store(role, event), attached: 0 };
    }
    this.#mainIs(role, group);
    return isComplete(event) ? this.#storeOnGpu(event) : INCONSISTENT;
  }

  #mainIs({ blockSizeTokens }: MainRole, { index }: CacheGroup): void {
    if (blockSizeTokens === 0 || blockSizeTokens === this.#secondary.mainBlockSizeTokens) return;
    const { isEmpty, mainBlockSizeTokens } = this.#secondary;
    this.#secondary.mainIs(index, blockSizeTokens);
    if (isEmpty) return;
    // What it was until now were the tails of prompts only.
    if (mainBlockSizeTokens !== undefined) this.#clearGpu();
    else this.#dropPartial();
  }

  /** The model is a hybrid: blocks of the main group that were smaller than its own are no prefix that could be reused. */
  #dropPartial(): void {
    const { mainBlockSizeTokens } = this.#secondary;
    if (mainBlockSizeTokens === undefined || this.#singles.isEmpty) return;
    for (const hash of this.#singles.takeSmaller(mainBlockSizeTokens)) this.#removeOnGpu(hash);
  }

  #storeOnGpu(event: StoredEvent): Applied {
    const { hashes, parent } = event;
    if (hashes.length === 1 && this.#secondary.isEmpty) this.#singles.note(hashes, event.blockSizeTokens);
    const after = this.#placeBefore(event);
    if (after === undefined) {
      const dropped = this.#orphans.hold({ ...event, parent: parent! });
      return { kind: 'orphaned', blocks: hashes.length, dropped };
    }
    if (!this.#place(event, after)) return REFUSED;
    return { kind: 'stored', blocks: hashes.length, attached: this.#attachTo(hashes) };
  }

  /** Blocks off the GPU come with their tokens, or, as placeholders, by their hashes alone. */
  #storeInTier(event: StoredEvent, tier: Tier): Applied {
    if (!this.#groups.carriesPrefixes(event.group)) return OFF_GPU;
    if (event.blockSizeTokens !== 0 && !isComplete(event)) return INCONSISTENT;
    const blocks = this.#tiers.store(tier, event);
    if (blocks > 0) return { kind: 'stored', blocks, attached: 0 };
    return this.#isOfForeignCache(event) ? FOREIGN_CACHE : OFF_GPU;
  }

  /** The engine's own offloaded blocks have its blocks' size, and number their groups if those on the GPU do. */
  #isOfForeignCache({ blockSizeTokens, group, extraKeys }: StoredEvent): boolean {
    const own = this.#secondary.mainBlockSizeTokens;
    const isOther = own !== undefined && blockSizeTokens > own;
    return isOther && group.index === undefined && extraKeys.length === 0;
  }

  /**
   * Where its parent is; undefined if that is not known. Where one hash stands for several blocks, it is the one of the event's own
   * context.
   */
  #placeBefore(event: StoredEvent): Place | undefined {
    if (event.parent === undefined) return START;
    if (this.#starts.isEmpty) return this.#locate(event.parent);
    const { index } = this.#options.cache;
    const places = index.locateAll(this.#gpu, event.parent);
    if (places.length <= 1) return places[0];
    const context = this.#starts.of(event);
    const own = places.filter(place => this.#starts.at(index.hashAt(index.startOf(place))) === context);
    return own.length === 1 ? own[0] : undefined;
  }

  /** Returns whether it was stored. */
  #place(event: StoredEvent, after: Place): boolean {
    const { index, catalog } = this.#options.cache;
    const { hashes, parent, loraName } = event;
    const { chain, model } = chainOf(event, after === START ? undefined : index.hashAt(after), this.#options);
    if (!catalog.note(this.#gpu, model, formOf(event), loraName === undefined ? 'base' : 'adapter'))
      return false;
    const again = this.#isReannouncement(event, chain) ? 'same' : 'copy';
    index.store(this.#gpu, chain, { after, engineHashes: hashes.lanes, again });
    if (after === START && chain.length > 0) this.#starts.note(blockAt(chain, 0), event);
    this.#tiers.storedOnGpu(chain, parent);
    this.#secondary.placed(hashes);
    if (again === 'copy') this.#options.onComputed?.(hashes.length, event.blockSizeTokens);
    return true;
  }

  /**
   * vLLM repeats what it holds, without a new copy, for requests with `kv_cache_report_mode: full` (0.26): from the root, all
   * cached blocks at once. A real second copy of several blocks from the root was never seen (equal prompts at the same
   * time are computed once), so such an event is no copy; where it is one after all, the block counts as gone when the
   * first copy is: less is claimed. A single block is counted as a copy, as a prompt of exactly one block makes one with
   * every repeat; a repeated report of it can keep that one block claimed after its eviction.
   */
  #isReannouncement({ parent, hashes }: StoredEvent, chain: BlockChain): boolean {
    if (parent !== undefined || hashes.length < 2) return false;
    return this.#options.cache.index.find(chain).depthOf(this.#gpu) === chain.length;
  }

  /** Places what waited for one of these blocks, and what waited for that. Returns how many blocks. */
  #attachTo(hashes: EngineHashes): number {
    if (this.#orphans.blocks === 0) return 0;
    let attached = 0;
    const parents = [...each(hashes)];
    for (let parent = parents.pop(); parent !== undefined; parent = parents.pop()) {
      if (this.#locate(parent) === undefined) continue;
      for (const { event, removed } of this.#orphans.takeChildrenOf(parent)) {
        const after = this.#placeBefore(event);
        if (after === undefined) {
          this.#orphans.hold(event, removed);
          continue;
        }
        if (!this.#place(event, after)) continue;
        parents.push(...each(event.hashes));
        attached += event.hashes.length;
        for (const hash of removed) this.#removeOnGpu(hash);
      }
    }
    return attached;
  }

  #remove({ hashes, medium, group }: RemovedEvent): Applied {
    if (medium === 'unknown') return OFF_GPU;
    if (medium !== 'gpu') {
      if (this.#groups.isSecondary(group)) return OFF_GPU;
      return { kind: 'removed', blocks: this.#tiers.remove(medium, hashes) };
    }
    const role = this.#groups.removing(group);
    if (role !== 'unknown' && role.kind === 'secondary') {
      return { kind: 'removed', blocks: this.#secondary.remove(role, hashes) };
    }
    let blocks = 0;
    // Of a group that is not known nothing is held, but orphans of it may be.
    for (let i = 0; i < hashes.length; i++) blocks += this.#removeOnGpu(hashAt(hashes, i));
    return { kind: 'removed', blocks };
  }

  /** Returns how many blocks are held no longer. */
  #removeOnGpu(hash: EngineHash): number {
    const { cache, pod } = this.#options;
    const gone = cache.index.remove(this.#gpu, hash);
    if (gone.length === 0) {
      if (this.#orphans.blocks > 0 && this.#locate(hash) === undefined) this.#orphans.remove(hash);
      return 0;
    }
    for (const place of gone) {
      this.#tiers.goneFromGpu(place);
      // What was only expected of the engine ends when it says that the block is gone.
      cache.history.gone(pod, place);
    }
    return gone.length;
  }

  #locate(hash: EngineHash): Place | undefined {
    return this.#options.cache.index.locate(this.#gpu, hash);
  }

  #compose(): void {
    const { holders } = this.#options.cache;
    holders.compose({
      slot: holders.slotOf(this.#options.pod),
      gpu: this.#gpu,
      tiers: this.#tiers.holders,
      hybrid: this.#secondary.hybrid,
    });
  }
}

/** Whether it names each block of its tokens, and of each the tokens after it that it covers. */
function isComplete({ hashes, tokenIds, blockSizeTokens, lookahead }: StoredEvent): boolean {
  return (
    blockSizeTokens > 0 &&
    tokenIds.length === hashes.length * blockSizeTokens &&
    lookahead.ids.length === hashes.length * lookahead.tokens
  );
}
