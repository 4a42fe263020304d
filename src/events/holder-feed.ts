import type { BlockHash, HolderId } from '../domain.ts';
import { BlockTable } from '../prefix-index/block-table.ts';
import type { ContextCatalog } from '../prefix-index/context-catalog.ts';
import type { PrefixIndex } from '../prefix-index/prefix-index.ts';
import { type BlockExtras, blockAt, chainBlocks, rootOf } from '../prompt/blocks.ts';
import type { CacheGroup, EngineHash, EngineHashes, KvEvent, StoredEvent } from './kv-event.ts';
import { each, Orphans } from './orphans.ts';

export interface HolderFeedOptions {
  readonly holder: HolderId;
  /** The pod's base model: the context of events without a LoRA name. */
  readonly model: string;
  readonly index: PrefixIndex;
  readonly catalog: ContextCatalog;
  /** The seed that the read path hashes with. */
  readonly seed: number;
  /** Most blocks held aside because their parent is unknown. */
  readonly maxOrphanBlocks?: number;
}

/**
 * What became of one event.
 * - `stored`: `blocks` of it, and `attached` more that had waited for one of these as their parent;
 * - `orphaned`: its parent is unknown, so it waits; `dropped` older blocks had to go for it;
 * - `inconsistent`: its hashes and tokens do not fit together; not indexed;
 * - `elsewhere`: about another cache than the GPU's; not indexed.
 */
export type Applied =
  | { readonly kind: 'stored'; readonly blocks: number; readonly attached: number }
  | { readonly kind: 'removed'; readonly blocks: number }
  | { readonly kind: 'orphaned'; readonly blocks: number; readonly dropped: number }
  | { readonly kind: 'cleared' | 'inconsistent' | 'elsewhere' };

interface HeldBlock {
  readonly hash: BlockHash;
  /** Physical copies: engines announce and evict each on its own (vLLM does not deduplicate blocks). */
  copies: number;
}

const DEFAULT_MAX_ORPHAN_BLOCKS = 65_536;

/** Groups whose blocks carry a prefix by themselves. */
const FULL_ATTENTION: ReadonlySet<string> = new Set([
  'full_attention',
  'mla_attention',
  'sink_full_attention',
]);

/** Turns one holder's events into index writes, and keeps the engine's hashes for what its later events refer to. */
export class HolderFeed {
  readonly #options: HolderFeedOptions;
  readonly #held = new BlockTable<HeldBlock>();
  readonly #orphans: Orphans;
  /** KV-cache groups that cannot carry a prefix; removals name the group but not its kind. */
  readonly #otherGroups = new Set<number>();

  constructor(options: HolderFeedOptions) {
    this.#options = options;
    this.#orphans = new Orphans(options.maxOrphanBlocks ?? DEFAULT_MAX_ORPHAN_BLOCKS);
  }

  /** Blocks held now. */
  get size(): number {
    return this.#held.size;
  }

  /** Blocks that wait for their parent. */
  get orphans(): number {
    return this.#orphans.blocks;
  }

  apply(event: KvEvent): Applied {
    switch (event.kind) {
      case 'stored':
        if (event.medium !== 'gpu' || !this.#carriesPrefix(event.group)) return { kind: 'elsewhere' };
        return this.#store(event);
      case 'removed':
        if (event.medium !== 'gpu' || this.#isOtherGroup(event.group)) return { kind: 'elsewhere' };
        return this.#remove(event.hashes);
      case 'cleared':
        this.forget();
        return { kind: 'cleared' };
    }
  }

  /** The holder holds nothing, as far as we know. */
  forget(): void {
    this.#held.clear();
    this.#orphans.clear();
    this.#options.index.clear(this.#options.holder);
  }

  /** Learns it, too. Before the kind of a group was sent (vLLM 0.20), only the first group could be taken for the main one. */
  #carriesPrefix({ index, kind }: CacheGroup): boolean {
    const carries = kind === undefined ? index === undefined || index === 0 : FULL_ATTENTION.has(kind);
    if (index !== undefined) this.#otherGroups[carries ? 'delete' : 'add'](index);
    return carries;
  }

  #isOtherGroup({ index }: CacheGroup): boolean {
    return index !== undefined && this.#otherGroups.has(index);
  }

