/** Byte-level BPE: symbols are the bytes of UTF-8, which vocabularies write as GPT-2's characters. */
import { UnsupportedTokenizer } from '../refusals.ts';
import type { ModelShape } from '../shape.ts';
import { ByteVocabulary, type VocabularyTables } from './byte-vocabulary.ts';
import { MergeTable } from './merge-table.ts';
import { readMerges } from './merges.ts';
import type { PieceModel, Symbols } from './piece-model.ts';

/** All that is looked up, in memory that threads share. */
export interface ByteTables {
  readonly merges: Int32Array;
  readonly ofByte: Int32Array;
  /** Whole pieces that are tokens whatever merging gives; undefined: only that counts. */
  readonly whole: VocabularyTables | undefined;
  /** How many slots one lookup goes through at most. */
  readonly maxProbes: number;
}

const NONE = -1;

/** GPT-2's characters for bytes. */
const BYTE_CHARACTERS: readonly string[] = byteCharacters();

function byteCharacters(): string[] {
  const isShown = (byte: number) => (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isShown(byte) ? byte : next++));
}

/** Throws UnsupportedTokenizer or InvalidTokenizer. */
export function byteTables(model: ModelShape): ByteTables {
  const { vocabulary, unknown, byteFallback, ignoreMerges } = model;
  const ofByte = Int32Array.from(BYTE_CHARACTERS, char => vocabulary.get(char) ?? NONE);
  if (ofByte.includes(NONE) && (unknown !== undefined || byteFallback)) {
    throw new UnsupportedTokenizer('the vocabulary lacks bytes, and has another token for them');
  }
  const { table } = readMerges(model);
  const whole = ignoreMerges ? wholeTokens(vocabulary) : undefined;
  return {
    merges: table.slots,
    ofByte,
    whole: whole?.tables,
    maxProbes: Math.max(table.maxProbes, whole?.maxProbes ?? 0),
  };
}

/** Without tokens that have other characters than those of bytes: no piece is one. */
function wholeTokens(vocabulary: ReadonlyMap<string, number>): ByteVocabulary {
  const byteOf = new Int32Array(1 << 16).fill(NONE);
  for (const [byte, char] of BYTE_CHARACTERS.entries()) byteOf[char.charCodeAt(0)] = byte;
  const tokens: [Uint8Array, number][] = [];
  for (const [token, id] of vocabulary) {
    const bytes = Int32Array.from({ length: token.length }, (_, at) => byteOf[token.charCodeAt(at)]!);
    if (!bytes.includes(NONE)) tokens.push([Uint8Array.from(bytes), id]);
  }
  return ByteVocabulary.of(tokens);
}

export function byteModel({ merges, ofByte, whole }: ByteTables): PieceModel {
  return {
    merges: new MergeTable(merges),
    symbols: new ByteSymbols(ofByte, whole && new ByteVocabulary(whole)),
    cutsBehind: undefined,
  };
}

class ByteSymbols implements Symbols {
  readonly #ofByte: Int32Array;
  readonly #whole: ByteVocabulary | undefined;

  constructor(ofByte: Int32Array, whole: ByteVocabulary | undefined) {
    this.#ofByte = ofByte;
    this.#whole = whole;
  }

  write(text: string, from: number, to: number, into: Int32Array): number {
    const length = writeBytes(text, from, to, into);
    const whole = this.#whole === undefined ? NONE : this.#whole.find(into, length);
    if (whole !== NONE) {
      into[0] = whole;
      return 1;
    }
    let count = 0;
    for (let at = 0; at < length; at++) {
      const id = this.#ofByte[into[at]!]!;
      // The library leaves out what the vocabulary does not have.
      if (id !== NONE) into[count++] = id;
    }
    return count;
  }
}

/** UTF-8. Gives how many bytes. */
function writeBytes(text: string, from: number, to: number, into: Int32Array): number {
  let count = 0;
  for (let at = from; at < to; at++) {
    const code = text.charCodeAt(at);
    if (code < 0x80) {
      into[count++] = code;
    } else if (code < 0x800) {
      into[count++] = 0xc0 | (code >> 6);
      into[count++] = 0x80 | (code & 0x3f);
    } else if (code < 0xd800 || code > 0xdfff) {
      into[count++] = 0xe0 | (code >> 12);
      into[count++] = 0x80 | ((code >> 6) & 0x3f);
      into[count++] = 0x80 | (code & 0x3f);
    } else {
      const point = text.codePointAt(at++)!;
      into[count++] = 0xf0 | (point >> 18);
      into[count++] = 0x80 | ((point >> 12) & 0x3f);
      into[count++] = 0x80 | ((point >> 6) & 0x3f);
      into[count++] = 0x80 | (point & 0x3f);
    }
  }
  return count;
}
