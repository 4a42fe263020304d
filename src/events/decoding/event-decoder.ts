import { type Lookahead, NO_LOOKAHEAD } from '../../prompt/blocks.ts';
import type { EventDraft } from './event-draft.ts';
import { readExtraKeys } from './extra-keys.ts';
import type { KvEvent, StoredEvent } from './kv-event.ts';
import { mediumOf, type NamedMedium } from './medium.ts';
import type { MsgpackReader } from './msgpack-reader.ts';
import { Names } from './names.ts';

/**
 * Why an event was skipped. A metric label. `unnamed_adapter`: its blocks belong to a LoRA adapter that it does not name, and could
 * not be matched with a prompt. `unreadable_removal`: it says that blocks are gone, and not which: what the holder has is no longer
 * known.
 */
export const SKIPPED_KINDS = [
  'not_an_event',
  'unknown_type',
  'bad_hashes',
  'bad_parent',
  'bad_tokens',
  'bad_block_size',
  'bad_lookahead',
  'bad_lora',
  'unnamed_adapter',
  'bad_salt',
  'bad_group',
  'bad_extra_keys',
  'unreadable_removal',
] as const;
export type SkippedKind = (typeof SKIPPED_KINDS)[number];

type ExtraKeys = StoredEvent['extraKeys'];
type EventType = 'BlockStored' | 'BlockRemoved' | 'AllBlocksCleared';
type Field =
  | 'block_hashes'
  | 'parent_block_hash'
  | 'token_ids'
  | 'block_size'
  | 'lora_id'
  | 'medium'
  | 'lora_name'
  | 'extra_keys'
  | 'group_idx'
  | 'kv_cache_spec_kind'
  | 'kv_cache_spec_sliding_window'
  | 'cache_salt'
  | 'lookahead_token_ids'
  | 'mm_keys'
  | 'locality';

const TYPES = new Names<EventType>(['BlockStored', 'BlockRemoved', 'AllBlocksCleared']);
const TYPE_KEY = new Names(['type']);
const SALT_KEY = new Names(['cache_salt']);

/** The fields of an event that is an array, in order, behind its type. */
const POSITIONS: Readonly<Record<EventType, readonly Field[]>> = {
  BlockStored: [
    'block_hashes',
    'parent_block_hash',
    'token_ids',
    'block_size',
    'lora_id',
    'medium',
    'lora_name',
    'extra_keys',
    'group_idx',
    'kv_cache_spec_kind',
    'kv_cache_spec_sliding_window',
  ],
  BlockRemoved: ['block_hashes', 'medium', 'group_idx'],
  AllBlocksCleared: [],
};

/** The fields that are read of an event that is a map. */
const KEYS: Readonly<Record<EventType, Names<Field>>> = {
  BlockStored: new Names([
    ...POSITIONS.BlockStored,
    ...(['cache_salt', 'lookahead_token_ids', 'mm_keys', 'locality'] as const),
  ]),
  BlockRemoved: new Names([...POSITIONS.BlockRemoved, 'kv_cache_spec_kind', 'locality']),
  AllBlocksCleared: new Names(POSITIONS.AllBlocksCleared),
};

/** Of one event. A message has at most 32 MiB. */
const MAX_LOOKAHEAD_IDS = 1 << 24;

/** What engines send now, so that no text is made of it; any other name is read as well. */
const MEDIA = ['GPU', 'CPU', 'CPU_PINNED', 'STORAGE', 'FS', 'OBJ', 'DISK', 'EXTERNAL'] as const;
const MEDIUM_NAMES = new Names(MEDIA);
const KNOWN_MEDIA = new Map<string, NamedMedium>(MEDIA.map(name => [name, mediumOf(name)]));

/** Those that are known, so that no text is made for them; any other is read as well. */
const GROUP_KINDS = new Names([
  'full_attention',
  'mla_attention',
  'sink_full_attention',
  'sliding_window',
  'sliding_window_mla',
  'mamba',
  'chunked_local_attention',
  'encoder_only_attention',
  'cross_attention',
]);

const KINDS: Readonly<Record<EventType, KvEvent['kind']>> = {
  BlockStored: 'stored',
  BlockRemoved: 'removed',
  AllBlocksCleared: 'cleared',
};

/** In the names of events that are not known yet: what they are about is gone (vLLM plans `TierBlocksCleared`). */
const SAYS_GONE = /remov|clear|evict|delet|drop|flush|reset|invalidat|expire/i;

/**
 * Reads the event that is next into a draft, and leaves the reader behind it; undefined if all is well. If it cannot be read:
 * why; then the draft is of no use, and the reader is anywhere inside of the event. Whether the frame is broken there is shown by
 * the reader's `skip` from the event's start. The format is described in `decoder.ts`.
 */
