/**
 * The model that a JSON body names, when only its beginning is there. undefined: it has not come yet, or is none. What follows
 * might name another one, which no client does on purpose.
 */
export function modelAtStart(beginning: Uint8Array): string | undefined {
  const text = Buffer.from(beginning.buffer, beginning.byteOffset, beginning.byteLength);
  let at = skipSpace(text, 0);
  if (text[at++] !== OPEN_BRACE) return undefined;
  let depth = 1;
  let isKey = true;
  while (at < text.length) {
    const byte = text[at]!;
    if (byte === QUOTE) {
      const end = endOfString(text, at);
      if (end === undefined) return undefined;
      if (depth === 1 && isKey && text.toString('utf8', at, end) === '"model"') {
        return stringValue(text, skipSpace(text, end));
      }
      at = end;
      continue;
    }
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++;
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) depth--;
    else if (byte === COLON) isKey = false;
    else if (byte === COMMA) isKey = true;
    if (depth === 0) return undefined;
    at++;
  }
  return undefined;
}

const [QUOTE, BACKSLASH, COLON, COMMA] = [0x22, 0x5c, 0x3a, 0x2c];
const [OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET] = [0x7b, 0x7d, 0x5b, 0x5d];

/** The string after a colon. */
function stringValue(text: Buffer, colon: number): string | undefined {
  const start = skipSpace(text, colon + 1);
  if (text[colon] !== COLON || text[start] !== QUOTE) return undefined;
  const end = endOfString(text, start);
  if (end === undefined) return undefined;
  try {
    return JSON.parse(text.toString('utf8', start, end)) as string;
  } catch {
    return undefined;
  }
}

/** Where the string that begins at `start` has ended, behind its closing quote. */
function endOfString(text: Buffer, start: number): number | undefined {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === BACKSLASH) at++;
    else if (text[at] === QUOTE) return at + 1;
  }
  return undefined;
}

function skipSpace(text: Buffer, from: number): number {
  let at = from;
  while (text[at] === 0x20 || text[at] === 0x0a || text[at] === 0x0d || text[at] === 0x09) at++;
  return at;
}
