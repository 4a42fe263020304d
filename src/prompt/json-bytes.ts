/** JSON text as bytes, for a look at it without parsing it. */
export const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a] as const;
export const [OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET] = [0x7b, 0x7d, 0x5b, 0x5d] as const;

/** Looked at one by one before the first search, and behind an escaped quote. */
const SHORT_BYTES = 32;
const STEP_BYTES = 1024;

/**
 * Where the closing quote is of the string that begins at `start`; the length of `bytes` if there is none. Long texts are skipped by
 * searching; among escaped quotes, and for names, that would take a search for each.
 */
export function endOfString(bytes: Uint8Array, start: number): number {
  let at = start + 1;
  for (let step = SHORT_BYTES; ; step = STEP_BYTES) {
    const end = Math.min(at + step, bytes.length);
    while (at < end && bytes[at] !== QUOTE) at += bytes[at] === BACKSLASH ? 2 : 1;
    if (at < end) return at;
    const quote = bytes.indexOf(QUOTE, at);
    if (quote < 0) return bytes.length;
    let before = quote;
    while (before > at && bytes[before - 1] === BACKSLASH) before--;
    if ((quote - before) % 2 === 0) return quote;
    at = quote + 1;
  }
}
