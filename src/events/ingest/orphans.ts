import { BlockTable } from '../../prefix-index/memory/block-table.ts';
import { type EngineHash, each, type StoredEvent } from '../decoding/decoding.ts';

/** Blocks whose parent is not known yet, so that their place in a prompt is not known either. */
interface Orphan {
  readonly event: StoredEvent & { readonly parent: EngineHash };
  readonly bytes: number;
  /** Of its blocks, those that the engine has evicted in the meantime. */
  readonly removed: EngineHash[];
}

/** Of the events of one rank: an engine may put texts of any length into each. */
const MAX_BYTES = 16 * 1024 * 1024;
/** An event, and a block of it, beside what is in them. */
const EVENT_BYTES = 512;
const BLOCK_BYTES = 128;

/** An orphan whose parent has appeared: to be stored, and then what was evicted removed again. */
export type Attachable = Orphan;

/**
 * Holds orphans aside until their parent appears. A replay may begin in the middle of a chain, and it never puts a block at
 * the root that does not belong there. Bounded: beyond `maxBlocks` blocks, or 16 MiB, the oldest are dropped.
 */
export class Orphans {
  readonly #maxBlocks: number;
  #bytes = 0;
  /** Insertion order is age. */
  readonly #orphans = new Set<Orphan>();
  readonly #byParent = new BlockTable<Set<Orphan>>();
  /** Several, if a block was evicted and stored again while its parent was unknown. */
  readonly #byHash = new BlockTable<Set<Orphan>>();
  #blocks = 0;

  constructor(maxBlocks: number) {
    this.#maxBlocks = maxBlocks;
  }

  /** Blocks held aside. */
  get blocks(): number {
    return this.#blocks;
  }

  /**
   * @param removed of its blocks, those that the engine has evicted already
   * @returns how many blocks had to be dropped to keep the bound
   */
  hold(event: Orphan['event'], removed: EngineHash[] = []): number {
    const orphan: Orphan = { event, bytes: bytesOf(event), removed };
    this.#orphans.add(orphan);
    this.#byParent.ensure(event.parent, () => new Set()).add(orphan);
    for (const hash of each(event.hashes)) {
      if (!removed.some(gone => gone.hi === hash.hi && gone.lo === hash.lo))
        this.#byHash.ensure(hash, () => new Set()).add(orphan);
    }
    this.#blocks += event.hashes.length;
    this.#bytes += orphan.bytes;

    let dropped = 0;
    for (const oldest of this.#orphans) {
      if (this.#blocks <= this.#maxBlocks && this.#bytes <= MAX_BYTES) break;
      this.#release(oldest);
      dropped += oldest.event.hashes.length;
    }
    return dropped;
  }

  /** Takes out those that follow this block. */
  takeChildrenOf(hash: EngineHash): Attachable[] {
    const children = [...(this.#byParent.get(hash.hi, hash.lo) ?? [])];
    for (const child of children) this.#release(child);
    return children;
  }

  /** The engine has evicted one copy of a block; true if it is one of these. */
  remove(hash: EngineHash): boolean {
    const [orphan] = this.#byHash.get(hash.hi, hash.lo) ?? [];
    if (orphan === undefined) return false;
    orphan.removed.push(hash);
    this.#unlink(orphan, hash);
    if (orphan.removed.length === orphan.event.hashes.length) this.#release(orphan);
    return true;
  }

  clear(): void {
    for (const orphan of this.#orphans) this.#release(orphan);
  }

  #release(orphan: Orphan): void {
    const { parent, hashes } = orphan.event;
    this.#orphans.delete(orphan);
    const siblings = this.#byParent.get(parent.hi, parent.lo);
    siblings?.delete(orphan);
    if (siblings?.size === 0) this.#byParent.delete(parent);
    for (const hash of each(hashes)) this.#unlink(orphan, hash);
    this.#blocks -= hashes.length;
    this.#bytes -= orphan.bytes;
  }

  #unlink(orphan: Orphan, hash: EngineHash): void {
    const copies = this.#byHash.get(hash.hi, hash.lo);
    copies?.delete(orphan);
    if (copies?.size === 0) this.#byHash.delete(hash);
  }
}

/** About what it takes in memory. */
function bytesOf({ hashes, tokenIds, lookahead, salt, loraName, extraKeys }: StoredEvent): number {
  let characters = (salt?.length ?? 0) + (loraName?.length ?? 0);
  for (const keys of extraKeys)
    for (const key of keys ?? [])
      characters += BLOCK_BYTES + (key.kind === 'text' ? key.text : key.json).length;
  return (
    EVENT_BYTES +
    hashes.length * BLOCK_BYTES +
    tokenIds.byteLength +
    lookahead.ids.byteLength +
    2 * characters
  );
}
