/**
 * What the main thread needs to tokenize short texts with the tables that a tokenizer's thread has built. Nobody can end the main thread
 * when it takes too long, so only shapes are shared that are known to take time linear, or nearly, in a text's length.
 */
import type { AddedToken } from './added-tokens.ts';
import { isHarmlessPattern } from './patterns/harmless-patterns.ts';
import { type ByteTables, byteModel } from './pieces/byte-model.ts';
import type { NormalizerShape, PreTokenizerShape, TextSteps, TokenizerShape } from './shape.ts';
import { TextEncoder } from './text-encoder.ts';
import { behindSpaces, leftmostSpace } from './unicode/words.ts';

export interface SharedEncoder {
  readonly steps: TextSteps;
  readonly tables: ByteTables;
}

/** The text of 1,000 added tokens of 30 characters is 0.5 ms to take in. */
const MAX_ADDED_TOKENS = 2_000;
const MAX_ADDED_CHARACTERS = 64;
/** Of slots for one lookup; ids may be chosen so that all pairs have one hash. Real vocabularies need 41 at most. */
const MAX_PROBES = 100;
/** 1.5 MB. */
const CACHED_PIECES = 1 << 14;

/** undefined: texts of any length are for a thread that can be ended. */
export function sharedWhereHarmless(shape: TokenizerShape, tables: ByteTables): SharedEncoder | undefined {
  const { normalizers, preTokenizers, addedTokens } = shape;
  const isHarmless =
    tables.maxProbes <= MAX_PROBES &&
    normalizers.every(isHarmlessNormalizer) &&
    preTokenizers.every(isHarmlessStep) &&
    areHarmless(addedTokens);
  return isHarmless ? { steps: { normalizers, preTokenizers, addedTokens }, tables } : undefined;
}

export function encoderOf({ steps, tables }: SharedEncoder): TextEncoder {
  return new TextEncoder(steps, byteModel(tables), CACHED_PIECES);
}

function isHarmlessNormalizer(normalizer: NormalizerShape): boolean {
  return normalizer.kind === 'form' && normalizer.form === 'NFC';
}

function isHarmlessStep(step: PreTokenizerShape): boolean {
  switch (step.kind) {
    case 'byte_level':
    case 'digits':
      return true;
    case 'split':
      return (
        step.behavior === 'Isolated' && step.pattern.kind === 'regex' && isHarmlessPattern(step.pattern.regex)
      );
    case 'metaspace':
      return false;
  }
}

function areHarmless(tokens: readonly AddedToken[]): boolean {
  // A token that takes the blanks before it would go through those of all tokens before it.
  const takesBlanks = tokens.some(({ lstrip, rstrip }) => lstrip || rstrip);
  return (
    tokens.length <= MAX_ADDED_TOKENS &&
    tokens.every(({ content }) => content.length <= MAX_ADDED_CHARACTERS) &&
    !(takesBlanks && tokens.some(({ content }) => isBlankAtAnEnd(content)))
  );
}

function isBlankAtAnEnd(content: string): boolean {
  return behindSpaces(content, 0) > 0 || leftmostSpace(content, content.length) < content.length;
}
