/** The last messages that were heard live, and the last that were replayed, as fingerprints by their numbers. */

/** Of each kind. */
const KEPT = 256;
/** The fingerprint of what cannot be distinguished. */
const NONE = 0;

/**
 * Tells whether a publisher replays what it has published. One that answers on the replay port of another process numbers its
 * batches the same way, and their bytes alone tell: a batch begins with the time that it was made at.
 */
export class Fingerprints<P> {
  readonly #fingerprintOf: (payload: P) => number;
  readonly #live = new Window();
  readonly #replayed = new Window();

  /** @param fingerprintOf an integer of 32 bits; 0 for a payload that may come under the number of another one */
  constructor(fingerprintOf: (payload: P) => number) {
    this.#fingerprintOf = fingerprintOf;
  }

  /** A live message. Returns whether the replay that was requested last had other bytes under its number. */
  heard(sequence: number, payload: P): boolean {
    const fingerprint = this.#fingerprintOf(payload);
    if (fingerprint === NONE && this.#live.endsWith(sequence)) return false;
    this.#live.add(sequence, fingerprint);
    return this.#replayed.contradicts(sequence, fingerprint);
  }

  /** A replayed message. Returns whether other bytes were heard under its number since the live stream last broke. */
  replayed(sequence: number, payload: P): boolean {
    const fingerprint = this.#fingerprintOf(payload);
    this.#replayed.add(sequence, fingerprint);
    return this.#live.contradicts(sequence, fingerprint);
  }

  /** A replay is requested: what an earlier one said does not count. */
  requested(): void {
    this.#replayed.clear();
  }

  /** A connection has ended, or begun: it may be to another process than the one before. */
  linkChanged(): void {
    this.#live.clear();
    this.#replayed.clear();
  }
}

/** Fingerprints of consecutive numbers: one that does not follow the last starts a new sequence. */
class Window {
  #fingerprints: Int32Array | undefined;
  #since = 0;
  #end = 0;

  endsWith(sequence: number): boolean {
    return sequence === this.#end - 1;
  }

  add(sequence: number, fingerprint: number): void {
    this.#fingerprints ??= new Int32Array(KEPT);
    if (sequence !== this.#end) {
      if (this.#has(sequence) && this.#fingerprints[sequence % KEPT] === fingerprint) return;
      this.#since = sequence;
    }
    this.#fingerprints[sequence % KEPT] = fingerprint;
    this.#end = sequence + 1;
  }

  contradicts(sequence: number, fingerprint: number): boolean {
    if (fingerprint === NONE || this.#fingerprints === undefined || !this.#has(sequence)) return false;
    const known = this.#fingerprints[sequence % KEPT];
    return known !== NONE && known !== fingerprint;
  }

  clear(): void {
    this.#since = 0;
    this.#end = 0;
  }

  #has(sequence: number): boolean {
    return sequence < this.#end && sequence >= this.#since && sequence >= this.#end - KEPT;
  }
}
