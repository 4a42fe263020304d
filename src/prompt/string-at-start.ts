/**
 * One string in a JSON object of which only the beginning is there, e.g. `['response', 'id']` for `{"response": {"id": "…"}}`.
 * undefined: it has not come yet, or is none. Takes time in proportion to the bytes, whatever they are.
 */
export function stringAtStart(beginning: Uint8Array, path: readonly string[]): string | undefined {
  const text = Buffer.from(beginning.buffer, beginning.byteOffset, beginning.byteLength);
  const names = path.map(name => JSON.stringify(name));
  let at: number | undefined = skipSpace(text, 0);
  for (const name of names) {
    at = memberOf(text, at, name);
    if (at === undefined) return undefined;
  }
  return stringAt(text, at);
}

const [QUOTE, BACKSLASH, COLON, COMMA] = [0x22, 0x5c, 0x3a, 0x2c];
const [OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET] = [0x7b, 0x7d, 0x5b, 0x5d];

/** Where the value of a member begins, of the object that begins at `start`. */
function memberOf(text: Buffer, start: number, quotedName: string): number | undefined {
  if (text[start] !== OPEN_BRACE) return undefined;
  let at = start + 1;
  let depth = 1;
  let isKey = true;
  while (at < text.length) {
    const byte = text[at]!;
    if (byte === QUOTE) {
      const end = endOfString(text, at);
      if (end === undefined) return undefined;
      if (
        depth === 1 &&
        isKey &&
        end - at === quotedName.length &&
        text.toString('utf8', at, end) === quotedName
      ) {
        const colon = skipSpace(text, end);
        return text[colon] === COLON ? skipSpace(text, colon + 1) : undefined;
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

function stringAt(text: Buffer, start: number): string | undefined {
  if (text[start] !== QUOTE) return undefined;
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
