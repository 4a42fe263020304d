/**
 * Whether a JSON text costs so much to parse that everybody else would wait. `JSON.parse` takes some 0.2 µs for an object or list
 * and up to 0.8 µs for a member with a name of its own, so that 10 MB of `{}`, of `[` or of short members stop the event loop for
 * 0.6 to 1 s. Long texts and numbers cost next to nothing. A look at the bytes (2 ns each at most, and it ends where the bound is reached)
 * tells the two apart; a worker would have to be given each large body, and would give back what was parsed by copying it, which
 * takes the event loop as long as parsing it.
 */
import { COMMA, endOfString, OPEN_BRACE, OPEN_BRACKET, QUOTE } from './json-bytes.ts';

/** Lists, objects and strings. Parsing so many takes some 50 ms at worst; a conversation of 5,000 messages has fewer. */
const MAX_ITEMS = 64 * 1024;
/** The longest prompts, as token ids, have a million. */
const MAX_NUMBERS = 1_200_000;
/** Whatever is in it, it takes no longer than that many items. */
const ALWAYS_CHEAP_BYTES = 256 * 1024;

const DASH = 0x2d;

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
