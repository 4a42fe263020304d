import { parse, tokenize } from '@huggingface/jinja';
import { TemplateError, unsupported } from '../template-error.ts';

/** A token of the library. Those of operators are in its syntax tree again, by identity. */
export interface Token {
  value: string;
  type: ReturnType<typeof tokenize>[number]['type'];
}

/** A node of the library's syntax tree, whose classes it does not export. */
export interface ParsedNode {
  readonly type: string;
  readonly [member: string]: unknown;
}

/** The tokens of one tag, delimiters included. Unsupported is what the library cannot read. */
export function tagTokens(tag: string): Token[] {
  return orUnsupported(() => tokenize(tag));
}

export function parseTokens(tokens: Token[]): readonly ParsedNode[] {
  return orUnsupported(() => parse(tokens)).body as unknown as readonly ParsedNode[];
}

/** The library throws errors of all kinds, of the end of tokens and of the stack among others. */
function orUnsupported<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof TemplateError ? error : unsupported('syntax that the parser does not know');
  }
}
