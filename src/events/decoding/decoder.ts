/**
 * KV-cache event batches in MessagePack, as vLLM publishes them (`vllm/distributed/kv_events.py`). SGLang
 * (`sglang/srt/disaggregation/kv_events.py`) and TensorRT-LLM (since its #17023) follow the same layout.
 *
 * Batch: an array in every release; a map of the same names is read as well.
 *   ts                  0   float64, seconds, the engine's wall clock
 *   events              1   list
 *   data_parallel_rank  2   since 0.9.1 (#18925). SGLang: `attn_dp_rank`, sent as nil without data parallelism
 *
 * An event is a map with a key `type` since vLLM 0.24 (#42892; SGLang #37482), before that an array that starts with the
 * type. Maps are read by name: unknown keys and any order are fine, the type may come last. Arrays are read by position:
 * they may end early (older versions) or be longer (later ones).
 *
 * BlockStored                position   since vLLM
 *   block_hashes                1   0.9     list of hashes; of hybrid models fewer than the tokens make blocks
 *   parent_block_hash           2   0.9     hash of the block before the first one; nil for the first of a prompt
 *                                           (llm-d-inference-sim's arrays: 0)
 *   token_ids                   3   0.9     tokens of all blocks; [] in placeholders of offloaded blocks. Pairs of tokens
 *                                           with SGLang's EAGLE: a token and the one after it
 *   block_size                  4   0.9     tokens per block; 0 in placeholders
 *   lora_id                     5   0.9     small integer or nil. Only says whether the blocks belong to an adapter: if so
 *                                           and there is no name (before 0.15), the event is skipped as `unnamed_adapter`
 *   medium                      6   0.11    (#19737; perhaps 0.10.2) nil or absent: GPU. "CPU"; "FS" and
 *                                           "OBJ" (0.26, #47923), since 0.27 "STORAGE" (#48123). SGLang: "GPU",
 *                                           "CPU_PINNED" (older: "CPU_TIER1"), "DISK", "EXTERNAL". LMCache: "cpu". Any
 *                                           case, and other names of memory and storage (`medium.ts`)
 *   lora_name                   7   0.15    (#27577). SGLang's arrays have a map {cache_salt} here (#30827)
 *   extra_keys                  8   0.16    (#33304) per block nil or a list: LoRA name, multimodal identifiers (a text, or
 *                                           [text, offset]), the salt (block 0 only), digests of prompt embeddings (bytes)
 *   group_idx                   9   0.16    (#37688) KV-cache group of a hybrid model
 *   kv_cache_spec_kind         10   0.20    (#40984) "full_attention", "sliding_window", "mamba", …
 *   kv_cache_spec_sliding_window 11 0.20    tokens, of a sliding window
 *   cache_salt                maps  SGLang  (#37482) a text
 *   mm_keys                     maps  TensorRT-LLM   per block a list of `{type, hash, start_offset}`: extra keys as well
 *   lookahead_token_ids         maps  0.33    per block a list of the tokens after it that its hash covers
 *   locality                    maps  0.26    (#48281) "REMOTE": the medium is not the engine's own, and does not count
 *   ownership, session_id: maps, 0.27, 0.30; not used
 * BlockRemoved
 *   block_hashes                1   0.9
 *   medium                      2   0.11
 *   group_idx                   3   0.16
 *   locality                    maps  0.26
 * AllBlocksCleared: no fields
 *
 * Hashes are 64-bit: signed integers (Python's `hash()`) up to 0.10.1 and in SGLang; since 0.10.2 (#23673) unsigned ones,
 * the last 8 bytes of a digest, or the whole digest as bytes with VLLM_KV_EVENTS_USE_INT_BLOCK_HASHES=0. One hash comes
 * out as the same unsigned bits from all of them. Fewer than 8 bytes are no engine's hash, and neither is 0: the event is
 * skipped.
 *
 * Integers may be sent in any width, and as floats if they are whole.
 */
import { decodeEvent, type SkippedKind } from './event-decoder.ts';
import { EventDraft } from './event-draft.ts';
import { EventList } from './event-list.ts';
import type { KvEvent } from './kv-event.ts';
import { MsgpackReader } from './msgpack-reader.ts';
import { Names } from './names.ts';

export type DecodedBatch =
  | {
      readonly kind: 'batch';
      /** Seconds, the engine's wall clock. */
      readonly at: number;
      /** The publisher's data-parallel rank; undefined if it does not say. */
      readonly rank: number | undefined;
      /** Removals in a row are one. */
      readonly events: readonly KvEvent[];
      /** Events of the batch that could not be read: why, each. Their neighbours are not affected. */
      readonly skipped: readonly SkippedKind[];
      /**
       * false: the payload is no well-formed MessagePack, or goes on, behind the events given, or one of those skipped was about
       * blocks that are gone. Those given are valid, but what the publisher holds is no longer known.
       */
      readonly whole: boolean;
    }
  /** Nothing could be read: what the publisher holds is no longer known. */
  | { readonly kind: 'malformed'; readonly why: MalformedKind };

