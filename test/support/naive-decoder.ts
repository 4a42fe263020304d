/**
 * Another decoder, on a general MessagePack library and BigInt, to compare with: it makes every value first and then
 * looks the fields up. Only for batches that are well-formed and events that are readable.
 */

import { Unpackr } from 'msgpackr';
import type { EngineLanes } from '../../src/domain.ts';
import type {
  EngineHash,
  ExtraKey,
  KvEvent,
  Medium,
  StoredEvent,
} from '../../src/events/decoding/kv-event.ts';
import { type Lookahead, NO_LOOKAHEAD } from '../../src/prompt/blocks.ts';
import { engineHash, engineHashes } from './kv-events.ts';

const unpackr = new Unpackr({ useRecords: false, int64AsType: 'bigint' });

const MEDIA: Record<string, Medium> = { GPU: 'gpu', CPU: 'cpu', CPU_PINNED: 'cpu' };
/** Events of SGLang, which has no extra keys. */
const WITHOUT_EXTRA_KEYS = ['CPU_PINNED', 'DISK', 'EXTERNAL'];
for (const name of ['STORAGE', 'FS', 'OBJ', 'DISK', 'EXTERNAL']) MEDIA[name] = 'storage';

const STORED = [
  ...['type', 'block_hashes', 'parent_block_hash', 'token_ids', 'block_size', 'lora_id', 'medium'],
  ...['lora_name', 'extra_keys', 'group_idx', 'kv_cache_spec_kind', 'kv_cache_spec_sliding_window'],
];
const REMOVED = ['type', 'block_hashes', 'medium', 'group_idx'];

export interface NaiveBatch {
  readonly at: number;
  readonly rank: number | undefined;
  readonly events: readonly KvEvent[];
}

export function naiveBatch(payload: Uint8Array): NaiveBatch {
  const batch = fieldsOf(unpackr.unpack(payload), () => ['ts', 'events', 'data_parallel_rank']);
  const rank = batch.data_parallel_rank ?? batch.attn_dp_rank;
  return {
    at: Number(batch.ts),
    rank: rank === null || rank === undefined ? undefined : Number(rank),
    events: (batch.events as unknown[])
      .map(naiveEvent)
      .filter(event => event.kind === 'cleared' || event.hashes.length > 0)
      .reduce<KvEvent[]>(withNext, []),
  };
}

type Fields = Record<string, unknown>;

function fieldsOf(raw: unknown, namesFor: (first: unknown) => readonly string[]): Fields {
  if (!Array.isArray(raw)) return raw as Fields;
  return Object.fromEntries(namesFor(raw[0]).map((name, i) => [name, raw[i]]));
}

function naiveEvent(raw: unknown): KvEvent {
  const fields = fieldsOf(raw, type => (type === 'BlockRemoved' ? REMOVED : STORED));
  if (fields.type === 'AllBlocksCleared') return { kind: 'cleared' };
  const hashes = engineHashes(...(fields.block_hashes as unknown[]).map(hashValue));
  const name = String(fields.medium).toUpperCase();
  const known = isNil(fields.medium) ? 'gpu' : (MEDIA[name] ?? 'unknown');
  const medium = fields.locality === 'REMOTE' ? 'unknown' : known;
  const group = {
    index: isNil(fields.group_idx) ? undefined : Number(fields.group_idx),
    kind: (fields.kv_cache_spec_kind as string | null | undefined) ?? undefined,
    windowTokens: countOf(fields.kv_cache_spec_sliding_window),
  };
  if (fields.type === 'BlockRemoved') return { kind: 'removed', hashes, medium, group, events: 1 };
  const parent: EngineHash | undefined = isNil(fields.parent_block_hash)
    ? undefined
    : engineHash(hashValue(fields.parent_block_hash));
  const lora = fields.lora_name;
  const salt = isNil(lora) || typeof lora === 'string' ? fields.cache_salt : (lora as Fields).cache_salt;
  return {
    kind: 'stored',
    hashes,
    parent,
    tokenIds: Uint32Array.from((fields.token_ids as unknown[]).map(Number)),
    blockSizeTokens: Number(fields.block_size),
    lookahead: lookaheadIn(fields.lookahead_token_ids),
    loraName: typeof lora === 'string' ? lora : undefined,
    salt: (salt as string | null | undefined) ?? undefined,
    medium,
    group,
    extraKeys: extraKeysIn(fields.extra_keys, WITHOUT_EXTRA_KEYS.includes(name) ? hashes.length : 0),
  };
}

/** @param blocks that have none where nothing is said of them */
function extraKeysIn(given: unknown, blocks: number): StoredEvent['extraKeys'] {
  const keys = isNil(given) ? [] : (given as (unknown[] | null)[]).map(each => each?.map(extraKey));
  return keys.length > 0 ? keys : Array.from({ length: blocks }, () => undefined);
}

function lookaheadIn(given: unknown): Lookahead {
  if (isNil(given)) return NO_LOOKAHEAD;
  const ofBlocks = given as readonly (readonly unknown[])[];
  const ids = Uint32Array.from(ofBlocks.flat().map(Number));
  return ids.length === 0 ? NO_LOOKAHEAD : { tokens: ids.length / ofBlocks.length, ids };
}

/** Removals in a row, of one medium and group, are one. */
function withNext(events: readonly KvEvent[], next: KvEvent): KvEvent[] {
  const last = events.at(-1);
  if (last?.kind !== 'removed' || next.kind !== 'removed') return [...events, next];
  if (JSON.stringify([last.medium, last.group]) !== JSON.stringify([next.medium, next.group]))
    return [...events, next];
  const lanes = Uint32Array.of(...last.hashes.lanes, ...next.hashes.lanes) as EngineLanes;
  const hashes = { length: lanes.length / 2, lanes };
  return [...events.slice(0, -1), { ...last, hashes, events: last.events + next.events }];
}

function hashValue(value: unknown): bigint {
  if (value instanceof Uint8Array) return BigInt(`0x${Buffer.from(value).subarray(-8).toString('hex')}`);
  return BigInt(value as bigint | number);
}

function extraKey(value: unknown): ExtraKey {
  if (typeof value === 'string') return { kind: 'text', text: value };
  return { kind: 'other', json: JSON.stringify(value, plain) };
}

function plain(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value;
}

/** What is no count is not known. */
function countOf(value: unknown): number | undefined {
  const isNumber = typeof value === 'number' || typeof value === 'bigint';
  return isNumber && value >= 0 ? Number(value) : undefined;
}

function isNil(value: unknown): value is null | undefined {
  return value === null || value === undefined;
}