  #store(event: StoredEvent): Applied {
    const { hashes, tokenIds, blockSizeTokens, parent } = event;
    if (blockSizeTokens === 0 || tokenIds.length !== hashes.length * blockSizeTokens)
      return { kind: 'inconsistent' };
    const before = parent === undefined ? undefined : this.#held.get(parent.hi, parent.lo)?.hash;
    if (parent !== undefined && before === undefined) {
      return { kind: 'orphaned', blocks: hashes.length, dropped: this.#orphans.hold({ ...event, parent }) };
    }
    this.#place(event, before);
    return { kind: 'stored', blocks: hashes.length, attached: this.#attachTo(hashes) };
  }

  /** @param before the block that the first one follows; undefined for the first of a prompt */
  #place(event: StoredEvent, before: BlockHash | undefined): void {
    const { index, holder, catalog } = this.#options;
    const { hashes, tokenIds, blockSizeTokens, loraName } = event;
    const context = this.#contextOf(event);
    const chain = chainBlocks(
      before ?? this.#rootOf(event, context),
      tokenIds,
      blockSizeTokens,
      context.extras,
    );
    const copies = this.#isReannouncement(event) ? 0 : 1;
    let position = 0;
    for (const hash of each(hashes)) {
      const ours = blockAt(chain, position++);
      this.#held.ensure(hash, () => ({ hash: ours, copies: 0 })).copies += copies;
    }
    index.store(holder, chain);
    catalog.note(holder, context.model, blockSizeTokens);
    if (loraName !== undefined) catalog.noteAdapter(holder, loraName);
  }

  /**
   * vLLM repeats what it holds, without a new copy, for requests with `kv_cache_report_mode: full` (0.26): from the root, all
   * cached blocks at once. A real second copy of several blocks from the root was never seen (equal prompts at the same
   * time are computed once), so such an event is no copy; where it is one after all, the block counts as gone when the
   * first copy is: less is claimed. A single block is counted as a copy, as a prompt of exactly one block makes one with
   * every repeat; a repeated report of it can keep that one block claimed after its eviction.
   */
  #isReannouncement({ parent, hashes }: StoredEvent): boolean {
    if (parent !== undefined || hashes.length < 2) return false;
    for (const hash of each(hashes)) if (this.#held.get(hash.hi, hash.lo) === undefined) return false;
    return true;
  }

  /** Places what waited for one of these blocks, and what waited for that. Returns how many blocks. */
  #attachTo(hashes: EngineHashes): number {
    let attached = 0;
    const parents = [...each(hashes)];
    for (let parent = parents.pop(); parent !== undefined; parent = parents.pop()) {
      const before = this.#held.get(parent.hi, parent.lo)?.hash;
      if (before === undefined) continue;
      for (const { event, removed } of this.#orphans.takeChildrenOf(parent)) {
        this.#place(event, before);
        parents.push(...each(event.hashes));
        attached += event.hashes.length;
        for (const hash of removed) this.#removeOne(hash);
      }
    }
    return attached;
  }

  #remove(hashes: EngineHashes): Applied {
    let blocks = 0;
    for (const hash of each(hashes)) if (this.#removeOne(hash)) blocks++;
    return { kind: 'removed', blocks };
  }

  /** True when this was the last copy. */
  #removeOne(hash: EngineHash): boolean {
    const held = this.#held.get(hash.hi, hash.lo);
    if (held === undefined) {
      this.#orphans.remove(hash);
      return false;
    }
    if (--held.copies > 0) return false;
    this.#held.delete(hash);
    this.#options.index.remove(this.#options.holder, held.hash);
    return true;
  }

  /**
   * The namespace of an event's blocks. Its extra keys hold the LoRA name again, then multimodal identifiers, then, in a
   * prompt's first block only, the salt; only the identifiers belong to a block, the others to the whole chain.
   */
  #contextOf({ loraName, salt: said, extraKeys, parent }: StoredEvent) {
    const model = loraName ?? this.#options.model;
    let salt = said ?? '';
    const extras: BlockExtras = extraKeys.map((keys, position) => {
      const own = [...(keys ?? [])];
      const [first] = own;
      // The first one only: a salt may have the adapter's name.
      if (first?.kind === 'text' && first.text === loraName) own.shift();
      const last = own.at(-1);
      if (position === 0 && parent === undefined && last?.kind === 'text') {
        salt = last.text;
        own.pop();
      }
      return own.length === 0 ? undefined : JSON.stringify(own);
    });
    return { model, salt, extras };
  }

  /** Of use for a prompt's first blocks only: those that follow have it in their parent's hash. */
  #rootOf(
    { blockSizeTokens }: StoredEvent,
    { model, salt }: { readonly model: string; readonly salt: string },
  ): BlockHash {
    return rootOf({ space: 'engine', model, salt }, blockSizeTokens, this.#options.seed);
  }
}
