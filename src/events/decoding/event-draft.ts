import { NO_LOOKAHEAD } from '../../prompt/blocks.ts';
import { HashList } from './hash-list.ts';
import type { CacheGroup, EngineHash, KvEvent, Medium, StoredEvent } from './kv-event.ts';

const NO_KEYS: StoredEvent['extraKeys'] = [];

/**
 * The fields of an event that were read so far; undefined where it does not have them, or nil. It is used for one event after
 * the other, as they come in numbers.
 */
export class EventDraft {
  kind: KvEvent['kind'] = 'cleared';
  readonly hashes = new HashList();
  hasHashes = false;
  parent: EngineHash | undefined;
  tokenIds: Uint32Array | undefined;
  blockSizeTokens: number | undefined;
  /** Of token pairs: the second ones. */
  following: Uint32Array | undefined;
  lookahead = NO_LOOKAHEAD;
  ofAdapter = false;
  loraName: string | undefined;
  salt: string | undefined;
  medium: Medium = 'gpu';
  /** Without extra keys the blocks have none. */
  tellsContext = false;
  isRemote = false;
  groupIndex: number | undefined;
  groupKind: string | undefined;
  windowTokens: number | undefined;
  extraKeys = NO_KEYS;

  reset(kind: KvEvent['kind']): void {
    this.kind = kind;
    this.hasHashes = false;
    this.parent = undefined;
    this.tokenIds = undefined;
    this.blockSizeTokens = undefined;
    this.following = undefined;
    this.lookahead = NO_LOOKAHEAD;
    this.ofAdapter = false;
    this.loraName = undefined;
    this.salt = undefined;
    this.medium = 'gpu';
    this.tellsContext = false;
    this.isRemote = false;
    this.groupIndex = undefined;
    this.groupKind = undefined;
    this.windowTokens = undefined;
    this.extraKeys = NO_KEYS;
  }

  isOfGroup({ index, kind, windowTokens }: CacheGroup): boolean {
    return this.groupIndex === index && this.groupKind === kind && this.windowTokens === windowTokens;
  }

  get group(): CacheGroup {
    return { index: this.groupIndex, kind: this.groupKind, windowTokens: this.windowTokens };
  }
}
