/** Token ids of pieces: their symbols (bytes or characters), merged. */
import { MergeTable } from './merge-table.ts';
import { Merger } from './merging.ts';
import { type IdBuffer, PieceCache } from './piece-cache.ts';
import { InvalidTokenizer, UnsupportedTokenizer } from './refusals.ts';
import type { ModelShape } from './shape.ts';

const NONE = -1;
/** What stands for a blank in SentencePiece's vocabularies. */
const META = '▁';
const META_CODE = META.charCodeAt(0);

export type Alphabet = 'bytes' | 'characters';

export class PieceEncoder {
  readonly #ids: IdBuffer;
  readonly #cache = new PieceCache();
  readonly #merger: Merger;
  readonly #symbols: Symbols;
  /** Whole pieces that are tokens; undefined: only what merging gives counts. */
  readonly #whole: ReadonlyMap<string, number> | undefined;
  readonly #alphabet: Alphabet;
  /** Whether no merge joins a code unit with a `▁` behind it; undefined: pieces may not be cut there. */
  readonly #cutsBehind: Uint8Array | undefined;
  #scratch = new Int32Array(1024);

  constructor(model: ModelShape, alphabet: Alphabet, ids: IdBuffer) {
    const { table, results, parts } = readMerges(model);
    this.#ids = ids;
    this.#alphabet = alphabet;
    this.#merger = new Merger(table);
    this.#symbols = alphabet === 'bytes' ? new ByteSymbols(model) : new CharacterSymbols(model);
    this.#whole = model.ignoreMerges ? model.vocabulary : undefined;
    this.#cutsBehind = alphabet === 'characters' ? whereToCut(model, results, parts) : undefined;
  }

  /** Appends the ids of a piece that is not empty. */
  encode(text: string, from: number, to: number): void {
    const cutsBehind = this.#cutsBehind;
    if (!cutsBehind) {
      this.#encodePiece(text, from, to);
      return;
    }
    let start = from;
    let before = text.charCodeAt(from);
    for (let at = from + 1; at < to; at++) {
      const code = text.charCodeAt(at);
      if (code === META_CODE && cutsBehind[before] === 1) {
        this.#encodePiece(text, start, at);
        start = at;
      }
      before = code;
    }
    this.#encodePiece(text, start, to);
  }

  #encodePiece(text: string, from: number, to: number): void {
    if (this.#cache.find(text, from, to, this.#ids)) return;
    const symbols = this.#room(4 * (to - from) + 4);
    const whole = this.#whole?.get(this.#asToken(text, from, to));
    let count: number;
    if (whole === undefined) {
      count = this.#merger.merge(symbols, this.#symbols.write(text, from, to, symbols));
    } else {
      symbols[0] = whole;
      count = 1;
    }
    this.#ids.addFrom(symbols, 0, count);
    this.#cache.add(text, from, to, symbols, count);
  }

  #asToken(text: string, from: number, to: number): string {
    const piece = text.slice(from, to);
    return this.#alphabet === 'characters'
      ? piece
      : Array.from(Buffer.from(piece, 'utf8'), byte => BYTE_CHARACTERS[byte]!).join('');
  }

  #room(length: number): Int32Array {
    // A long text's room is not kept: the next one needs less.
    if (length > MAX_KEPT_ROOM) return new Int32Array(length);
    if (this.#scratch.length < length) this.#scratch = new Int32Array(2 * length);
    return this.#scratch;
  }
}

const MAX_KEPT_ROOM = 1 << 18;

interface Symbols {
  /** Writes the symbols of a piece, at most four for each code unit; gives how many. */
  write(text: string, from: number, to: number, into: Int32Array): number;
}

/** GPT-2's characters for bytes. */
const BYTE_CHARACTERS: readonly string[] = byteCharacters();

function byteCharacters(): string[] {
  const isShown = (byte: number) => (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isShown(byte) ? byte : next++));
}

class ByteSymbols implements Symbols {
  readonly #ofByte: Int32Array;

  constructor({ vocabulary, unknown, byteFallback }: ModelShape) {
    this.#ofByte = Int32Array.from(BYTE_CHARACTERS, char => vocabulary.get(char) ?? NONE);
    if (this.#ofByte.includes(NONE) && (unknown !== undefined || byteFallback)) {
      throw new UnsupportedTokenizer('the vocabulary lacks bytes, and has another token for them');
    }
  }

  write(text: string, from: number, to: number, into: Int32Array): number {
    const ofByte = this.#ofByte;
    let count = 0;
    const put = (byte: number) => {
      const id = ofByte[byte]!;
      // The library leaves out what the vocabulary does not have.
      if (id !== NONE) into[count++] = id;
    };
    for (let at = from; at < to; at++) {
      const code = text.charCodeAt(at);
      if (code < 0x80) {
        put(code);
      } else if (code < 0x800) {
        put(0xc0 | (code >> 6));
        put(0x80 | (code & 0x3f));
      } else if (code < 0xd800 || code > 0xdfff) {
        put(0xe0 | (code >> 12));
        put(0x80 | ((code >> 6) & 0x3f));
        put(0x80 | (code & 0x3f));
      } else {
        const point = text.codePointAt(at++)!;
        put(0xf0 | (point >> 18));
        put(0x80 | ((point >> 12) & 0x3f));
        put(0x80 | ((point >> 6) & 0x3f));
        put(0x80 | (point & 0x3f));
      }
    }
    return count;
  }
}

