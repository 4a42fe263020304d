import type { BlockChain, BlockHash, EngineHash, EngineLanes, HolderId, Matches, Place } from '../domain.ts';

export type { Place } from '../domain.ts';

/** Before the first block of a chain. */
export const START = 0 as Place;

/** What is said of blocks beside what they are. */
export interface Announcement {
  /** Where the block before the first one is. */
  readonly after: Place;
  /**
   * The engine's own hashes of the blocks, two lanes each, none of them 0, 0. undefined, and always so, for a holder that no
   * engine speaks for.
   */
  readonly engineHashes: EngineLanes | undefined;
  /** Of a block that the holder holds already: whether this is another copy, or the same one. */
  readonly again: 'copy' | 'same';
}

/** What is held of one prompt, and by whom. Valid until the next look-up or change. */
export interface Found {
  /** How many blocks a holder holds, from the first one on without a hole. */
  depthOf(holder: HolderId): number;
  /**
   * Calls back with how many blocks are held, deepest first, and by whom: `holders[from]` to before `holders[to]` are HolderIds,
   * valid until the call returns.
   */
  forEachLayer(callback: (depth: number, holders: Uint32Array, from: number, to: number) => void): void;
  /** The same as layers, deepest first; within a layer in no particular order. */
  layers(): Matches;
  /** The prompt in extents, from the first block on as far as anybody holds it; each is held by the same holders throughout. */
  readonly extents: number;
  /** How many blocks of the prompt there are up to the end of a extent. */
  endOf(extent: number): number;
  /** Whether a holder holds a extent, whatever it holds of those before. */
  holds(extent: number, holder: HolderId): boolean;
  /** Where the prompt's block with this number is, counted from 0; undefined if nobody holds it. */
  placeOf(block: number): Place | undefined;
}

/**
 * Block → holders; the longest held prefix of a prompt, per holder. Synchronous, no I/O.
 * Implementations answer to one contract suite, `describePrefixIndex` in `test/support`.
 */
export interface PrefixIndex {
  find(chain: BlockChain): Found;
  /** Where the holder's block with this hash of its engine's is; undefined if it holds none. */
  locate(holder: HolderId, engineHash: EngineHash): Place | undefined;
  /** All places that an engine's hash may stand for: several, if the holder has equal hashes for several blocks. */
  locateAll(holder: HolderId, engineHash: EngineHash): Place[];
  /** Where the first block of the chain is that the block there is of, as far as what precedes it is known. */
  startOf(place: Place): Place;
  /** Our hash of the block there. */
  hashAt(place: Place): BlockHash;
  holdsAt(holder: HolderId, place: Place): boolean;
  /** The holder holds these blocks, one behind the other. Returns how many of them it did not hold before. */
  store(holder: HolderId, chain: BlockChain, announcement: Announcement): number;
  /** The holder holds the block there, too, and its engine calls it so; or holds one copy more of it. */
  storeAt(holder: HolderId, place: Place, engineHash: EngineHash | undefined): void;
  /** The holder holds all that another one holds. */
  storeAllOf(other: HolderId, holder: HolderId): void;
  /**
   * One copy of a block is gone. Returns where the blocks are, or were, that the holder no longer holds: one; none, if it has
   * another copy, or does not hold it; several, if equal hashes stand for several of its blocks, as then it is not known which
   * one is gone. Valid until the next removal.
   */
  remove(holder: HolderId, engineHash: EngineHash): readonly Place[];
  /** These engine hashes, two lanes each, will be asked for next; to know it makes that faster. */
  prefetch(engineHashes: EngineLanes, from: number, count: number): void;
  /** The holder does not hold the block there, however many copies it had. */
  removeAt(holder: HolderId, place: Place): void;
  /** The holder holds nothing any more. */
  clear(holder: HolderId): void;
  /** Blocks that it holds. */
  held(holder: HolderId): number;
  /** Distinct blocks, and (block, holder) pairs. */
  size(): IndexSize;
}

export interface IndexSize {
  readonly blocks: number;
  readonly entries: number;
}
