/** What Python's `str.isspace` and `\s` take for whitespace; unlike JavaScript without U+FEFF, and with four separators and U+0085. */
export const WHITESPACE =
  ' \\t\\n\\r\\f\\v\\x1c-\\x1f\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';

const SPACE = new RegExp(`[${WHITESPACE}]`);

export function isSpace(character: string): boolean {
  return SPACE.test(character);
}

export function stripStart(text: string, isStripped: (unit: string) => boolean = isSpace): string {
  let at = 0;
  while (at < text.length && isStripped(text[at]!)) at++;
  return at === 0 ? text : text.slice(at);
}

export function stripEnd(text: string, isStripped: (unit: string) => boolean = isSpace): string {
  let end = text.length;
  while (end > 0 && isStripped(text[end - 1]!)) end--;
  return end === text.length ? text : text.slice(0, end);
}
