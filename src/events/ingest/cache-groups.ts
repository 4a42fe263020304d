import type { CacheGroup } from '../decoding/decoding.ts';

/**
 * What a KV-cache group is to the reuse of a prefix.
 * - `main`: its blocks are the prefix;
 * - `secondary`: a prefix needs the last `blocks` blocks of it as well, all of them where that is not known. They have a size of
 *   their own.
 */
export type GroupRole = MainRole | SecondaryRole;

export interface MainRole {
  readonly kind: 'main';
  readonly blockSizeTokens: number;
}

export interface SecondaryRole {
  readonly kind: 'secondary';
  readonly group: number;
  readonly blockSizeTokens: number;
  readonly blocks: number;
}

/** Groups whose blocks are needed from the first one on. */
const FULL_ATTENTION: ReadonlySet<string> = new Set([
  'full_attention',
  'mla_attention',
  'sink_full_attention',
]);

/** Hybrid models have up to a dozen. */
const MAX_GROUPS = 64;
const MAX_BLOCK_SIZE_TOKENS = 65_536;

/**
 * The KV-cache groups of one holder. A hybrid model has several, each with events of its own: full attention, and sliding
 * windows or a state (Mamba) beside it. Any may come first and have the lowest number.
 */
export class CacheGroups {
  /** Its number; 'unnumbered' for an engine that does not number its groups; undefined until it is known. */
  #main: number | 'unnumbered' | undefined;
  #mainRole: MainRole = { kind: 'main', blockSizeTokens: 0 };
  readonly #secondary = new Map<number, SecondaryRole>();

  /**
   * The role of a group that stores blocks.
   *
   * `partial`: the blocks are smaller than the group's. vLLM's hybrid models name the tail of a prompt that ends inside of a block so
   * (`cache_partial_block`); only models with an aligned state reuse it, and events do not say which do.
   * @param isComplete whether the event names each block of its tokens: of windows some may be left out
   */
  storing(
    group: CacheGroup,
    blockSizeTokens: number,
    isComplete: boolean,
  ): GroupRole | 'partial' | 'unknown' | 'refused' {
    const { index, kind } = group;
    const mayBeMain = kind === undefined ? isComplete : FULL_ATTENTION.has(kind);
    if (this.#main === undefined && mayBeMain) {
      this.#main = index ?? 'unnumbered';
      if (index !== undefined) this.#secondary.delete(index);
    }
    if (this.#isMain(index)) {
      if (this.#secondary.size > 0 && blockSizeTokens < this.#mainRole.blockSizeTokens) return 'partial';
      if (blockSizeTokens > this.#mainRole.blockSizeTokens)
        this.#mainRole = { kind: 'main', blockSizeTokens };
      return this.#mainRole;
    }
    if (index === undefined) return 'unknown';
    const known = this.#secondary.get(index);
    if (known === undefined && this.#secondary.size >= MAX_GROUPS) return 'refused';
    if (blockSizeTokens > MAX_BLOCK_SIZE_TOKENS) return 'refused';
    if (known !== undefined && blockSizeTokens < known.blockSizeTokens) return 'partial';
    const blocks = blocksNeeded(group, blockSizeTokens);
    if (known?.blocks === blocks && known.blockSizeTokens === blockSizeTokens) return known;
    const role: SecondaryRole = { kind: 'secondary', group: index, blockSizeTokens, blocks };
    this.#secondary.set(index, role);
    return role;
  }

  /** The role of a group that removes blocks: removals name it by its number alone. */
  removing({ index }: CacheGroup): GroupRole | 'unknown' {
    if (this.#isMain(index)) return this.#mainRole;
    return (index === undefined ? undefined : this.#secondary.get(index)) ?? 'unknown';
  }

  /** Whether blocks of this group, wherever they are, may be a prefix. Where it cannot be known, they are not. */
  carriesPrefixes({ index, kind }: CacheGroup): boolean {
    if (this.#main !== undefined) return this.#isMain(index);
    return kind === undefined ? index === undefined : FULL_ATTENTION.has(kind);
  }

  /** Whether it is known to be another one than that which carries prefixes. */
  isSecondary({ index }: CacheGroup): boolean {
    return this.#main !== undefined && !this.#isMain(index);
  }

  /** It may be another process now, which numbers its groups otherwise. */
  forget(): void {
    this.#main = undefined;
    this.#mainRole = { kind: 'main', blockSizeTokens: 0 };
    this.#secondary.clear();
  }

  /** Who leaves out the number means the main one, and a group 0 is that of an engine that left it out before. */
  #isMain(index: number | undefined): boolean {
    if (this.#main === undefined) return false;
    return index === undefined || index === this.#main || (index === 0 && this.#main === 'unnumbered');
  }
}

/**
 * vLLM's rules of reuse (`single_type_kv_cache_manager.py`): of a sliding window the blocks of the last window - 1 tokens, of
 * a state the last one.
 */
function blocksNeeded({ kind, windowTokens }: CacheGroup, blockSizeTokens: number): number {
  switch (kind) {
    case 'sliding_window':
    case 'sliding_window_mla':
      return windowTokens === undefined || blockSizeTokens === 0
        ? Number.POSITIVE_INFINITY
        : Math.ceil(Math.max(0, windowTokens - 1) / blockSizeTokens);
    case 'mamba':
      return 1;
    default:
      return Number.POSITIVE_INFINITY;
  }
}
