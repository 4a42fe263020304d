/**
 * KV-cache event batches, MessagePack, as vLLM publishes them (`vllm/distributed/kv_events.py`); SGLang and TensorRT-LLM
 * follow the same layout.
 *
 * Batch: `[ts, events]`, since vLLM 0.9.1 `[ts, events, data_parallel_rank]`; a map of the same names is read as well.
 *   ts      float64, seconds, the engine's wall clock
 *
 * An event is a map with a key `type`, or, up to vLLM 0.23, an array that starts with the type. Maps are read by name
 * (unknown keys and any order are fine), arrays by position (they may end early, or be longer).
 *
 * BlockStored              position   since
 *   block_hashes               1      0.9: signed 64-bit; 0.10.2: unsigned, or bytes when
 *                                     VLLM_KV_EVENTS_USE_INT_BLOCK_HASHES=0 (the integer is their last 8 bytes, big-endian)
 *   parent_block_hash          2      hash of the block before the first one, nil for the first of a prompt
 *   token_ids                  3      tokens of all blocks of the event
 *   block_size                 4      tokens per block
 *   lora_id                    5      not used: the name identifies the adapter
 *   medium                     6      0.10.2: "GPU", "CPU", "STORAGE", …; nil or absent in older versions means GPU
 *   lora_name                  7      0.15
 *   extra_keys                 8      0.16: per block nil or a list: LoRA name, multimodal identifiers, salt (block 0)
 *   group_idx                  9      0.16: KV-cache group of a hybrid model
 *   kv_cache_spec_kind        10      0.20: "full_attention", "sliding_window", …
 *   kv_cache_spec_sliding_window 11   not used
 *   locality, ownership, session_id   0.26, 0.27, 0.30, maps only: not used
 * BlockRemoved
 *   block_hashes 1, medium 2, group_idx 3
 * AllBlocksCleared
 *
 * Sources: vLLM pull requests #42892 (maps), #18925 (rank), #23673 (hashes), #27577, #33304, #37688, #40984.
 */
import { Unpackr } from 'msgpackr';
import type { EngineHash } from '../domain.ts';
import type { CachePlace, ExtraKey, KvEvent } from './kv-event.ts';

export type DecodedBatch =
  | {
      readonly kind: 'batch';
      /** Seconds, the engine's wall clock. */
      readonly at: number;
      readonly events: readonly KvEvent[];
      /** Events of the batch that could not be read: why, each. Their neighbours are not affected. */
      readonly skipped: readonly string[];
    }
  | { readonly kind: 'malformed'; readonly why: string };

/** 64-bit integers arrive as BigInt, so that no bit of a hash is lost. */
const unpackr = new Unpackr({ useRecords: false, int64AsType: 'bigint' });

const FULL_ATTENTION = new Set(['full_attention', 'mla_attention', 'sink_full_attention']);

/** Never throws: what cannot be read is said in the result. */
export function decodeBatch(payload: Uint8Array): DecodedBatch {
  let batch: unknown;
  try {
    batch = unpackr.unpack(payload);
  } catch {
    return { kind: 'malformed', why: 'not MessagePack' };
  }
  if (typeof batch !== 'object' || batch === null)
    return { kind: 'malformed', why: 'the batch is neither an array nor a map' };
  const field = fieldsOf(batch);
  const at = field('ts', 0);
  const list = field('events', 1);
  if (typeof at !== 'number' || !Array.isArray(list))
    return { kind: 'malformed', why: 'no time or no events' };
  const events: KvEvent[] = [];
  const skipped: string[] = [];
  for (const raw of list) {
    try {
      events.push(decodeEvent(raw));
    } catch (error) {
      skipped.push(error instanceof UnreadableEvent ? error.message : 'nested too deeply');
    }
  }
  return { kind: 'batch', at, events, skipped };
}

/** Not terminal: costs this one event. */
class UnreadableEvent extends Error {}

/** Reads a field by its name in a map, or by its position in an array. */
type Field = (name: string, position: number) => unknown;

