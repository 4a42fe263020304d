import type { EngineHash } from '../domain.ts';

/** What an engine says about its KV cache, whatever the wire looked like. */
export type KvEvent = StoredEvent | RemovedEvent | { readonly kind: 'cleared' };

/** Blocks that are now cached: consecutive, the first one following `parent`. */
export interface StoredEvent {
  readonly kind: 'stored';
  readonly hashes: readonly EngineHash[];
  /** undefined: the first block is the first of its prompt. */
  readonly parent: EngineHash | undefined;
  /** The tokens of all blocks, in order. */
  readonly tokenIds: Uint32Array;
  readonly blockSizeTokens: number;
  readonly loraName: string | undefined;
  readonly place: CachePlace;
  /** Per block what else entered the engine's hash: LoRA name, multimodal identifiers, cache salt. */
  readonly extraKeys: readonly (readonly ExtraKey[] | undefined)[];
}

export interface RemovedEvent {
  readonly kind: 'removed';
  readonly hashes: readonly EngineHash[];
  readonly place: CachePlace;
}

/** A bare text (a salt, a LoRA name), or anything structured (a multimodal identifier with its offset) as JSON. */
export type ExtraKey =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'other'; readonly json: string };

/**
 * Which cache of the engine: only the GPU's full-attention blocks save prefill where they are. `other_group` is a KV-cache
 * group on the GPU that cannot carry a prefix alone (sliding window, Mamba, …), `other_medium` any group elsewhere.
 */
export interface CachePlace {
  readonly kind: 'gpu' | 'other_group' | 'other_medium';
  /** The group of a hybrid model; undefined from engines that do not name it. */
  readonly group: number | undefined;
}
