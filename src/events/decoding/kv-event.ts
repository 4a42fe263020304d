import type { EngineHash, EngineLanes } from '../../domain.ts';
import type { Lookahead } from '../../prompt/blocks.ts';

/** What an engine says about its KV cache, whatever the wire looked like. */
export type { EngineHash } from '../../domain.ts';

export type KvEvent = StoredEvent | RemovedEvent | ClearedEvent;

/**
 * The engine's own 64-bit block hashes, unsigned, two 32-bit lanes each: hash i is `(lanes[2i], lanes[2i + 1])`
 * = (`hi`, `lo`). Opaque: only ever compared with hashes of the same holder.
 */
export interface EngineHashes {
  readonly length: number;
  /** At least `2 * length` elements. */
  readonly lanes: EngineLanes;
}

/**
 * Where the blocks are. An engine that does not say means the GPU; a medium that is not known, or is not the engine's own
 * (`locality: REMOTE`), is never the GPU.
 */
export type Medium = 'gpu' | 'cpu' | 'storage' | 'unknown';

/** The KV-cache group of a hybrid model; undefined from engines that do not say. */
export interface CacheGroup {
  readonly index: number | undefined;
  /** As the engine names it: `full_attention`, `sliding_window`, `mamba`, … Removals do not carry it. */
  readonly kind: string | undefined;
  /** Of a sliding window: tokens. Removals do not carry it. */
  readonly windowTokens: number | undefined;
}

/** Blocks that are now cached: consecutive, the first one following `parent`. */
export interface StoredEvent {
  readonly kind: 'stored';
  /** Of hybrid models possibly fewer than the tokens make blocks. */
  readonly hashes: EngineHashes;
  /** undefined: the first block is the first of its prompt. */
  readonly parent: EngineHash | undefined;
  /** The tokens of all blocks, in order; none in a placeholder event. */
  readonly tokenIds: Uint32Array;
  /** 0 in a placeholder event, which tells of a block on another medium by its hash alone. */
  readonly blockSizeTokens: number;
  /** Tokens after each block that its hash covers, too; a page of SGLang's EAGLE covers one. Of placeholders there are none. */
  readonly lookahead: Lookahead;
  readonly loraName: string | undefined;
  /** SGLang's `cache_salt`; vLLM's is the last of the first block's extra keys. */
  readonly salt: string | undefined;
  readonly medium: Medium;
  readonly group: CacheGroup;
  /** Per block what else entered the engine's hash: LoRA name, multimodal identifiers, cache salt; [] if not said. */
  readonly extraKeys: readonly (readonly ExtraKey[] | undefined)[];
}

/** Blocks that one medium no longer holds, one after the other. */
export interface RemovedEvent {
  readonly kind: 'removed';
  readonly hashes: EngineHashes;
  readonly medium: Medium;
  readonly group: CacheGroup;
  /** How many of the engine's events these are: it sends one for each block. */
  readonly events: number;
}

/** All blocks on the GPU are gone, and, with most engines, all others (`ClearScope`). */
export interface ClearedEvent {
  readonly kind: 'cleared';
}

/** A bare text (a salt, a LoRA name), or anything structured (a multimodal identifier with its offset) as JSON. */
export type ExtraKey =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'other'; readonly json: string };

/** How many events of the engine it stands for. */
export function engineEvents(event: KvEvent): number {
  return event.kind === 'removed' ? event.events : 1;
}
