/** What a stranger has sent, fit for a terminal or a comment: one line, no control characters, none that turn the direction, at most `length` characters. */
export function printable(text: string, length = Number.POSITIVE_INFINITY): string {
  const line = text.replaceAll(/[\p{Cc}\p{Bidi_Control}\u2028\u2029]+/gu, ' ').trimEnd();
  return line.length > length ? `${line.slice(0, length)}…` : line;
}
