/** Texts to token ids, as Hugging Face's library does it: added tokens, normalizers, pre-tokenizers, model. */
import { type AddedToken, TextMatcher } from './added-tokens.ts';
import { type Normalize, normalizing } from './normalizing.ts';
import { IdBuffer } from './pieces/id-buffer.ts';
import { PieceEncoder } from './pieces/piece-encoder.ts';
import type { PieceModel } from './pieces/piece-model.ts';
import { type Beginning, type PieceSink, preTokenizing } from './pre-tokenizing.ts';
import type { TextSteps } from './shape.ts';
import { beginsWithWord, behindSpaces, endsWithWord, leftmostSpace } from './unicode/words.ts';

type Gap = (text: string, from: number, to: number) => void;

export class TextEncoder {
  readonly #ids = new IdBuffer();
  readonly #beginning: Beginning = { isAtStart: true };
  readonly #normalize: Normalize | undefined;
  readonly #pieces: PieceSink;
  /** Looked for in the text as it is. */
  readonly #raw: TextMatcher<AddedToken>;
  /** Looked for in what is normalized. */
  readonly #normalized: TextMatcher<AddedToken>;

  /**
   * Throws UnsupportedTokenizer or InvalidTokenizer.
   * @param cachedPieces whose ids are kept, a power of two
   */
  constructor(
    { normalizers, preTokenizers, addedTokens }: TextSteps,
    model: PieceModel,
    cachedPieces: number,
  ) {
    this.#normalize = normalizing(normalizers);
    const encoder = new PieceEncoder(model, cachedPieces, this.#ids);
    this.#pieces = preTokenizing(preTokenizers, this.#beginning, (text, from, to) =>
      encoder.encode(text, from, to),
    );
    this.#raw = new TextMatcher(addedTokens.filter(({ normalized }) => !normalized).map(t => [t.content, t]));
    const normalize = this.#normalize ?? (text => text);
    this.#normalized = new TextMatcher(
      addedTokens
        .filter(({ normalized }) => normalized)
        .map(token => [normalize(token.content), token] as const),
    );
  }

  /** @param text has no lone surrogates */
  encode(text: string): Uint32Array<ArrayBuffer> {
    // Not afterwards: a text before may have failed half-way, when a regular expression ran out of stack.
    this.#ids.clear();
    this.#find(this.#raw, text, this.#encodeGap);
    return this.#ids.copy();
  }

  readonly #encodeGap: Gap = (text, from, to) => {
    const whole = from === 0 && to === text.length ? text : text.slice(from, to);
    const normalized = this.#normalize ? this.#normalize(whole) : whole;
    this.#find(this.#normalized, normalized, (section, start, end) => {
      this.#beginning.isAtStart = from === 0 && start === 0;
      const piece = start === 0 && end === section.length ? section : section.slice(start, end);
      this.#pieces(piece, 0, piece.length);
    });
  };

  /** AddedVocabulary.find_matches. */
  #find(matcher: TextMatcher<AddedToken>, text: string, gap: Gap): void {
    if (text === '') return;
    if (matcher.isEmpty) {
      gap(text, 0, text.length);
      return;
    }
    let done = 0;
    for (let token = matcher.find(text, 0); token; token = matcher.find(text, matcher.end)) {
      let { start, end } = matcher;
      if (token.singleWord && (endsWithWord(text, start) || beginsWithWord(text, end))) continue;
      if (token.lstrip) start = Math.max(leftmostSpace(text, start), done);
      if (token.rstrip) end = behindSpaces(text, end);
      if (done < start) gap(text, done, start);
      // Where blanks that were taken already begin with a token, nothing is left of it.
      if (start < end) this.#ids.add(token.id);
      done = end;
    }
    if (done !== text.length) gap(text, done, text.length);
  }
}
