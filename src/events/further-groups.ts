import type { HolderId } from '../domain.ts';
import { BlockTable } from '../prefix-index/block-table.ts';
import type { CacheState } from '../prefix-index/cache-state.ts';
import type { GroupNeed } from '../prefix-index/holders.ts';
import type { GroupRole } from './cache-groups.ts';
import { each } from './hash-list.ts';
import type { EngineHash, EngineHashes } from './kv-event.ts';

export interface PartOptions {
  readonly pod: string;
  readonly rank: number;
  readonly gpu: HolderId;
  readonly cache: Pick<CacheState, 'index' | 'holders'>;
  /** There is one part more, or less. */
  readonly composed: () => void;
}

type Further = GroupRole & { readonly kind: 'further' };

interface Group {
  need: GroupNeed;
  /** Hashes whose blocks the main group has not stored yet, with their copies. */
  readonly waiting: BlockTable<{ copies: number }>;
}

/** Of one group. An engine sends the events of all groups in one batch, so that few ever wait. */
const MOST_WAITING = 16_384;

/**
 * What one rank holds of KV-cache groups beside the main one. Their events may leave out blocks, so that their tokens do not
 * tell which block a hash stands for; but a block has the same hash in all groups.
 */
export class FurtherGroups {
  readonly #options: PartOptions;
  readonly #groups = new Map<number, Group>();

  constructor(options: PartOptions) {
    this.#options = options;
  }

  get needs(): GroupNeed[] {
    return [...this.#groups.values()].map(({ need }) => need);
  }

  /** Returns how many blocks are known. */
  store(role: Further, hashes: EngineHashes): number {
    const group = this.#ensure(role);
    let known = 0;
    for (const hash of each(hashes)) {
      if (this.#place(group.need.holder, hash)) known++;
      else if (group.waiting.size < MOST_WAITING) group.waiting.ensure(hash, () => ({ copies: 0 })).copies++;
    }
    return known;
  }

  /** The main group has stored these. */
  placed(hashes: EngineHashes): void {
    for (const { need, waiting } of this.#groups.values()) {
      if (waiting.size === 0) continue;
      for (const hash of each(hashes)) {
        const { copies = 0 } = waiting.get(hash.hi, hash.lo) ?? {};
        if (copies === 0) continue;
        waiting.delete(hash);
        for (let copy = 0; copy < copies; copy++) this.#place(need.holder, hash);
      }
    }
  }

  /** Returns how many blocks are held no longer. */
  remove(role: Further, hashes: EngineHashes): number {
    const { need, waiting } = this.#ensure(role);
    let gone = 0;
    for (const hash of each(hashes)) {
      gone += this.#options.cache.index.remove(need.holder, hash).length;
      const held = waiting.get(hash.hi, hash.lo);
      if (held !== undefined && --held.copies === 0) waiting.delete(hash);
    }
    return gone;
  }

  /** It is the main group, which was not known before. */
  isMain(number: number | undefined): void {
    const group = number === undefined ? undefined : this.#groups.get(number);
    if (group === undefined) return;
    this.#options.cache.index.clear(group.need.holder);
    this.#groups.delete(number!);
    this.#options.composed();
  }

  clear(): void {
    for (const { need, waiting } of this.#groups.values()) {
      waiting.clear();
      this.#options.cache.index.clear(need.holder);
    }
  }

  /** false: the main group does not hold it. */
  #place(holder: HolderId, hash: EngineHash): boolean {
    const { index } = this.#options.cache;
    const place = index.locate(this.#options.gpu, hash);
    if (place !== undefined) index.storeAt(holder, place, hash);
    return place !== undefined;
  }

  #ensure({ group: number, blocks }: Further): Group {
    const known = this.#groups.get(number);
    if (known?.need.blocks === blocks) return known;
    const { pod, rank, cache, composed } = this.#options;
    const holder = cache.holders.ensure(pod, { kind: 'group', rank, group: number });
    const group = known ?? { need: { holder, blocks }, waiting: new BlockTable() };
    group.need = { holder, blocks };
    this.#groups.set(number, group);
    composed();
    return group;
  }
}
