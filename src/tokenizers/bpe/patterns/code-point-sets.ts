/** Which code points a class, an escape or a literal of an Oniguruma pattern stands for. */
import {
  type CodePoints,
  codePointsOfProperty,
  complement,
  intersection,
  union,
  WHITE_SPACE,
  wordCodePoints,
} from '../unicode/code-points.ts';
import type { PatternText } from './pattern-text.ts';

const CONTROLS: Readonly<Record<string, number>> = {
  n: 0xa,
  r: 0xd,
  t: 0x9,
  f: 0xc,
  v: 0xb,
  a: 0x7,
  e: 0x1b,
};

/** A class from its `[` to its `]`, with classes in it. */
export function readClass(text: PatternText): CodePoints {
  text.enter();
  text.take('[');
  if (text.sees(':')) text.refuse();
  const isNegated = text.take('^');
  if (text.sees(']')) text.refuse();
  const operands: CodePoints[] = [];
  do {
    const parts: CodePoints[] = [];
    while (!text.sees(']') && !text.sees('&&')) parts.push(readClassPart(text));
    if (parts.length === 0) text.refuse();
    operands.push(union(...parts));
  } while (text.take('&&'));
  text.take(']');
  text.leave();
  const set = operands.reduce((left, right) => intersection(left, right));
  return isNegated ? complement(set) : set;
}

function readClassPart(text: PatternText): CodePoints {
  if (text.sees('[')) return readClass(text);
  const from = readClassItem(text);
  const isRange = text.sees('-') && !text.sees('-]');
  if (!isRange) return from;
  text.take('-');
  if (text.sees('[') || text.sees('&&')) text.refuse();
  const to = readClassItem(text);
  if (!isSingle(from) || !isSingle(to) || from[0]! > to[0]!) text.refuse();
  return [from[0]!, to[0]!];
}

function readClassItem(text: PatternText): CodePoints {
  return text.sees('\\') ? readEscape(text) : readLiteral(text, '');
}

/** What begins with a backslash. */
export function readEscape(text: PatternText): CodePoints {
  text.take('\\');
  const property = text.takeMatch(/^([pP])\{(\^?)(\w+)\}/);
  if (property) {
    const [, kind, not, name] = property;
    const set = codePointsOfProperty(name!);
    if (!set) return text.refuse();
    return (kind === 'P') !== (not === '^') ? complement(set) : set;
  }
  const code = text.takeMatch(/^(?:u([0-9A-Fa-f]{4})|x\{([0-9A-Fa-f]{1,6})\}|x([0-7][0-9A-Fa-f]))/);
  if (code) {
    const codePoint = Number.parseInt((code[1] ?? code[2] ?? code[3])!, 16);
    if (codePoint > 0x10ffff || (codePoint >= 0xd800 && codePoint <= 0xdfff)) text.refuse();
    return [codePoint, codePoint];
  }
  return shortEscape(text, text.next());
}

function shortEscape(text: PatternText, char: string): CodePoints {
  const control = CONTROLS[char];
  if (control !== undefined) return [control, control];
  switch (char) {
    case 's':
      return WHITE_SPACE;
    case 'S':
      return complement(WHITE_SPACE);
    case 'd':
      return codePointsOfProperty('Nd')!;
    case 'D':
      return complement(codePointsOfProperty('Nd')!);
    case 'w':
      return wordCodePoints();
    case 'W':
      return complement(wordCodePoints());
  }
  if (/[\dA-Za-z]/.test(char)) text.refuse();
  return single(char);
}

/** @param special characters that are refused, as they mean something else than themselves */
export function readLiteral(text: PatternText, special: string): CodePoints {
  const char = text.next();
  if (special.includes(char)) text.refuse();
  return single(char);
}

export function isSingle(set: CodePoints): boolean {
  return set.length === 2 && set[0] === set[1];
}

function single(char: string): CodePoints {
  const codePoint = char.codePointAt(0)!;
  return [codePoint, codePoint];
}
