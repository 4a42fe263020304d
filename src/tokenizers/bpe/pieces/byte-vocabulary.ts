/**
 * Ids of the tokens that a whole piece may be, by their bytes: an open-addressing table over typed arrays that threads may share, so
 * that no second one makes a Map of 128,000 strings. Only read once it is made, as merge tables are.
 */
import { EMPTY, longestRun, sharedInts } from './shared-table.ts';

/** id, hash, first byte, bytes; id is EMPTY where there is nothing. */
const WORDS = 4;

export interface VocabularyTables {
  readonly slots: Int32Array;
  readonly bytes: Uint8Array;
}

export class ByteVocabulary {
  readonly tables: VocabularyTables;
  readonly #mask: number;

  /** @param tables of a vocabulary that is complete */
  constructor(tables: VocabularyTables) {
    this.tables = tables;
    this.#mask = tables.slots.length / WORDS - 1;
  }

  /** @param tokens no two of the same bytes */
  static of(tokens: readonly (readonly [bytes: Uint8Array, id: number])[]): ByteVocabulary {
    const length = tokens.reduce((sum, [bytes]) => sum + bytes.length, 0);
    const all = new ByteVocabulary({
      slots: sharedInts(tokens.length, WORDS),
      bytes: new Uint8Array(new SharedArrayBuffer(length)),
    });
    let at = 0;
    for (const [bytes, id] of tokens) {
      all.tables.bytes.set(bytes, at);
      all.#add(id, hash(bytes, bytes.length), at, bytes.length);
      at += bytes.length;
    }
    return all;
  }

  /** How many slots a lookup goes through at most. */
  get maxProbes(): number {
    return longestRun(this.tables.slots, WORDS) + 1;
  }

  /** The id of the token that the first `length` of `piece` are; -1: they are none. */
  find(piece: ArrayLike<number>, length: number): number {
    const { slots, bytes } = this.tables;
    const wanted = hash(piece, length);
    for (let index = wanted & this.#mask; ; index = (index + 1) & this.#mask) {
      const at = index * WORDS;
      if (slots[at] === EMPTY) return -1;
      if (slots[at + 1] !== wanted || slots[at + 3] !== length) continue;
      const first = slots[at + 2]!;
      let same = 0;
      while (same < length && bytes[first + same] === piece[same]) same++;
      if (same === length) return slots[at]!;
    }
  }

  #add(id: number, itsHash: number, first: number, length: number): void {
    const { slots } = this.tables;
    let index = itsHash & this.#mask;
    while (slots[index * WORDS] !== EMPTY) index = (index + 1) & this.#mask;
    slots.set([id, itsHash, first, length], index * WORDS);
  }
}

function hash(bytes: ArrayLike<number>, length: number): number {
  let mixed = length;
  for (let at = 0; at < length; at++) mixed = Math.imul(mixed ^ bytes[at]!, 0x01000193);
  return mixed ^ (mixed >>> 15);
}
