/** Sets of code points, as regular expressions have them in their classes. */
import { type CodePoints, codePointsOfCategory } from './general-categories.ts';

export type { CodePoints };

const LAST = 0x10ffff;

/** Unicode's White_Space, which is also what Rust's `char::is_whitespace` takes. Has no U+FEFF, unlike JavaScript's `\s`. */
export const WHITE_SPACE: CodePoints = [
  ...[0x9, 0xd, 0x20, 0x20, 0x85, 0x85, 0xa0, 0xa0, 0x1680, 0x1680, 0x2000, 0x200a],
  ...[0x2028, 0x2029, 0x202f, 0x202f, 0x205f, 0x205f, 0x3000, 0x3000],
];

/** The script Han in Unicode 16.0. */
const HAN: CodePoints = [
  ...[0x2e80, 0x2e99, 0x2e9b, 0x2ef3, 0x2f00, 0x2fd5, 0x3005, 0x3005, 0x3007, 0x3007, 0x3021, 0x3029],
  ...[0x3038, 0x303b, 0x3400, 0x4dbf, 0x4e00, 0x9fff, 0xf900, 0xfa6d, 0xfa70, 0xfad9, 0x16fe2, 0x16fe3],
  ...[0x16ff0, 0x16ff1, 0x20000, 0x2a6df, 0x2a700, 0x2b739, 0x2b740, 0x2b81d, 0x2b820, 0x2cea1],
  ...[0x2ceb0, 0x2ebe0, 0x2ebf0, 0x2ee5d, 0x2f800, 0x2fa1d, 0x30000, 0x3134a, 0x31350, 0x323af],
];

/** What Oniguruma's `\w` takes beside letters, marks, decimal digits, letter numbers and connecting punctuation. */
const MORE_WORD: CodePoints = [
  ...[0xb2, 0xb3, 0xb9, 0xb9, 0xbc, 0xbe, 0x24b6, 0x24e9],
  ...[0x1f130, 0x1f149, 0x1f150, 0x1f169, 0x1f170, 0x1f189],
];

export function union(...sets: readonly CodePoints[]): CodePoints {
  const ranges = sets.flatMap(set => pairs(set)).sort(([a], [b]) => a - b);
  const merged: number[] = [];
  for (const [from, to] of ranges) {
    const last = merged.length - 1;
    if (last > 0 && from <= merged[last]! + 1) merged[last] = Math.max(merged[last]!, to);
    else merged.push(from, to);
  }
  return merged;
}

export function complement(set: CodePoints): CodePoints {
  const rest: number[] = [];
  let next = 0;
  for (const [from, to] of pairs(set)) {
    if (from > next) rest.push(next, from - 1);
    next = to + 1;
  }
  if (next <= LAST) rest.push(next, LAST);
  return rest;
}

export function intersection(a: CodePoints, b: CodePoints): CodePoints {
  return complement(union(complement(a), complement(b)));
}

export function includes(set: CodePoints, codePoint: number): boolean {
  return pairs(set).some(([from, to]) => from <= codePoint && codePoint <= to);
}

/** What `\p{name}` takes in Oniguruma; undefined: not known here. */
export function codePointsOfProperty(name: string): CodePoints | undefined {
  if (name === 'Han') return HAN;
  if (name === 'White_Space') return WHITE_SPACE;
  // Of surrogates a well-formed text has none; the other groups are categories'.
  return /^[A-Z][a-z]?$/.test(name) ? codePointsOfCategory(name) : undefined;
}

export function wordCodePoints(): CodePoints {
  return union(...['L', 'M', 'Nd', 'Nl', 'Pc'].map(name => codePointsOfCategory(name)!), MORE_WORD);
}

/** As source of a JavaScript class for the flag `u`: `[\u{61}-\u{7a}]`. */
export function classSource(set: CodePoints): string {
  const ranges = pairs(set).map(([from, to]) =>
    from === to ? escaped(from) : `${escaped(from)}-${escaped(to)}`,
  );
  return `[${ranges.join('')}]`;
}

function escaped(codePoint: number): string {
  return `\\u{${codePoint.toString(16)}}`;
}

function pairs(set: CodePoints): [number, number][] {
  return Array.from({ length: set.length / 2 }, (_, index) => [set[2 * index]!, set[2 * index + 1]!]);
}
