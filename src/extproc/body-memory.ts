/** One body's share of the memory that all bodies together may take. */
export interface BodyLease {
  /**
   * The body takes `bytes` now. Where that is too much, the bodies that have been coming for longest are let go. False: this one
   * is the next of them.
   */
  resize(bytes: number): boolean;
  /** The body is still in memory, but there is nothing to be gained any more by letting it go. */
  keep(): void;
  /** Nothing of it is left. Harmless to repeat. */
  release(): void;
}

interface Held {
  bytes: number;
  state: 'new' | 'coming' | 'leaving' | 'kept' | 'released';
  readonly letGo: () => void;
}

/** Of the bound, for bodies that were let go and are still being written: what they take is as good as free. */
const LEAVING_SHARE = 1 / 4;

/**
 * The bound of all bodies that are gathered at the same time. When there is no more room, the body that has been coming for
 * longest is let go: it is the one most likely to have stalled, so that uploads that come to nothing cannot keep the memory from
 * those that come to an end.
 */
export class BodyMemory {
  readonly #maxBytes: number;
  /** Bodies that may be let go, those that came first at the beginning. */
  readonly #coming = new Set<Held>();
  #bytes = 0;
  #leavingBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes that are taken now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** `letGo`: to go on with what there is of the body, and to `release` it when that is written. Called at most once. */
  lease(letGo: () => void): BodyLease {
    const held: Held = { bytes: 0, state: 'new', letGo };
    return {
      resize: bytes => {
        if (held.state === 'released') return true;
        this.#count(held, bytes);
        if (held.state === 'new') {
          held.state = 'coming';
          this.#coming.add(held);
        }
        return this.#makeRoom(held);
      },
      keep: () => {
        if (held.state === 'coming') held.state = 'kept';
        this.#coming.delete(held);
      },
      release: () => {
        this.#coming.delete(held);
        this.#count(held, 0);
        held.state = 'released';
      },
    };
  }

  #makeRoom(asking: Held): boolean {
    for (const oldest of this.#coming) {
      if (this.#fits()) return true;
      this.#coming.delete(oldest);
      oldest.state = 'leaving';
      this.#leavingBytes += oldest.bytes;
      if (oldest === asking) return false;
      oldest.letGo();
    }
    return true;
  }

  #fits(): boolean {
    const forLeaving = this.#maxBytes * LEAVING_SHARE;
    return this.#bytes - Math.min(this.#leavingBytes, forLeaving) <= this.#maxBytes - forLeaving;
  }

  #count(held: Held, bytes: number): void {
    const more = bytes - held.bytes;
    held.bytes = bytes;
    this.#bytes += more;
    if (held.state === 'leaving') this.#leavingBytes += more;
  }
}