export function decodeEvent(reader: MsgpackReader, draft: EventDraft): SkippedKind | undefined {
  const length = reader.readArrayLength();
  if (length !== undefined) {
    const type = length > 0 ? readType(reader) : 'unknown_type';
    if (!isKnown(type)) return type;
    draft.reset(KINDS[type]);
    const positions = POSITIONS[type];
    for (let i = 0; i < length - 1; i++) {
      const why = readField(reader, draft, positions[i]);
      if (why !== undefined) return whyUnread(draft, why);
    }
    return whatIsMissing(draft);
  }
  const pairs = reader.readMapLength();
  if (pairs === undefined) return 'not_an_event';
  const start = reader.position;
  // The type decides which of the keys matter; engines send it first, but any place will do.
  const isFirst = pairs > 0 && reader.readOneOf(TYPE_KEY) !== undefined;
  const type = isFirst ? readType(reader) : findType(reader, pairs);
  if (!isKnown(type)) return type;
  draft.reset(KINDS[type]);
  if (!isFirst) reader.seek(start);
  const keys = KEYS[type];
  for (let i = isFirst ? 1 : 0; i < pairs; i++) {
    const key = reader.readOneOf(keys);
    if (key === undefined && !reader.skip()) return 'not_an_event';
    const why = readField(reader, draft, key);
    if (why !== undefined) return whyUnread(draft, why);
  }
  return whatIsMissing(draft);
}

/** Per block both. */
function joined(some: ExtraKeys, others: ExtraKeys): ExtraKeys {
  return Array.from({ length: Math.max(some.length, others.length) }, (_, block) => [
    ...(some[block] ?? []),
    ...(others[block] ?? []),
  ]);
}

type UnknownType = 'unknown_type' | 'unreadable_removal';

function readType(reader: MsgpackReader): EventType | UnknownType {
  const known = reader.readOneOf(TYPES);
  if (known !== undefined) return known;
  return SAYS_GONE.test(reader.readText() ?? '') ? 'unreadable_removal' : 'unknown_type';
}

function isKnown(type: EventType | UnknownType): type is EventType {
  return type !== 'unknown_type' && type !== 'unreadable_removal';
}

function whyUnread({ kind }: EventDraft, why: SkippedKind): SkippedKind {
  return kind === 'stored' ? why : 'unreadable_removal';
}

function findType(reader: MsgpackReader, pairs: number): EventType | UnknownType {
  for (let i = 0; i < pairs; i++) {
    if (reader.readOneOf(TYPE_KEY) !== undefined) return readType(reader);
    if (!reader.skip() || !reader.skip()) break;
  }
  return 'unknown_type';
}

/** undefined if all is well, also for a field that is not used. */
function readField(
  reader: MsgpackReader,
  draft: EventDraft,
  field: Field | undefined,
): SkippedKind | undefined {
  switch (field) {
    case 'block_hashes':
      draft.hasHashes = reader.readHashes(draft.hashes);
      return draft.hasHashes ? undefined : 'bad_hashes';
    case 'parent_block_hash':
      if (reader.readNil()) return undefined;
      draft.parent = reader.readHash();
      return draft.parent === undefined ? 'bad_parent' : undefined;
    case 'token_ids':
      draft.tokenIds = reader.readUint32s();
      if (draft.tokenIds === undefined) readPairs(reader, draft);
      return draft.tokenIds === undefined ? 'bad_tokens' : undefined;
    case 'block_size':
      draft.blockSizeTokens = readCount(reader);
      return draft.blockSizeTokens === undefined ? 'bad_block_size' : undefined;
    case 'lora_id':
      return readAdapterId(reader, draft);
    case 'medium':
      return readMedium(reader, draft);
    case 'locality':
      return readLocality(reader, draft) ? undefined : 'not_an_event';
    case 'lora_name':
      return readLoraName(reader, draft);
    case 'cache_salt':
      if (reader.readNil()) return undefined;
      draft.salt = reader.readText();
      return draft.salt === undefined ? 'bad_salt' : undefined;
    case 'extra_keys':
    case 'mm_keys': {
      if (reader.readNil()) return undefined;
      const keys = readExtraKeys(reader);
      if (keys === undefined) return 'bad_extra_keys';
      draft.extraKeys = draft.extraKeys.length === 0 ? keys : joined(draft.extraKeys, keys);
      return undefined;
    }
    case 'lookahead_token_ids': {
      if (reader.readNil()) return undefined;
      const lookahead = readLookahead(reader);
      if (lookahead === undefined) return 'bad_lookahead';
      draft.lookahead = lookahead;
      return undefined;
    }
    case 'group_idx':
      if (reader.readNil()) return undefined;
      draft.groupIndex = readCount(reader);
      return draft.groupIndex === undefined ? 'bad_group' : undefined;
    case 'kv_cache_spec_kind':
      if (reader.readNil()) return undefined;
      draft.groupKind = reader.readOneOf(GROUP_KINDS) ?? reader.readText();
      return draft.groupKind === undefined ? 'bad_group' : undefined;
    case 'kv_cache_spec_sliding_window':
      return readWindow(reader, draft) ? undefined : 'not_an_event';
    case undefined:
      return reader.skip() ? undefined : 'not_an_event';
  }
}