function decodeEvent(raw: unknown): KvEvent {
  const field = fieldsOf(raw);
  const type = field('type', 0);
  switch (type) {
    case 'BlockStored': {
      const tokenIds = tokens(field('token_ids', 3));
      const parent = field('parent_block_hash', 2);
      return {
        kind: 'stored',
        hashes: hashes(field('block_hashes', 1)),
        parent: isNil(parent) ? undefined : hash(parent),
        tokenIds,
        blockSizeTokens: count(field('block_size', 4), 'block_size'),
        loraName: optionalText(field('lora_name', 7), 'lora_name'),
        place: storedPlace(field('medium', 6), field('group_idx', 9), field('kv_cache_spec_kind', 10)),
        extraKeys: extraKeys(field('extra_keys', 8)),
      };
    }
    case 'BlockRemoved':
      return {
        kind: 'removed',
        hashes: hashes(field('block_hashes', 1)),
        place: {
          kind: onGpu(field('medium', 2)) ? 'gpu' : 'other_medium',
          group: integer(field('group_idx', 3)),
        },
      };
    case 'AllBlocksCleared':
      return { kind: 'cleared' };
    default:
      throw new UnreadableEvent('unknown event type');
  }
}

function fieldsOf(raw: unknown): Field {
  if (Array.isArray(raw)) return (_name, position) => raw[position];
  if (typeof raw === 'object' && raw !== null) return name => (raw as Record<string, unknown>)[name];
  throw new UnreadableEvent('neither a map nor an array');
}

function hashes(value: unknown): EngineHash[] {
  if (!Array.isArray(value)) throw new UnreadableEvent('block_hashes is not a list');
  return value.map(hash);
}

function hash(value: unknown): EngineHash {
  if (typeof value === 'bigint') return BigInt.asUintN(64, value) as EngineHash;
  if (typeof value === 'number' && Number.isInteger(value))
    return BigInt.asUintN(64, BigInt(value)) as EngineHash;
  if (value instanceof Uint8Array && value.length >= 8) {
    const view = new DataView(value.buffer, value.byteOffset, value.length);
    return view.getBigUint64(value.length - 8) as EngineHash;
  }
  throw new UnreadableEvent('a block hash is neither an integer nor 8 bytes or more');
}

function tokens(value: unknown): Uint32Array {
  if (!Array.isArray(value)) throw new UnreadableEvent('token_ids is not a list');
  return Uint32Array.from(value, (raw: unknown) => {
    const id = integer(raw);
    if (id !== undefined && id >= 0 && id <= 0xffffffff) return id;
    throw new UnreadableEvent('token_ids holds something else than token ids');
  });
}

function count(value: unknown, name: string): number {
  const number = integer(value);
  if (number !== undefined && number >= 0) return number;
  throw new UnreadableEvent(`${name} is not a count`);
}

/** Some encoders send every integer in 64 bits, which arrive as BigInt. */
function integer(value: unknown): number | undefined {
  const number = typeof value === 'bigint' ? Number(value) : value;
  return Number.isSafeInteger(number) ? (number as number) : undefined;
}

function optionalText(value: unknown, name: string): string | undefined {
  if (isNil(value)) return undefined;
  if (typeof value === 'string') return value;
  throw new UnreadableEvent(`${name} is not a text`);
}

/** An unknown medium is not the GPU. */
function onGpu(medium: unknown): boolean {
  return isNil(medium) || medium === 'GPU';
}

/** Before the kind of a group was sent (vLLM 0.20), only the first group could be taken for the main one. */
function storedPlace(medium: unknown, groupIndex: unknown, specKind: unknown): CachePlace {
  const group = integer(groupIndex);
  if (!onGpu(medium)) return { kind: 'other_medium', group };
  const carriesPrefix = isNil(specKind)
    ? group === undefined || group === 0
    : typeof specKind === 'string' && FULL_ATTENTION.has(specKind);
  return { kind: carriesPrefix ? 'gpu' : 'other_group', group };
}

function extraKeys(value: unknown): (readonly ExtraKey[] | undefined)[] {
  if (!Array.isArray(value)) return [];
  return value.map(keys => (Array.isArray(keys) ? keys.map(extraKey) : undefined));
}

function extraKey(value: unknown): ExtraKey {
  if (typeof value === 'string') return { kind: 'text', text: value };
  return {
    kind: 'other',
    json:
      JSON.stringify(value, (_key, part) => (typeof part === 'bigint' ? part.toString() : part)) ?? 'null',
  };
}

function isNil(value: unknown): value is null | undefined {
  return value === null || value === undefined;
}
