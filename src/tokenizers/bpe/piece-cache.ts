/** Token ids of pieces that were tokenized before: an open-addressing table over arenas of a fixed size, emptied when one is full. */
const MAX_ENTRIES = 1 << 16;
const SLOTS = 1 << 17;
const UNITS = 1 << 20;
const IDS = 1 << 19;
/** Longer pieces seldom come again. */
const MAX_UNITS = 200;
/** hash, first unit, units, first id, ids */
const FIELDS = 5;

export class PieceCache {
  readonly #slots = new Int32Array(SLOTS);
  readonly #entries = new Int32Array(MAX_ENTRIES * FIELDS);
  readonly #units = new Uint16Array(UNITS);
  readonly #ids = new Int32Array(IDS);
  #entryCount = 0;
  #unitCount = 0;
  #idCount = 0;
  /** Of the last `find`, for `add`. */
  #hash = 0;

  /** Appends the piece's ids to `into`; false: they are not known. */
  find(text: string, from: number, to: number, into: IdBuffer): boolean {
    let hash = to - from;
    for (let at = from; at < to; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
    hash ^= hash >>> 15;
    this.#hash = hash;
    const entries = this.#entries;
    for (let slot = hash & (SLOTS - 1); ; slot = (slot + 1) & (SLOTS - 1)) {
      const entry = this.#slots[slot]!;
      if (entry === 0) return false;
      const at = (entry - 1) * FIELDS;
      if (entries[at] !== hash || entries[at + 2] !== to - from) continue;
      if (this.#hasUnits(entries[at + 1]!, text, from, to)) {
        into.addFrom(this.#ids, entries[at + 3]!, entries[at + 4]!);
        return true;
      }
    }
  }

  /** Keeps the ids that the piece of the last `find`, which was not known, has. */
  add(text: string, from: number, to: number, ids: Int32Array, count: number): void {
    const length = to - from;
    if (length > MAX_UNITS) return;
    const isFull =
      this.#entryCount === MAX_ENTRIES || this.#unitCount + length > UNITS || this.#idCount + count > IDS;
    if (isFull) this.#clear();
    const at = this.#entryCount++ * FIELDS;
    this.#entries[at] = this.#hash;
    this.#entries[at + 1] = this.#unitCount;
    this.#entries[at + 2] = length;
    this.#entries[at + 3] = this.#idCount;
    this.#entries[at + 4] = count;
    for (let unit = from; unit < to; unit++) this.#units[this.#unitCount++] = text.charCodeAt(unit);
    for (let index = 0; index < count; index++) this.#ids[this.#idCount++] = ids[index]!;
    let slot = this.#hash & (SLOTS - 1);
    while (this.#slots[slot] !== 0) slot = (slot + 1) & (SLOTS - 1);
    this.#slots[slot] = this.#entryCount;
  }

  #hasUnits(first: number, text: string, from: number, to: number): boolean {
    const units = this.#units;
    for (let at = from; at < to; at++) if (units[first + at - from] !== text.charCodeAt(at)) return false;
    return true;
  }

  #clear(): void {
    this.#slots.fill(0);
    this.#entryCount = 0;
    this.#unitCount = 0;
    this.#idCount = 0;
  }
}

/** Token ids that become more. */
export class IdBuffer {
  #ids = new Uint32Array(1024);
  #length = 0;

  add(id: number): void {
    if (this.#length === this.#ids.length) this.#grow(1);
    this.#ids[this.#length++] = id;
  }

  addFrom(ids: Int32Array, first: number, count: number): void {
    if (this.#length + count > this.#ids.length) this.#grow(count);
    for (let index = 0; index < count; index++) this.#ids[this.#length++] = ids[first + index]!;
  }

  clear(): void {
    this.#length = 0;
  }

  copy(): Uint32Array<ArrayBuffer> {
    return this.#ids.slice(0, this.#length);
  }

  #grow(by: number): void {
    const grown = new Uint32Array(Math.max(2 * this.#ids.length, this.#length + by));
    grown.set(this.#ids);
    this.#ids = grown;
  }
}
