/** KV-cache events: as recorded, as an engine would send them, and as the decoder hands them over. */

import { readFileSync } from 'node:fs';
import { Packr } from 'msgpackr';
import type { EngineLanes } from '../../src/domain.ts';
import type {
  CacheGroup,
  EngineHash,
  EngineHashes,
  RemovedEvent,
  StoredEvent,
} from '../../src/events/decoding/kv-event.ts';
import { NO_LOOKAHEAD } from '../../src/prompt/blocks.ts';

export const VERSIONS = ['0.32.0', '0.23.0'] as const;
export type Version = (typeof VERSIONS)[number];

export type Step =
  | { readonly kind: 'reset' }
  | {
      readonly kind: 'request';
      readonly promptTokens: number[];
      readonly lora: string | null;
      readonly salt: string | null;
      readonly cachedTokens: number;
    };

/** What one vLLM server was asked, and the payloads that it published, as hex. */
export interface Scenario {
  readonly steps: readonly Step[];
  readonly payloads: readonly string[];
}

export type ScenarioName = 'eviction' | 'reset' | 'salt' | 'lora' | 'decode';

function fixture<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../fixtures/${name}`, import.meta.url), 'utf8')) as T;
}

export function scenarios(version: Version): Record<ScenarioName, Scenario> {
  return fixture(`vllm-${version}-cache.json`);
}

/** Whole messages of vLLM 0.32.0: `[topic, sequence, payload]`. */
export function recordedFrames(name: 'bytes' | 'restart'): Buffer[][] {
  const all = fixture<Record<string, string[][]>>('vllm-0.32.0-frames.json');
  return all[name]!.map(parts => parts.map(hex));
}

/** Payloads of further recordings, named as they are there. */
export function recordedPayloads(version: Version): Record<string, Buffer[]> {
  const all = fixture<Record<string, string[]>>(`vllm-${version}-payloads.json`);
  return Object.fromEntries(Object.entries(all).map(([name, payloads]) => [name, payloads.map(hex)]));
}

export function hex(text: string): Buffer {
  return Buffer.from(text, 'hex');
}

const packr = new Packr({ useRecords: false });

/** Any value as MessagePack. A bigint takes 64 bits. */
export function pack(value: unknown): Buffer {
  return packr.pack(value);
}

export function batchOf(...events: readonly unknown[]): Buffer {
  return pack([1_700_000_000.25, events, 0]);
}

/** A `BlockStored` map of two blocks of two tokens, as vLLM 0.32 would send it. */
export function storedMap(given: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    type: 'BlockStored',
    block_hashes: [11, 12],
    parent_block_hash: null,
    token_ids: [1, 2, 3, 4],
    block_size: 2,
    lora_id: null,
    medium: 'GPU',
    lora_name: null,
    extra_keys: [null, null],
    group_idx: 0,
    kv_cache_spec_kind: 'full_attention',
    ...given,
  };
}

export function engineHash(value: number | bigint): EngineHash {
  const bits = BigInt.asUintN(64, BigInt(value));
  return { hi: Number(bits >> 32n), lo: Number(bits & 0xffffffffn) } as EngineHash;
}

export function engineHashes(...values: readonly (number | bigint)[]): EngineHashes {
  const lanes = values.map(engineHash).flatMap(({ hi, lo }) => [hi, lo]);
  return { length: values.length, lanes: Uint32Array.from(lanes) as EngineLanes };
}

export function group(index?: number, kind?: string, windowTokens?: number): CacheGroup {
  return { index, kind, windowTokens };
}

export const FULL_ATTENTION = group(0, 'full_attention');

/** Blocks of two tokens: `hashes[i]` holds the tokens `[10 * hash, 10 * hash + 1]`. */
export function stored(
  hashes: readonly number[],
  parent?: number,
  given: Partial<StoredEvent> = {},
): StoredEvent {
  return {
    kind: 'stored',
    hashes: engineHashes(...hashes),
    parent: parent === undefined ? undefined : engineHash(parent),
    tokenIds: tokensOf(hashes),
    blockSizeTokens: 2,
    lookahead: NO_LOOKAHEAD,
    loraName: undefined,
    salt: undefined,
    medium: 'gpu',
    group: FULL_ATTENTION,
    extraKeys: [],
    ...given,
  };
}

/** The tokens of `stored` blocks. */
export function tokensOf(hashes: readonly number[]): Uint32Array {
  return Uint32Array.from(hashes.flatMap(hash => [10 * hash, 10 * hash + 1]));
}

/** Blocks that are on the GPU no longer, each told of in an event of its own. */
export function removed(hashes: readonly number[], given: Partial<RemovedEvent> = {}): RemovedEvent {
  return {
    kind: 'removed',
    hashes: engineHashes(...hashes),
    medium: 'gpu',
    group: group(0),
    events: hashes.length,
    ...given,
  };
}
