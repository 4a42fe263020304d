/** Pre-tokenizers: each takes a piece of text and hands on smaller ones, the last one to the model. */
import { GPT_2 } from './patterns/harmless-patterns.ts';
import { translatePattern } from './patterns/oniguruma.ts';
import { InvalidTokenizer } from './refusals.ts';
import type { PreTokenizerShape, SplitBehavior, TextPattern } from './shape.ts';
import { classSource, union } from './unicode/code-points.ts';
import { codePointsOfCategory } from './unicode/general-categories.ts';

/** Takes a piece that is not empty: the code units of `text` from `from` up to `to`. */
export type PieceSink = (text: string, from: number, to: number) => void;

/** Whether the piece that comes in next begins where the whole text begins. */
export interface Beginning {
  isAtStart: boolean;
}

/** What Rust's `char::is_numeric` takes in Unicode 17.0, which is two blocks more than Unicode 16.0 has. */
const NUMERIC = union(codePointsOfCategory('N')!, [0x11de0, 0x11de9, 0x16ff4, 0x16ff6]);

export function preTokenizing(
  shapes: readonly PreTokenizerShape[],
  beginning: Beginning,
  model: PieceSink,
): PieceSink {
  return shapes.reduceRight((next, shape) => preTokenizer(shape, beginning, next), model);
}

function preTokenizer(shape: PreTokenizerShape, beginning: Beginning, next: PieceSink): PieceSink {
  switch (shape.kind) {
    case 'split':
      return splitter(patternSource(shape.pattern), shape.behavior, shape.invert, next);
    case 'digits':
      return splitter(classSource(NUMERIC), shape.individual ? 'Isolated' : 'Contiguous', false, next);
    case 'metaspace':
      return metaspace(shape, beginning, next);
    case 'byte_level':
      return byteLevel(shape, next);
  }
}

function patternSource(pattern: TextPattern): string {
  if (pattern.kind === 'regex') return translatePattern(pattern.regex);
  if (pattern.text === '') throw new InvalidTokenizer('a pre-tokenizer splits at nothing');
  return literalSource(pattern.text);
}

function literalSource(text: string): string {
  return Array.from(text, char => classSource([char.codePointAt(0)!, char.codePointAt(0)!])).join('');
}

function byteLevel(shape: Extract<PreTokenizerShape, { kind: 'byte_level' }>, next: PieceSink): PieceSink {
  const split = shape.useRegex ? splitter(translatePattern(GPT_2), 'Isolated', false, next) : next;
  if (!shape.addPrefixSpace) return split;
  return (text, from, to) => {
    if (text[from] === ' ') return split(text, from, to);
    const prefixed = ` ${text.slice(from, to)}`;
    split(prefixed, 0, prefixed.length);
  };
}

function metaspace(
  { replacement, prepend, split }: Extract<PreTokenizerShape, { kind: 'metaspace' }>,
  beginning: Beginning,
  next: PieceSink,
): PieceSink {
  const pieces = split ? splitter(literalSource(replacement), 'MergedWithNext', false, next) : next;
  return (text, from, to) => {
    let piece = text.slice(from, to).replaceAll(' ', replacement);
    const isPrefixed = prepend === 'always' || (prepend === 'first' && beginning.isAtStart && from === 0);
    if (isPrefixed && !piece.startsWith(replacement)) piece = replacement + piece;
    pieces(piece, 0, piece.length);
  };
}

/** @param source of a regular expression that never matches nothing */
function splitter(source: string, behavior: SplitBehavior, invert: boolean, next: PieceSink): PieceSink {
  const here = new RegExp(source, 'uy');
  const anywhere = new RegExp(source, 'ug');
  // With a sticky expression `test` is enough, which makes no array for each match.
  const matches = (text: string, from: number, to: number, span: Span): void => {
    const within = from === 0 && to === text.length ? text : text.slice(from, to);
    let at = 0;
    while (at < within.length) {
      here.lastIndex = at;
      const isMatch = here.test(within);
      let end = here.lastIndex;
      if (!isMatch) {
        anywhere.lastIndex = at;
        end = anywhere.exec(within)?.index ?? within.length;
      }
      span(text, from + at, from + end, isMatch);
      at = end;
    }
  };
  if (behavior === 'Isolated') return (text, from, to) => matches(text, from, to, next);
  if (behavior === 'Removed') {
    return (text, from, to) =>
      matches(text, from, to, (whole, start, end, isMatch) => {
        if (isMatch === invert) next(whole, start, end);
      });
  }
  const merges = MERGES[behavior];
  return (text, from, to) => {
    const spans: MatchedSpan[] = [];
    matches(text, from, to, (_, start, end, isMatch) =>
      spans.push({ start, end, isMatch: isMatch !== invert }),
    );
    for (const { start, end } of merges(spans)) next(text, start, end);
  };
}

type Span = (text: string, from: number, to: number, isMatch: boolean) => void;

interface MatchedSpan {
  readonly start: number;
  readonly end: number;
  readonly isMatch: boolean;
}

type Merges = (spans: readonly MatchedSpan[]) => readonly MatchedSpan[];

const MERGES: Readonly<Record<Exclude<SplitBehavior, 'Isolated' | 'Removed'>, Merges>> = {
  Contiguous: spans => merged(spans, (isMatch, wasMatch) => isMatch === wasMatch),
  MergedWithPrevious: spans => merged(spans, (isMatch, wasMatch) => isMatch && !wasMatch),
  MergedWithNext: spans =>
    merged([...spans].reverse(), (isMatch, wasMatch) => isMatch && !wasMatch).reverse(),
};

/** Joins a span with the one before it where `joins` says so; before the first one there is no match. */
function merged(
  spans: readonly MatchedSpan[],
  joins: (isMatch: boolean, wasMatch: boolean) => boolean,
): MatchedSpan[] {
  const result: MatchedSpan[] = [];
  let wasMatch = false;
  for (const { start, end, isMatch } of spans) {
    const last = result.at(-1);
    if (last && joins(isMatch, wasMatch)) {
      result[result.length - 1] = {
        start: Math.min(last.start, start),
        end: Math.max(last.end, end),
        isMatch,
      };
    } else {
      result.push({ start, end, isMatch });
    }
    wasMatch = isMatch;
  }
  return result;
}
