import type { Hash64 } from '../../domain.ts';

interface Node<V> {
  readonly hash: Hash64;
  readonly value: V;
}

/**
 * A map keyed by block hash: a `Map` on the low lane, with the few blocks that share it distinguished by the high lane.
 * Iterates in no particular order.
 */
export class BlockTable<V> {
  readonly #buckets = new Map<number, Node<V>[]>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(hi: number, lo: number): V | undefined {
    return this.#buckets.get(lo)?.find(node => node.hash.hi === hi)?.value;
  }

  /** The value of this hash, made by `create` when there is none. */
  ensure(hash: Hash64, create: () => V): V {
    const found = this.get(hash.hi, hash.lo);
    if (found !== undefined) return found;
    const value = create();
    const bucket = this.#buckets.get(hash.lo);
    if (bucket) bucket.push({ hash, value });
    else this.#buckets.set(hash.lo, [{ hash, value }]);
    this.#size++;
    return value;
  }

  clear(): void {
    this.#buckets.clear();
    this.#size = 0;
  }

  delete({ hi, lo }: Hash64): void {
    const bucket = this.#buckets.get(lo);
    const position = bucket?.findIndex(node => node.hash.hi === hi) ?? -1;
    if (bucket === undefined || position < 0) return;
    if (bucket.length === 1) this.#buckets.delete(lo);
    else bucket.splice(position, 1);
    this.#size--;
  }
}
