/** What a stranger has sent, fit for a terminal or a comment: one line, no control characters, none that turn the direction, at most `length` characters. */
export function printable(text: string, length = Number.POSITIVE_INFINITY): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  const line = text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]+/g, ' ').trimEnd();
  return line.length > length ? `${line.slice(0, length)}…` : line;
}
