import { unsupported } from '../template-error.ts';
import { parseTokens, type Token, tagTokens } from './jinja.ts';
import type { Statement } from './nodes.ts';
import { piecesOf } from './pieces.ts';
import { GENERATION, type Marks, Reader, WORDS } from './read.ts';

const GENERATION_TAG = /^\s*(end)?generation\s*$/;

/** The syntax tree of a template; a TemplateError of the kind `unsupported` if the library, or we, cannot read it exactly. */
export function parseTemplate(source: string): readonly Statement[] {
  const tokens: Token[] = [];
  const marks: Marks = { groups: new Map(), filteredLoops: [] };
  for (const piece of piecesOf(source)) {
    if (piece.type === 'text') tokens.push({ type: 'Text', value: piece.text });
    else {
      const ofTag =
        piece.type === 'expression' ? tagTokens(`{{ ${piece.inner} }}`) : statementTokens(piece.inner);
      refuseMissingCommas(ofTag);
      mark(ofTag, marks);
      for (const token of ofTag) tokens.push(token);
    }
  }
  try {
    return new Reader(marks).statements(parseTokens(tokens));
  } catch (error) {
    if (error instanceof RangeError) throw unsupported('such deep nesting');
    throw error;
  }
}

/** The tag that transformers adds is a call block that calls nothing. */
function statementTokens(inner: string): Token[] {
  const generation = GENERATION_TAG.exec(inner);
  if (generation === null) return tagTokens(`{% ${inner} %}`);
  if (generation[1] !== undefined) return tagTokens('{% endcall %}');
  const tokens = tagTokens('{% call generation() %}');
  tokens[2]!.value = GENERATION;
  return tokens;
}

/**
 * The tree has no parentheses, but `(a == b) == c` is not `a == b == c`. So the tokens of operators, which the tree keeps, are marked
 * with the bracket in which they stand.
 */
function mark(tokens: readonly Token[], marks: Marks): void {
  let next = marks.groups.size + 1;
  const open = [next];
  let hasCondition = false;
  for (const token of tokens) {
    if (/^Open(?:Paren|SquareBracket|CurlyBracket)$/.test(token.type)) open.push(++next);
    else if (/^Close(?:Paren|SquareBracket|CurlyBracket)$/.test(token.type)) open.pop();
    else if (open.length === 1 && token.type === 'Identifier' && token.value === 'if') hasCondition = true;
    else if (token.type === 'NumericLiteral' && /^[-+]?0\d/.test(token.value))
      throw unsupported('a number with leading zeros');
    marks.groups.set(token, open.at(-1)!);
  }
  if (tokens[1]?.type === 'Identifier' && tokens[1].value === 'for') marks.filteredLoops.push(hasCondition);
}

const ENDS_VALUE = new Set([
  'NumericLiteral',
  'StringLiteral',
  'CloseParen',
  'CloseSquareBracket',
  'CloseCurlyBracket',
]);
const BEGINS_VALUE = new Set(['NumericLiteral', 'StringLiteral', 'OpenCurlyBracket']);

/** The library reads `[1 2]` as a list of two, and so `[1e5]`, too. */
function refuseMissingCommas(tokens: readonly Token[]): void {
  const statement = tokens[0]!.type === 'OpenStatement' ? tokens[1]!.value : undefined;
  const isName = ({ type, value }: Token) => type === 'Identifier' && !WORDS.has(value);
  for (let at = statement === undefined ? 1 : 2; at + 1 < tokens.length; at++) {
    const [token, next] = [tokens[at]!, tokens[at + 1]!];
    if (!ENDS_VALUE.has(token.type) && !isName(token)) continue;
    if (!BEGINS_VALUE.has(next.type) && !isName(next)) continue;
    if (token.type === 'StringLiteral' && next.type === 'StringLiteral') continue;
    if (statement === 'call' && token.type === 'CloseParen') continue;
    throw unsupported('two values side by side');
  }
}
