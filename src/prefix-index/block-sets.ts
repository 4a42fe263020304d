import type { BlockChain, BlockHash, HolderId, Matches, MatchLayer } from '../domain.ts';
import { type Aged, AgeList } from './age-list.ts';
import { BlockTable } from './block-table.ts';
import type { IndexSize, PrefixIndex } from './prefix-index.ts';

export interface BlockSetsOptions {
  /**
   * Most (block, holder) pairs kept. Beyond it the pair stored longest ago goes first; of one chain, its tail before its
   * head, since a head without its tail still matches and a tail without its head does not.
   */
  readonly capacityEntries: number;
  /** How long a pair counts after it was last stored; `Infinity` for what only events may take away. */
  readonly timeToLiveMs: number;
  /** Milliseconds, monotonic. */
  readonly now?: () => number;
}

interface Block {
  readonly hash: BlockHash;
  readonly entries: Map<HolderId, Entry>;
}

interface Entry extends Aged {
  readonly block: Block;
  readonly holder: HolderId;
  storedAt: number;
}

/**
 * The plain index: one set of holders per block. With events it is the truth about the engines; with a time to live it is
 * the history of what was routed where.
 */
export class BlockSets implements PrefixIndex {
  readonly #options: Required<BlockSetsOptions>;
  readonly #blocks = new BlockTable<Block>();
  readonly #entriesOf = new Map<HolderId, Set<Entry>>();
  /** In the order of storing; storing again makes an entry the newest. */
  readonly #ages = new AgeList<Entry>();

  constructor(options: BlockSetsOptions) {
    this.#options = { now: () => performance.now(), ...options };
  }

  store(holder: HolderId, { lanes, length }: BlockChain): void {
    const storedAt = this.#options.now();
    // What lies beyond the capacity would be the first to go.
    for (let position = Math.min(length, this.#options.capacityEntries) - 1; position >= 0; position--) {
      const hash = { hi: lanes[2 * position]!, lo: lanes[2 * position + 1]! };
      const block = this.#blocks.ensure(hash, () => ({ hash, entries: new Map() }));
      this.#touch(block, holder, storedAt);
    }
    this.#expire();
    while (this.#ages.size > this.#options.capacityEntries) this.#drop(this.#ages.oldest!);
  }

  remove(holder: HolderId, { hi, lo }: BlockHash): void {
    const entry = this.#blocks.get(hi, lo)?.entries.get(holder);
    if (entry) this.#drop(entry);
  }

  clear(holder: HolderId): void {
    for (const entry of this.#entriesOf.get(holder) ?? []) this.#drop(entry);
  }

  match({ lanes, length }: BlockChain): Matches {
    this.#expire();
    const layers: MatchLayer[] = [];
    let standing = this.#holdersAt(lanes, 0, length);
    for (let depth = 1; standing.length > 0; depth++) {
      const entries =
        depth < length ? this.#blocks.get(lanes[2 * depth]!, lanes[2 * depth + 1]!)?.entries : undefined;
      const next = entries ? standing.filter(holder => entries.has(holder)) : [];
      if (next.length < standing.length) {
        layers.unshift({ depth, holders: standing.filter(holder => !entries?.has(holder)) });
      }
      standing = next;
    }
    return layers;
  }

  size(): IndexSize {
    this.#expire();
    return { blocks: this.#blocks.size, entries: this.#ages.size };
  }

  #holdersAt(lanes: Uint32Array, position: number, length: number): HolderId[] {
    if (position >= length) return [];
    return [...(this.#blocks.get(lanes[2 * position]!, lanes[2 * position + 1]!)?.entries.keys() ?? [])];
  }

  #touch(block: Block, holder: HolderId, storedAt: number): void {
    let entry = block.entries.get(holder);
    if (entry) {
      this.#ages.remove(entry);
      entry.storedAt = storedAt;
    } else {
      entry = { block, holder, storedAt, older: undefined, newer: undefined };
      block.entries.set(holder, entry);
      const held = this.#entriesOf.get(holder);
      if (held) held.add(entry);
      else this.#entriesOf.set(holder, new Set([entry]));
    }
    this.#ages.append(entry);
  }

  #expire(): void {
    const { timeToLiveMs, now } = this.#options;
    if (timeToLiveMs === Number.POSITIVE_INFINITY) return;
    const bound = now() - timeToLiveMs;
    for (let entry = this.#ages.oldest; entry && entry.storedAt <= bound; entry = this.#ages.oldest) {
      this.#drop(entry);
    }
  }

  #drop(entry: Entry): void {
    const { block, holder } = entry;
    this.#ages.remove(entry);
    block.entries.delete(holder);
    if (block.entries.size === 0) this.#blocks.delete(block.hash);
    const held = this.#entriesOf.get(holder)!;
    held.delete(entry);
    if (held.size === 0) this.#entriesOf.delete(holder);
  }
}