/** Why a payload is no batch. A metric label. `broken`: it ends too early or is not MessagePack. */
export const MALFORMED_KINDS = ['broken', 'not_a_batch', 'no_time', 'no_events'] as const;
export type MalformedKind = (typeof MALFORMED_KINDS)[number];

const POSITIONS = ['ts', 'events', 'data_parallel_rank'] as const;
const NAMES = new Names([...POSITIONS, 'attn_dp_rank']);

interface Draft {
  at: number | undefined;
  rank: number | undefined;
  events: EventList | undefined;
  skipped: SkippedKind[];
}

/** Never throws: what cannot be read is said in the result. */
export function decodeBatch(payload: Uint8Array): DecodedBatch {
  const reader = new MsgpackReader(payload);
  const draft: Draft = { at: undefined, rank: undefined, events: undefined, skipped: [] };
  const whole = readBatch(reader, draft);
  if (whole === 'not_a_batch') return { kind: 'malformed', why: whole };
  const { at, rank, events, skipped } = draft;
  if (at === undefined) return { kind: 'malformed', why: whole ? 'no_time' : 'broken' };
  if (events === undefined) return { kind: 'malformed', why: whole ? 'no_events' : 'broken' };
  const isWhole = whole && reader.atEnd && !skipped.includes('unreadable_removal');
  return { kind: 'batch', at, rank, events: events.finish(), skipped, whole: isWhole };
}

/** The rank of a batch alone, without a look at its events; undefined if it does not say, or is none. */
export function readRank(payload: Uint8Array): number | undefined {
  const reader = new MsgpackReader(payload);
  const length = reader.readArrayLength();
  if (length !== undefined) {
    return length > 2 && reader.skip() && reader.skip() ? reader.readInteger() : undefined;
  }
  for (let pairs = reader.readMapLength() ?? 0; pairs > 0; pairs--) {
    const name = reader.readOneOf(NAMES);
    if (name === undefined && !reader.skip()) return undefined;
    const rank = name === 'data_parallel_rank' || name === 'attn_dp_rank' ? reader.readInteger() : undefined;
    if (rank !== undefined) return rank;
    if (!reader.skip()) return undefined;
  }
  return undefined;
}

/** Whether the payload is well-formed; if not, the draft has what came before. */
function readBatch(reader: MsgpackReader, draft: Draft): boolean | 'not_a_batch' {
  const length = reader.readArrayLength();
  if (length !== undefined) {
    for (let i = 0; i < length; i++) {
      if (!readField(reader, draft, POSITIONS[i])) return false;
    }
    return true;
  }
  const pairs = reader.readMapLength();
  if (pairs === undefined) return reader.skip() && 'not_a_batch';
  for (let i = 0; i < pairs; i++) {
    const name = reader.readOneOf(NAMES);
    if (name === undefined && !reader.skip()) return false;
    if (!readField(reader, draft, name)) return false;
  }
  return true;
}

/** false if the payload is broken inside of the field. One of the wrong type is passed over. */
function readField(
  reader: MsgpackReader,
  draft: Draft,
  name: 'ts' | 'events' | 'data_parallel_rank' | 'attn_dp_rank' | undefined,
): boolean {
  switch (name) {
    case 'ts': {
      const at = reader.readFloat() ?? reader.readInteger();
      if (at === undefined) return reader.skip();
      draft.at = Number.isFinite(at) ? at : undefined;
      return true;
    }
    case 'events': {
      const length = reader.readArrayLength();
      return length === undefined ? reader.skip() : readEvents(reader, draft, length);
    }
    case 'data_parallel_rank':
    case 'attn_dp_rank':
      if (draft.rank !== undefined) return reader.skip();
      draft.rank = reader.readInteger();
      return draft.rank !== undefined || reader.skip();
    default:
      return reader.skip();
  }
}

/** false if the payload is broken inside of the list. */
function readEvents(reader: MsgpackReader, draft: Draft, length: number): boolean {
  const events = new EventList();
  const event = new EventDraft();
  draft.events = events;
  draft.skipped = [];
  for (let i = 0; i < length; i++) {
    const start = reader.position;
    const why = decodeEvent(reader, event);
    if (why === undefined) {
      events.add(event);
      continue;
    }
    reader.seek(start);
    if (!reader.skip()) return false;
    draft.skipped.push(why);
  }
  return true;
}
