/** What a server has sent, fit for a terminal: one line, no control characters, at most `length` characters. */
export function printable(text: string, length: number): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  const line = text.replaceAll(/[\u0000-\u0020\u007f-\u009f\u2028\u2029]+/g, ' ').trim();
  return line.length > length ? `${line.slice(0, length)}…` : line;
}
