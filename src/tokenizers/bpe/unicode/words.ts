/** Words and blanks as Rust's `regex` has them, around added tokens. */
import { classSource, union, WHITE_SPACE, wordCodePoints } from './code-points.ts';
import { codePointsOfCategory } from './general-categories.ts';

const SPACE = new RegExp(classSource(WHITE_SPACE), 'u');

/** `\w`: unlike Oniguruma's without numbers that are no digits, and with the joiners. */
let word: RegExp | undefined;

export function endsWithWord(text: string, end: number): boolean {
  if (end === 0) return false;
  const isLow = end > 1 && (text.charCodeAt(end - 1) & 0xfc00) === 0xdc00;
  return wordPattern().test(text.slice(end - (isLow ? 2 : 1), end));
}

export function beginsWithWord(text: string, start: number): boolean {
  if (start === text.length) return false;
  return wordPattern().test(String.fromCodePoint(text.codePointAt(start)!));
}

/** Where the blanks begin that end at `end`. */
export function leftmostSpace(text: string, end: number): number {
  let at = end;
  while (at > 0 && SPACE.test(text[at - 1]!)) at--;
  return at;
}

/** The end of the blanks that begin at `start`. */
export function behindSpaces(text: string, start: number): number {
  let at = start;
  while (at < text.length && SPACE.test(text[at]!)) at++;
  return at;
}

function wordPattern(): RegExp {
  word ??= new RegExp(
    `(?!${classSource(codePointsOfCategory('No')!)})${classSource(union(wordCodePoints(), [0x200c, 0x200d]))}`,
    'u',
  );
  return word;
}
