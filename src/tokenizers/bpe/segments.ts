/**
 * Whether a text may be tokenized in segments that end behind added tokens. Such a token is always found where it is, whatever
 * stands before it, and nothing else looks across it: argued from the file's shape, and then tried.
 */

import { SAMPLE_TEXTS } from './sample-texts.ts';
import type { TokenizerShape } from './shape.ts';
import type { TextEncoder } from './text-encoder.ts';
import { type Boundary, TextSplitter } from './text-splitter.ts';
import { behindSpaces } from './unicode/words.ts';

/** Texts are put together of so many samples and added tokens. */
const PARTS = 12;
const TRIES = 150;

export function areIndependent(
  shape: TokenizerShape,
  encoder: TextEncoder,
  boundaries: readonly Boundary[],
): boolean {
  return mayBeCut(shape) && isProven(encoder, boundaries);
}

function mayBeCut({ addedTokens, preTokenizers }: TokenizerShape): boolean {
  const looksBack = addedTokens.some(({ singleWord }) => singleWord);
  const takesBlanks = addedTokens.some(({ rstrip }) => rstrip);
  const isBlank = addedTokens.some(({ content }) => behindSpaces(content, 0) > 0);
  const knowsBeginning = preTokenizers.some(step => step.kind === 'metaspace' && step.prepend === 'first');
  return !looksBack && !(takesBlanks && isBlank) && !knowsBeginning;
}

/** V8 compiles a regular expression once more for texts of Latin-1 alone. */
const LATIN1_TEXTS = SAMPLE_TEXTS.filter(text => Buffer.from(text, 'latin1').toString('latin1') === text);

/** Also warms the encoder up. */
function isProven(encoder: TextEncoder, boundaries: readonly Boundary[]): boolean {
  const random = randomNumbers(1);
  const splitter = new TextSplitter(boundaries);
  const any = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  for (let count = 0; count < TRIES; count++) {
    let text = '';
    for (let part = 0; part < PARTS; part++) {
      const sample = any(count % 2 === 0 ? SAMPLE_TEXTS : LATIN1_TEXTS);
      text += sample.slice(0, 1 + Math.floor(random() * sample.length)).toWellFormed();
      if (boundaries.length > 0) text += any(boundaries).content;
    }
    if (!isSame(encoder, splitter, text)) return false;
  }
  return true;
}

function isSame(encoder: TextEncoder, splitter: TextSplitter, text: string): boolean {
  const whole = encoder.encode(text);
  let at = 0;
  for (let from = 0; from < text.length; ) {
    const end = splitter.endOfBoundary(text, from);
    const ids = encoder.encode(text.slice(from, end < 0 ? text.length : end));
    if (!ids.every((id, index) => whole[at + index] === id)) return false;
    at += ids.length;
    from = end < 0 ? text.length : end;
  }
  return at === whole.length;
}

/** Mulberry32: the same numbers each time. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