function whatIsMissing(draft: EventDraft): SkippedKind | undefined {
  if (draft.kind !== 'cleared' && !draft.hasHashes) return whyUnread(draft, 'bad_hashes');
  // Any other engine reaches it as well.
  if (draft.isRemote) draft.medium = 'unknown';
  if (draft.kind !== 'stored') return undefined;
  if (draft.tokenIds === undefined) return 'bad_tokens';
  if (draft.blockSizeTokens === undefined) return 'bad_block_size';
  if (draft.following !== undefined)
    draft.lookahead = followingBlocks(draft.following, draft.blockSizeTokens);
  return draft.ofAdapter && draft.loraName === undefined ? 'unnamed_adapter' : undefined;
}

function readCount(reader: MsgpackReader): number | undefined {
  const count = reader.readInteger();
  return count !== undefined && count >= 0 ? count : undefined;
}

/** A size that is not understood is not known, which claims less. */
function readWindow(reader: MsgpackReader, draft: EventDraft): boolean {
  const tokens = reader.readInteger();
  draft.windowTokens = tokens !== undefined && tokens >= 0 ? tokens : undefined;
  return tokens !== undefined || reader.skip();
}

/** SGLang's EAGLE: each token with the one after it. */
function readPairs(reader: MsgpackReader, draft: EventDraft): void {
  const length = reader.readArrayLength();
  if (length === undefined) return;
  const tokens = new Uint32Array(length);
  const following = new Uint32Array(length);
  for (let i = 0; i < length; i++) {
    if (reader.readArrayLength() !== 2) return;
    const token = reader.readInteger();
    const next = reader.readInteger();
    if (!isTokenId(token) || !isTokenId(next)) return;
    tokens[i] = token;
    following[i] = next;
  }
  draft.tokenIds = tokens;
  draft.following = following;
}

function isTokenId(value: number | undefined): value is number {
  return value !== undefined && value >= 0 && value < 2 ** 32;
}

/** Equally many tokens of each block. */
function readLookahead(reader: MsgpackReader): Lookahead | undefined {
  const blocks = reader.readArrayLength();
  if (blocks === undefined) return undefined;
  let tokens = 0;
  let ids = NO_LOOKAHEAD.ids;
  for (let block = 0; block < blocks; block++) {
    const ofBlock = reader.readUint32s();
    if (ofBlock === undefined || (block > 0 && ofBlock.length !== tokens)) return undefined;
    if (block === 0) {
      tokens = ofBlock.length;
      if (blocks * tokens > MAX_LOOKAHEAD_IDS) return undefined;
      ids = new Uint32Array(blocks * tokens);
    }
    ids.set(ofBlock, block * tokens);
  }
  return tokens === 0 ? NO_LOOKAHEAD : { tokens, ids };
}

/** Of blocks of token pairs: the one after each block's last token. */
function followingBlocks(following: Uint32Array, blockSizeTokens: number): Lookahead {
  if (blockSizeTokens === 0) return NO_LOOKAHEAD;
  const ids = new Uint32Array(Math.floor(following.length / blockSizeTokens));
  for (let block = 0; block < ids.length; block++) ids[block] = following[(block + 1) * blockSizeTokens - 1]!;
  return { tokens: 1, ids };
}

/** nil or 0 for no adapter. */
function readAdapterId(reader: MsgpackReader, draft: EventDraft): SkippedKind | undefined {
  if (reader.readNil()) return undefined;
  const id = reader.readInteger();
  draft.ofAdapter = id !== 0;
  return id !== undefined || reader.skip() ? undefined : 'not_an_event';
}

/** One that is not known, or no text at all, is certainly not the GPU. */
function readMedium(reader: MsgpackReader, draft: EventDraft): SkippedKind | undefined {
  if (reader.readNil()) return undefined;
  const known = reader.readOneOf(MEDIUM_NAMES);
  const name = known ?? reader.readText();
  const media = known === undefined ? mediumOf(name ?? '') : KNOWN_MEDIA.get(known)!;
  draft.medium = media.medium;
  draft.tellsContext = media.tellsContext;
  return name !== undefined || reader.skip() ? undefined : 'not_an_event';
}

function readLocality(reader: MsgpackReader, draft: EventDraft): boolean {
  const locality = reader.readText();
  draft.isRemote = locality?.toUpperCase() === 'REMOTE';
  return locality !== undefined || reader.skip();
}

/** A text; in SGLang's arrays a map with the salt. */
function readLoraName(reader: MsgpackReader, draft: EventDraft): SkippedKind | undefined {
  if (reader.readNil()) return undefined;
  const pairs = reader.readMapLength();
  if (pairs === undefined) {
    const name = reader.readText();
    draft.loraName = name === '' ? undefined : name;
    return name === undefined ? 'bad_lora' : undefined;
  }
  for (let i = 0; i < pairs; i++) {
    const key = reader.readOneOf(SALT_KEY);
    if (key === undefined && !reader.skip()) return 'bad_lora';
    const why = readField(reader, draft, key);
    if (why !== undefined) return why;
  }
  return undefined;
}
