/** BPE of characters, as SentencePiece's vocabularies have it. */
import { UnsupportedTokenizer } from '../refusals.ts';
import type { ModelShape } from '../shape.ts';
import { readMerges } from './merges.ts';
import type { PieceModel, Symbols } from './piece-model.ts';
import { byteToken } from './sentencepiece.ts';
import { whereToCut } from './where-to-cut.ts';

const NONE = -1;

/** Throws UnsupportedTokenizer or InvalidTokenizer. */
export function characterModel(model: ModelShape): PieceModel {
  const merges = readMerges(model);
  return {
    merges: merges.table,
    symbols: new CharacterSymbols(model),
    cutsBehind: whereToCut(model, merges),
  };
}

class CharacterSymbols implements Symbols {
  readonly #basic = new Int32Array(1 << 16).fill(NONE);
  readonly #beyond = new Map<number, number>();
  /** `<0x00>` …; undefined: no fallback. */
  readonly #ofByte: Int32Array | undefined;
  readonly #unknown: number;
  readonly #fuseUnknown: boolean;
  /** Whole pieces that are tokens; undefined: only what merging gives counts. */
  readonly #whole: ReadonlyMap<string, number> | undefined;

  constructor({ vocabulary, unknown, fuseUnknown, byteFallback, ignoreMerges }: ModelShape) {
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
    this.#whole = ignoreMerges ? vocabulary : undefined;
  }

  write(text: string, from: number, to: number, into: Int32Array): number {
    const whole = this.#whole?.get(text.slice(from, to));
    if (whole !== undefined) {
      into[0] = whole;
      return 1;
    }
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
