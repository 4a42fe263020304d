import { unsupported } from '../template-error.ts';
import { isSpace, stripEnd } from '../values/whitespace.ts';

/** A stretch of a template: text as it is printed, or what stands between the delimiters of a tag. */
export type Piece =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'statement' | 'expression'; readonly inner: string };

/** The library's lexer takes time quadratic in such a run. */
const LONGEST_RUN_OF_SPACES = 250;
const OPENING: ReadonlyMap<string, string> = new Map([
  ['(', ')'],
  ['[', ']'],
  ['{', '}'],
]);

/**
 * Splits a template as jinja2's lexer does with `trim_blocks` and `lstrip_blocks` (`Lexer.tokeniter`): which whitespace around a
 * tag is dropped depends on the kind of the tag, on its signs, and on where tags end, not on how the text looks.
 */
export function piecesOf(template: string): Piece[] {
  const source = template.replace(/\r\n?/g, '\n').replace(/\n$/, '');
  const pieces: Piece[] = [];
  let at = 0;
  let startsLine = true;
  for (;;) {
    const open = nextTag(source, at);
    if (open === undefined) break;
    const kind = source[open + 1]!;
    const sign = /[-+]/.test(source[open + 2] ?? '') ? source[open + 2]! : '';
    addText(pieces, textBefore(source.slice(at, open), sign, kind, startsLine));
    const inside = open + 2 + sign.length;
    const end =
      kind === '#' ? commentEnd(source, inside) : tagEnd(source, inside, kind === '%' ? '%}' : '}}');
    if (kind !== '#') {
      pieces.push({
        type: kind === '%' ? 'statement' : 'expression',
        inner: source.slice(inside, end.at - end.sign.length),
      });
    }
    at = afterTag(source, end.at + 2, end.sign, kind);
    startsLine = source[at - 1] === '\n';
  }
  addText(pieces, source.slice(at));
  return pieces;
}

function addText(pieces: Piece[], text: string): void {
  if (text !== '') pieces.push({ type: 'text', text });
}

function nextTag(source: string, from: number): number | undefined {
  for (let at = source.indexOf('{', from); at !== -1; at = source.indexOf('{', at + 1)) {
    const next = source[at + 1];
    if (next === '%' || next === '{' || next === '#') return at;
  }
  return undefined;
}

function textBefore(text: string, sign: string, kind: string, startsLine: boolean): string {
  if (sign === '-') return stripEnd(text);
  if (sign === '+' || kind === '{') return text;
  const line = text.lastIndexOf('\n') + 1;
  const isIndentation = (line > 0 || startsLine) && [...text.slice(line)].every(isSpace);
  return isIndentation ? text.slice(0, line) : text;
}

interface TagEnd {
  /** Where the closing delimiter stands. */
  readonly at: number;
  readonly sign: string;
}

function commentEnd(source: string, from: number): TagEnd {
  const at = source.indexOf('#}', from);
  if (at === -1) throw unsupported('a comment without an end');
  return { at, sign: signBefore(source, at, from, '-+') };
}

function signBefore(source: string, at: number, from: number, signs: string): string {
  const sign = at > from ? source[at - 1]! : '';
  return sign !== '' && signs.includes(sign) ? sign : '';
}

/** The delimiter counts outside of strings and brackets alone. */
function tagEnd(source: string, from: number, delimiter: string): TagEnd {
  const brackets: string[] = [];
  let spaces = 0;
  for (let at = from; at < source.length; at++) {
    const character = source[at]!;
    spaces = isSpace(character) ? spaces + 1 : 0;
    if (spaces > LONGEST_RUN_OF_SPACES) throw unsupported('a long run of spaces in a tag');
    if (brackets.length === 0 && source.startsWith(delimiter, at)) {
      return { at, sign: signBefore(source, at, from, delimiter === '%}' ? '-+' : '-') };
    }
    if (character === "'" || character === '"') at = stringEnd(source, at);
    else if (OPENING.has(character)) brackets.push(OPENING.get(character)!);
    else if (character === ')' || character === ']' || character === '}') {
      if (brackets.pop() !== character) throw unsupported('brackets that do not match');
    }
  }
  throw unsupported('a tag without an end');
}

function stringEnd(source: string, start: number): number {
  const quote = source[start]!;
  let spaces = 0;
  for (let at = start + 1; at < source.length; at++) {
    const character = source[at]!;
    if (character === quote) return at;
    if (character === '\\') at++;
    spaces = isSpace(character) ? spaces + 1 : 0;
    if (spaces > LONGEST_RUN_OF_SPACES) throw unsupported('a long run of spaces in a string');
  }
  throw unsupported('a string without an end');
}

function afterTag(source: string, from: number, sign: string, kind: string): number {
  let at = from;
  if (sign === '-') while (at < source.length && isSpace(source[at]!)) at++;
  else if (sign === '' && kind !== '{' && source[at] === '\n') at++;
  return at;
}
