/** Token ids of pieces that were tokenized before: an open-addressing table over arenas of a fixed size, emptied when one is full. */
import type { IdBuffer } from './id-buffer.ts';

const UNITS_PER_PIECE = 16;
const IDS_PER_PIECE = 8;
/** Longer pieces seldom come again. */
const MAX_UNITS = 200;
/** Of slots that are looked at: texts may be made so that their pieces all have one hash. */
const MAX_PROBES = 16;
/** hash, first unit, units, first id, ids */
const FIELDS = 5;

export class PieceCache {
  readonly #maxPieces: number;
  readonly #slots: Int32Array;
  readonly #mask: number;
  readonly #entries: Int32Array;
  readonly #units: Uint16Array;
  readonly #ids: Int32Array;
  #entryCount = 0;
  #unitCount = 0;
  #idCount = 0;
  /** Of the last `find`, for `add`: -1 where all slots that are looked at are taken. */
  #slot = -1;
  #hash = 0;

  /** @param maxPieces a power of two; 92 bytes each */
  constructor(maxPieces: number) {
    this.#maxPieces = maxPieces;
    this.#slots = new Int32Array(2 * maxPieces);
    this.#mask = this.#slots.length - 1;
    this.#entries = new Int32Array(maxPieces * FIELDS);
    this.#units = new Uint16Array(maxPieces * UNITS_PER_PIECE);
    this.#ids = new Int32Array(maxPieces * IDS_PER_PIECE);
  }

  /** Appends the piece's ids to `into`; false: they are not known. */
  find(text: string, from: number, to: number, into: IdBuffer): boolean {
    let hash = to - from;
    for (let at = from; at < to; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
    hash ^= hash >>> 15;
    this.#hash = hash;
    const entries = this.#entries;
    for (let probe = 0; probe < MAX_PROBES; probe++) {
      const slot = (hash + probe) & this.#mask;
      const entry = this.#slots[slot]!;
      if (entry === 0) {
        this.#slot = slot;
        return false;
      }
      const at = (entry - 1) * FIELDS;
      if (entries[at] !== hash || entries[at + 2] !== to - from) continue;
      if (this.#hasUnits(entries[at + 1]!, text, from, to)) {
        into.addFrom(this.#ids, entries[at + 3]!, entries[at + 4]!);
        return true;
      }
    }
    this.#slot = -1;
    return false;
  }

  /** Keeps the ids that the piece of the last `find`, which was not known, has. */
  add(text: string, from: number, to: number, ids: Int32Array, count: number): void {
    const length = to - from;
    if (length > MAX_UNITS || this.#slot < 0) return;
    const isFull =
      this.#entryCount === this.#maxPieces ||
      this.#unitCount + length > this.#units.length ||
      this.#idCount + count > this.#ids.length;
    if (isFull) this.#clear();
    const at = this.#entryCount++ * FIELDS;
    this.#entries[at] = this.#hash;
    this.#entries[at + 1] = this.#unitCount;
    this.#entries[at + 2] = length;
    this.#entries[at + 3] = this.#idCount;
    this.#entries[at + 4] = count;
    for (let unit = from; unit < to; unit++) this.#units[this.#unitCount++] = text.charCodeAt(unit);
    for (let index = 0; index < count; index++) this.#ids[this.#idCount++] = ids[index]!;
    this.#slots[this.#slot] = this.#entryCount;
  }

  #hasUnits(first: number, text: string, from: number, to: number): boolean {
    const units = this.#units;
    for (let at = from; at < to; at++) if (units[first + at - from] !== text.charCodeAt(at)) return false;
    return true;
  }

  #clear(): void {
    this.#slots.fill(0);
    this.#slot = this.#hash & this.#mask;
    this.#entryCount = 0;
    this.#unitCount = 0;
    this.#idCount = 0;
  }
}
