/** What the simulated model says: words without meaning, the same for the same prompt and seed. */
import { END_OF_SEQUENCE, WORD_TOKENS } from './tokenizer.ts';

/** Length of an answer that may end by itself (no `ignore_eos`), in tokens, the end token not counted. */
const ANSWER_TOKENS = { least: 24, most: 64 };

export interface Noise {
  next(): number;
}

/** `ignoreEos` as in vLLM's sampling parameters: the answer never ends by itself. */
export function noiseFor(
  promptTokens: readonly number[],
  options: { readonly seed: number; readonly ignoreEos: boolean },
): Noise {
  const random = randomIntegers(promptTokens, options.seed);
  const span = ANSWER_TOKENS.most - ANSWER_TOKENS.least + 1;
  let left = ANSWER_TOKENS.least + (random() % span);
  return {
    next() {
      if (left-- === 0 && !options.ignoreEos) return END_OF_SEQUENCE;
      return WORD_TOKENS[random() % WORD_TOKENS.length]!;
    },
  };
}

/** Says `tokens`, and ends. */
export function scripted(tokens: readonly number[]): Noise {
  let at = 0;
  return { next: () => tokens[at++] ?? END_OF_SEQUENCE };
}

/** Unsigned 32-bit integers: xorshift, started from a multiplicative hash of the prompt. */
function randomIntegers(promptTokens: readonly number[], seed: number): () => number {
  let state = (seed ^ 0x9e3779b9) >>> 0;
  for (const token of promptTokens) state = Math.imul(state ^ token, 0x01000193) >>> 0;
  if (state === 0) state = 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
}
