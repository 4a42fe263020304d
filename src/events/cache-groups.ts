import type { CacheGroup } from './kv-event.ts';

/**
 * What a KV-cache group is to the reuse of a prefix.
 * - `main`: its blocks are the prefix; from them it is known which blocks the hashes of other groups stand for;
 * - `further`: a prefix needs the last `blocks` blocks of it as well, all of them where that is not known.
 */
export type GroupRole =
  | { readonly kind: 'main' }
  | { readonly kind: 'further'; readonly group: number; readonly blocks: number };

/** Groups whose blocks are needed from the first one on. */
const FULL_ATTENTION: ReadonlySet<string> = new Set([
  'full_attention',
  'mla_attention',
  'sink_full_attention',
]);

const MAIN: GroupRole = { kind: 'main' };

/** Hybrid models have up to a dozen. */
const MAX_GROUPS = 64;

/**
 * The KV-cache groups of one holder. A hybrid model has several, each with events of its own: full attention, and sliding
 * windows or a state (Mamba) beside it. Any may come first and have the lowest number.
 */
export class CacheGroups {
  /** Its number; 'unnumbered' for an engine that does not number its groups; undefined until it is known. */
  #main: number | 'unnumbered' | undefined;
  /** By number: the blocks that a prefix needs of it. */
  readonly #further = new Map<number, number>();

  /**
   * The role of a group that stores blocks.
   * @param isComplete whether the event names each block of its tokens: of windows some may be left out
   */
  storing(
    group: CacheGroup,
    blockSizeTokens: number,
    isComplete: boolean,
  ): GroupRole | 'unknown' | 'refused' {
    const { index, kind } = group;
    const mayBeMain = kind === undefined ? isComplete : FULL_ATTENTION.has(kind);
    if (this.#main === undefined && mayBeMain) {
      this.#main = index ?? 'unnumbered';
      if (index !== undefined) this.#further.delete(index);
    }
    if (this.#isMain(index)) return MAIN;
    if (index === undefined) return 'unknown';
    if (!this.#further.has(index) && this.#further.size >= MAX_GROUPS) return 'refused';
    const blocks = blocksNeeded(group, blockSizeTokens);
    this.#further.set(index, blocks);
    return { kind: 'further', group: index, blocks };
  }

  /** The role of a group that removes blocks: removals name it by its number alone. */
  removing({ index }: CacheGroup): GroupRole | 'unknown' {
    if (this.#isMain(index)) return MAIN;
    const blocks = index === undefined ? undefined : this.#further.get(index);
    return blocks === undefined ? 'unknown' : { kind: 'further', group: index!, blocks };
  }

  /** Whether blocks of this group, wherever they are, may be a prefix. Where it cannot be known, they are not. */
  carriesPrefixes({ index, kind }: CacheGroup): boolean {
    if (this.#main !== undefined) return this.#isMain(index);
    return kind === undefined ? index === undefined : FULL_ATTENTION.has(kind);
  }

  /** Whether it is known to be another one than that which carries prefixes. */
  isFurther({ index }: CacheGroup): boolean {
    return this.#main !== undefined && !this.#isMain(index);
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
