/** One body's share of the memory that all bodies together may take. */
export interface BodyLease {
  /**
   * The body takes `bytes` now. Where that is too much, the bodies that have been coming for longest are evicted. False: this one
   * is the next of them. Once it is evicted or kept, the answer is always true.
   */
  resize(bytes: number): boolean;
  /** The body is still in memory, but there is nothing to be gained any more by evicting it. */
  keep(): void;
  /** Nothing of it is left. Harmless to repeat. */
  release(): void;
}

interface Held {
  bytes: number;
  state: 'new' | 'gathering' | 'evicted' | 'kept' | 'released';
  readonly evict: () => void;
}

/** Of the bound, for bodies that were evicted and are still being written: what they take is as good as free. */
const EVICTED_SHARE = 1 / 4;

/**
 * The bound of all bodies that are gathered at the same time. When there is no more room, the body that has been coming for
 * longest is evicted: it is the one most likely to have stalled, so that uploads that come to nothing cannot keep the memory from
 * those that come to an end.
 */
export class BodyMemory {
  readonly #maxBytes: number;
  /** Bodies that may be evicted, those that came first at the beginning. */
  readonly #gathering = new Set<Held>();
  #bytes = 0;
  #evictedBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes that are taken now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** `evict`: to go on with what there is of the body, and to `release` it when that is written. Called at most once. */
  lease(evict: () => void): BodyLease {
    const held: Held = { bytes: 0, state: 'new', evict };
    return {
      resize: bytes => {
        if (held.state === 'released') return true;
        this.#count(held, bytes);
        if (held.state === 'new') {
          held.state = 'gathering';
          this.#gathering.add(held);
        }
        return held.state === 'gathering' ? this.#makeRoom(held) : true;
      },
      keep: () => {
        if (held.state === 'gathering') held.state = 'kept';
        this.#gathering.delete(held);
      },
      release: () => {
        this.#gathering.delete(held);
        this.#count(held, 0);
        held.state = 'released';
      },
    };
  }

  #makeRoom(asking: Held): boolean {
    for (const oldest of this.#gathering) {
      if (this.#fits()) return true;
      this.#gathering.delete(oldest);
      oldest.state = 'evicted';
      this.#evictedBytes += oldest.bytes;
      if (oldest === asking) return false;
      oldest.evict();
    }
    return true;
  }

  #fits(): boolean {
    const forEvicted = this.#maxBytes * EVICTED_SHARE;
    return this.#bytes - Math.min(this.#evictedBytes, forEvicted) <= this.#maxBytes - forEvicted;
  }

  #count(held: Held, bytes: number): void {
    const more = bytes - held.bytes;
    held.bytes = bytes;
    this.#bytes += more;
    if (held.state === 'evicted') this.#evictedBytes += more;
  }
}
