/**
 * Cache events as vLLM writes them. The batch is always `[ts, [event…], data_parallel_rank]`; an event is a map since
 * vLLM #42892 (0.24) and was an array `[tag, field…]` before.
 */
import type { CacheEvent } from './kv-cache.ts';
import { Float64, type Packable, pack } from './msgpack.ts';

export type EventEncoding = 'map' | 'array';

export interface EventShape {
  readonly encoding: EventEncoding;
  readonly blockSizeTokens: number;
  /** vLLM numbers its adapters from 1; null for the base model. */
  readonly loraId: (lora: string | undefined) => number | null;
}

const MEDIUM = 'GPU';
const GROUP = 0;
const KIND = 'full_attention';

/** `timestampSeconds` is wall-clock time, `time.time()` in vLLM. */
export function encodeBatch(
  shape: EventShape,
  timestampSeconds: number,
  events: readonly CacheEvent[],
): Buffer {
  const encode = shape.encoding === 'map' ? asMap : asArray;
  return pack([new Float64(timestampSeconds), events.map(event => encode(shape, event)), 0]);
}

/** Field names and order of vLLM 0.32; `lora_id`, `medium`, `lora_name` and the parent are sent even when nil. */
function asMap(shape: EventShape, event: CacheEvent): Packable {
  switch (event.kind) {
    case 'stored':
      return {
        type: 'BlockStored',
        block_hashes: event.hashes,
        parent_block_hash: event.parent,
        token_ids: event.tokenIds,
        block_size: shape.blockSizeTokens,
        lora_id: shape.loraId(event.lora),
        medium: MEDIUM,
        lora_name: event.lora ?? null,
        extra_keys: event.extraKeys,
        group_idx: GROUP,
        kv_cache_spec_kind: KIND,
      };
    case 'removed':
      return { type: 'BlockRemoved', block_hashes: [event.hash], medium: MEDIUM, group_idx: GROUP };
    case 'cleared':
      return { type: 'AllBlocksCleared' };
  }
}

/** Positions of vLLM 0.23, the last release with arrays. The last one is the sliding window's size, nil here. */
function asArray(shape: EventShape, event: CacheEvent): Packable {
  switch (event.kind) {
    case 'stored':
      return [
        'BlockStored',
        event.hashes,
        event.parent,
        event.tokenIds,
        shape.blockSizeTokens,
        shape.loraId(event.lora),
        MEDIUM,
        event.lora ?? null,
        event.extraKeys,
        GROUP,
        KIND,
        null,
      ];
    case 'removed':
      return ['BlockRemoved', [event.hash], MEDIUM, GROUP];
    case 'cleared':
      return ['AllBlocksCleared'];
  }
}