class CharacterSymbols implements Symbols {
  readonly #basic = new Int32Array(1 << 16).fill(NONE);
  readonly #beyond = new Map<number, number>();
  /** `<0x00>` …; undefined: no fallback. */
  readonly #ofByte: Int32Array | undefined;
  readonly #unknown: number;
  readonly #fuseUnknown: boolean;

  constructor({ vocabulary, unknown, fuseUnknown, byteFallback }: ModelShape) {
    for (const [token, id] of vocabulary) this.#keepCharacter(token, id);
    this.#ofByte = byteFallback
      ? Int32Array.from({ length: 256 }, (_, byte) => vocabulary.get(byteToken(byte)) ?? NONE)
      : undefined;
    this.#unknown = unknown === undefined ? NONE : (vocabulary.get(unknown) ?? NONE);
    // The library fails at the first text that needs it.
    if (unknown !== undefined && this.#unknown === NONE) {
      throw new UnsupportedTokenizer('the token for what is unknown is not in the vocabulary');
    }
    this.#fuseUnknown = fuseUnknown;
  }

  write(text: string, from: number, to: number, into: Int32Array): number {
    let count = 0;
    let isUnknownPending = false;
    for (let at = from; at < to; at++) {
      const code = text.charCodeAt(at);
      const isPair = code >= 0xd800 && code < 0xdc00;
      const point = isPair ? text.codePointAt(at++)! : code;
      const id = isPair ? (this.#beyond.get(point) ?? NONE) : this.#basic[code]!;
      if (id !== NONE) {
        if (isUnknownPending) into[count++] = this.#unknown;
        isUnknownPending = false;
        into[count++] = id;
        continue;
      }
      // As in the library: bytes overtake what is unknown before them.
      const bytes = this.#writeBytes(point, into, count);
      if (bytes > 0) {
        count += bytes;
      } else if (this.#unknown !== NONE) {
        if (isUnknownPending && !this.#fuseUnknown) into[count++] = this.#unknown;
        isUnknownPending = true;
      }
    }
    if (isUnknownPending) into[count++] = this.#unknown;
    return count;
  }

  /** How many were written; 0: there are not all of them. */
  #writeBytes(point: number, into: Int32Array, at: number): number {
    if (!this.#ofByte) return 0;
    const bytes = Buffer.from(String.fromCodePoint(point), 'utf8');
    for (let index = 0; index < bytes.length; index++) {
      const id = this.#ofByte[bytes[index]!]!;
      if (id === NONE) return 0;
      into[at + index] = id;
    }
    return bytes.length;
  }

  #keepCharacter(token: string, id: number): void {
    if (token.length > 2) return;
    const point = token.codePointAt(0);
    if (point === undefined) return;
    if (token.length === 1) this.#basic[point] = id;
    else if (point > 0xffff) this.#beyond.set(point, id);
  }
}

function byteToken(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
}

interface ReadMerges {
  readonly table: MergeTable;
  readonly results: readonly string[];
  readonly parts: ReadonlySet<number>;
}

function readMerges({ merges, vocabulary }: ModelShape): ReadMerges {
  const table = new MergeTable(merges.length / 2);
  const results: string[] = [];
  const parts = new Set<number>();
  for (let rank = 0; 2 * rank < merges.length; rank++) {
    const left = merges[2 * rank]!;
    const right = merges[2 * rank + 1]!;
    const result = left + right;
    const ids = [left, right, result].map(token => vocabulary.get(token));
    const [leftId, rightId, resultId] = ids;
    if (leftId === undefined || rightId === undefined || resultId === undefined) {
      throw new InvalidTokenizer(`merge ${rank + 1} has a token that is not in the vocabulary`);
    }
    table.set(leftId, rightId, rank, resultId);
    results.push(result);
    parts.add(leftId).add(rightId);
  }
  return { table, results, parts };
}

/**
 * A piece may be cut where no merge can reach across: before a `▁` behind a code unit that stands before `▁` in no result of a
 * merge. Not where tokens stand for other text than they spell, nor where characters may be left out, whose neighbours then meet.
 */
function whereToCut(
  { vocabulary, unknown, byteFallback, ignoreMerges }: ModelShape,
  results: readonly string[],
  parts: ReadonlySet<number>,
): Uint8Array | undefined {
  const misspelt = [
    ...(unknown === undefined ? [] : [unknown]),
    ...(byteFallback ? Array.from({ length: 256 }, (_, byte) => byteToken(byte)) : []),
  ];
  const leavesOut =
    unknown === undefined && !(byteFallback && misspelt.every(token => vocabulary.has(token)));
  const isMerged = (token: string) => parts.has(vocabulary.get(token) ?? NONE);
  if (ignoreMerges || leavesOut || !vocabulary.has(META) || misspelt.some(isMerged)) return undefined;
  const cuts = new Uint8Array(1 << 16).fill(1);
  for (const result of results) {
    for (let at = result.indexOf(META, 1); at >= 0; at = result.indexOf(META, at + 1)) {
      cuts[result.charCodeAt(at - 1)] = 0;
    }
  }
  return cuts;
}
