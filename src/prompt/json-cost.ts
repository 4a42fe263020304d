/**
 * Whether a JSON text costs so much to parse that everybody else would wait. `JSON.parse` takes some 0.2 µs for an object or list
 * and up to 0.8 µs for a member with a name of its own, so that 10 MB of `{}`, of `[` or of short members stop the event loop for
 * 0.6 to 1 s. Long texts and numbers cost next to nothing. A look at the bytes (2 ns each at most, and it ends where the bound is reached)
 * tells the two apart; a worker would have to be given each large body, and would give back what was parsed by copying it, which
 * takes the event loop as long as parsing it.
 */

/** Lists, objects and strings. Parsing so many takes some 50 ms at worst; a conversation of 5,000 messages has fewer. */
const MAX_ITEMS = 64 * 1024;
/** The longest prompts, as token ids, have a million. */
const MAX_NUMBERS = 1_200_000;
/** Whatever is in it, it takes no longer than that many items. */
const ALWAYS_CHEAP_BYTES = 256 * 1024;

/** Looked at one by one behind an escaped quote, before the next search. */
const STEP_BYTES = 1024;

const [QUOTE, BACKSLASH, COMMA, DASH] = [0x22, 0x5c, 0x2c, 0x2d];
const [OPEN_BRACE, OPEN_BRACKET] = [0x7b, 0x5b];

/**
 * @param numbers whether long lists of numbers may be part of the prompt. In all others numbers count as items, since they are
 *   read as the client wrote them, which takes a call for each.
 */
export function isCostlyJson(bytes: Uint8Array, numbers: 'expected' | 'unexpected'): boolean {
  // A form begins with dashes, and JSON.parse sees at once that it is none.
  if (bytes.length <= ALWAYS_CHEAP_BYTES || bytes[0] === DASH) return false;
  const maxCommas = numbers === 'expected' ? MAX_NUMBERS : MAX_ITEMS;
  let [items, commas] = [0, 0];
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      items++;
      at = endOfString(bytes, at);
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) items++;
    else if (byte === COMMA) commas++;
    if (items > MAX_ITEMS || commas > maxCommas) return true;
  }
  return false;
}

/** Where its closing quote is. Long texts are skipped by searching; among escaped quotes that would take a search for each. */
function endOfString(bytes: Uint8Array, start: number): number {
  let at = start + 1;
  for (;;) {
    const quote = bytes.indexOf(QUOTE, at);
    if (quote < 0) return bytes.length;
    let before = quote;
    while (bytes[before - 1] === BACKSLASH) before--;
    if ((quote - before) % 2 === 0) return quote;
    at = quote + 1;
    const end = Math.min(at + STEP_BYTES, bytes.length);
    while (at < end && bytes[at] !== QUOTE) at += bytes[at] === BACKSLASH ? 2 : 1;
    if (at < end) return at;
  }
}
