/**
 * Short texts on the main thread: to wake the tokenizer's thread takes longer than they do. The classes and tables are those of the
 * thread, so the ids are the same.
 */
import { setImmediate as turnOfLoop } from 'node:timers/promises';
import { SAMPLE_TEXTS } from '../bpe/sample-texts.ts';
import { encoderOf, type SharedEncoder } from '../bpe/shared-encoder.ts';
import type { TextEncoder } from '../bpe/text-encoder.ts';

/** Of all texts of a call, in code units: the worst known text of that length takes 3 ms, a usual one 0.5. */
export const SHORT_CHARACTERS = 4_000;
/** To normalize so many marks in a row takes time quadratic in their number. */
const MANY_MARKS = /\p{M}{128}/u;
/** So often a function runs before it is compiled. */
const WARM_UP_ROUNDS = 20;

export class ShortTexts {
  readonly #encoder: TextEncoder;

  private constructor(encoder: TextEncoder) {
    this.#encoder = encoder;
  }

  /** Warmed up in small steps: the first texts compile the regular expressions. */
  static async warmedUp(shared: SharedEncoder, signal: AbortSignal): Promise<ShortTexts> {
    const encoder = encoderOf(shared);
    for (let round = 0; round < WARM_UP_ROUNDS; round++) {
      for (const text of SAMPLE_TEXTS) {
        await turnOfLoop();
        signal.throwIfAborted();
        encoder.encode(text);
      }
    }
    return new ShortTexts(encoder);
  }

  /** Whether they take little time here. */
  takes(texts: readonly string[]): boolean {
    let characters = 0;
    for (const text of texts) characters += text.length;
    return characters <= SHORT_CHARACTERS && !texts.some(text => MANY_MARKS.test(text));
  }

  encode(texts: readonly string[]): readonly Uint32Array[] {
    return texts.map(text => this.#encoder.encode(text));
  }
}
