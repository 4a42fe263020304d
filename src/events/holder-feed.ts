import type { BlockHash, EngineHash, HolderId } from '../domain.ts';
import type { ContextCatalog } from '../prefix-index/context-catalog.ts';
import type { PrefixIndex } from '../prefix-index/prefix-index.ts';
import { type BlockExtras, blockAt, chainBlocks, rootOf } from '../prompt/blocks.ts';
import type { CachePlace, KvEvent, StoredEvent } from './kv-event.ts';

export interface HolderFeedOptions {
  readonly holder: HolderId;
  /** The pod's base model: the context of events without a LoRA name. */
  readonly model: string;
  readonly index: PrefixIndex;
  readonly catalog: ContextCatalog;
  /** The seed that the read path hashes with. */
  readonly seed: number;
}

/**
 * What became of one event.
 * - `orphaned`: its parent is unknown, so its place in a prompt is too; not indexed;
 * - `inconsistent`: its hashes and tokens do not fit together; not indexed;
 * - `elsewhere`: about another cache than the GPU's; not indexed.
 */
export type Applied =
  | { readonly kind: 'stored' | 'removed'; readonly blocks: number }
  | { readonly kind: 'cleared' | 'orphaned' | 'inconsistent' | 'elsewhere' };

interface HeldBlock {
  readonly hash: BlockHash;
  /** Physical copies: engines announce and evict each on its own (vLLM does not deduplicate blocks). */
  copies: number;
}

/** Turns one holder's events into index writes, and keeps the engine's hashes for what its later events refer to. */
export class HolderFeed {
  readonly #options: HolderFeedOptions;
  readonly #held = new Map<EngineHash, HeldBlock>();
  /** KV-cache groups that cannot carry a prefix; removals name the group but not its kind. */
  readonly #otherGroups = new Set<number>();

  constructor(options: HolderFeedOptions) {
    this.#options = options;
  }

  /** Blocks held now. */
  get size(): number {
    return this.#held.size;
  }

  apply(event: KvEvent): Applied {
    switch (event.kind) {
      case 'stored':
        return this.#isElsewhere(event.place) ? { kind: 'elsewhere' } : this.#store(event);
      case 'removed':
        return this.#isElsewhere(event.place) ? { kind: 'elsewhere' } : this.#remove(event.hashes);
      case 'cleared':
        this.forget();
        return { kind: 'cleared' };
    }
  }

  /** The holder holds nothing, as far as we know. */
  forget(): void {
    this.#held.clear();
    this.#options.index.clear(this.#options.holder);
  }

  #isElsewhere({ kind, group }: CachePlace): boolean {
    if (kind === 'other_group' && group !== undefined) this.#otherGroups.add(group);
    return kind !== 'gpu' || (group !== undefined && this.#otherGroups.has(group));
  }

  #store(event: StoredEvent): Applied {
    const { index, holder, catalog } = this.#options;
    const { hashes, tokenIds, blockSizeTokens } = event;
    if (blockSizeTokens === 0 || tokenIds.length !== hashes.length * blockSizeTokens)
      return { kind: 'inconsistent' };
    const context = this.#contextOf(event);
    const before = event.parent === undefined ? context.root : this.#held.get(event.parent)?.hash;
    if (before === undefined) return { kind: 'orphaned' };

    const chain = chainBlocks(before, tokenIds, blockSizeTokens, context.extras);
    for (const [position, hash] of hashes.entries()) {
      const known = this.#held.get(hash);
      if (known) known.copies++;
      else this.#held.set(hash, { hash: blockAt(chain, position), copies: 1 });
    }
    index.store(holder, chain);
    catalog.note(holder, context.model, blockSizeTokens);
    if (event.loraName !== undefined) catalog.noteAdapter(holder, event.loraName);
    return { kind: 'stored', blocks: hashes.length };
  }

  #remove(hashes: readonly EngineHash[]): Applied {
    let blocks = 0;
    for (const hash of hashes) {
      const held = this.#held.get(hash);
      if (held === undefined || --held.copies > 0) continue;
      this.#held.delete(hash);
      this.#options.index.remove(this.#options.holder, held.hash);
      blocks++;
    }
    return { kind: 'removed', blocks };
  }

  /**
   * The namespace of an event's blocks. Its extra keys hold the LoRA name again, then multimodal identifiers, then, in a
   * prompt's first block only, the salt; only the identifiers belong to a block, the others to the whole chain.
   */
  #contextOf({ loraName, extraKeys, parent, blockSizeTokens }: StoredEvent) {
    const model = loraName ?? this.#options.model;
    let salt = '';
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
    return {
      model,
      extras,
      root: rootOf({ space: 'engine', model, salt }, blockSizeTokens, this.#options.seed),
    };
  }
}
