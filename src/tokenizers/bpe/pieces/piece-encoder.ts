/** Token ids of pieces: their symbols (bytes or characters), merged. */
import type { IdBuffer } from './id-buffer.ts';
import { Merger } from './merging.ts';
import { PieceCache } from './piece-cache.ts';
import type { PieceModel, Symbols } from './piece-model.ts';
import { META } from './sentencepiece.ts';

const META_CODE = META.charCodeAt(0);
const MAX_KEPT_ROOM = 1 << 18;

export class PieceEncoder {
  readonly #ids: IdBuffer;
  readonly #cache: PieceCache;
  readonly #merger: Merger;
  readonly #symbols: Symbols;
  readonly #cutsBehind: Uint8Array | undefined;
  #scratch = new Int32Array(1024);

  constructor({ merges, symbols, cutsBehind }: PieceModel, cachedPieces: number, ids: IdBuffer) {
    this.#ids = ids;
    this.#cache = new PieceCache(cachedPieces);
    this.#merger = new Merger(merges);
    this.#symbols = symbols;
    this.#cutsBehind = cutsBehind;
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
    const count = this.#merger.merge(symbols, this.#symbols.write(text, from, to, symbols));
    this.#ids.addFrom(symbols, 0, count);
    this.#cache.add(text, from, to, symbols, count);
  }

  #room(length: number): Int32Array {
    // A long text's room is not kept: the next one needs less.
    if (length > MAX_KEPT_ROOM) return new Int32Array(length);
    if (this.#scratch.length < length) this.#scratch = new Int32Array(2 * length);
    return this.#scratch;
  }
}
