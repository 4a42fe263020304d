/**
 * What templates print of a request must be as the client wrote it: for Python `1.0` is not `1`, and the members of an object have
 * their order.
 */
import { isKnownExact, isObject, type Json, parseExactly } from '../../prompt/exact-json.ts';

/** Where a number may be that JavaScript does not print as it was written: what is quick to look for, and too much. */
const INEXACT_NUMBER = /\d[.eE]|\d{16}|-0/;
const DIGIT = /\d/;
/** JavaScript puts such members before all others, whatever their order was. */
const NUMBERED_MEMBER = /"(?:0|[1-9]\d{0,9})"\s*:/;
const NUMBERED_NAME = /^(?:0|[1-9]\d{0,9})$/;

/** JSON text, as parsed JSON whose numbers keep their text where it matters. `changed`: its members' order would be lost. Throws SyntaxError. */
export function parseShown(
  text: string,
): { readonly kind: 'value'; readonly value: unknown } | { readonly kind: 'changed' } {
  const hasDigits = DIGIT.test(text);
  if (hasDigits && NUMBERED_MEMBER.test(text)) return { kind: 'changed' };
  const value: unknown =
    hasDigits && INEXACT_NUMBER.test(text) ? parseExactly(new TextEncoder().encode(text)) : JSON.parse(text);
  return { kind: 'value', value };
}

/** Members of a request that templates print as they are. */
const SHOWN = ['tools', 'chat_template_kwargs', 'documents'] as const;

/**
 * A request's body with the numbers that are shown as they were written. undefined: the order of members is lost that would be shown.
 * @param raw the same body's bytes
 */
export function exactlyShown(body: Json, raw: Uint8Array): Json | undefined {
  const doubtful = doubtfulValues(body);
  if (doubtful.length === 0) return body;
  const text = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength);
  let from = 0;
  for (const value of doubtful) {
    // Most clients write JSON as JavaScript does: what stands there as it would be written again has lost nothing.
    const written = writtenAgain(value);
    const at = text.indexOf(written, from);
    const found = at < 0 && from > 0 ? text.indexOf(written) : at;
    if (found < 0) return exactlyParsed(doubtful, raw);
    from = found + 1;
  }
  return body;
}

function exactlyParsed(doubtful: readonly unknown[], raw: Uint8Array): Json | undefined {
  return doubtful.some(value => NUMBERED_MEMBER.test(writtenAgain(value))) ? undefined : parseExactly(raw);
}

function writtenAgain(value: unknown): string {
  return JSON.stringify(value);
}

/** What is shown and has numbers in it, or members whose order may be lost. */
function doubtfulValues(body: Json): unknown[] {
  const found: unknown[] = [];
  const look = (value: unknown) => {
    if (isDoubtful(value)) found.push(value);
  };
  for (const name of SHOWN) if (!isKnownExact(body[name])) look(body[name]);
  for (const list of [body.messages, body.input]) {
    if (!Array.isArray(list)) continue;
    for (const message of list) {
      if (!isObject(message)) continue;
      // Calls may have objects for arguments; parts of contents may have a call's input.
      look(message.content);
      look(message.tool_calls);
    }
  }
  return found;
}

function isDoubtful(value: unknown): boolean {
  if (typeof value === 'number') return true;
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(value)) return value.some(isDoubtful);
  for (const name in value) {
    if (isNumbered(name) || isDoubtful((value as Json)[name])) return true;
  }
  return false;
}

function isNumbered(name: string): boolean {
  const first = name.charCodeAt(0);
  return first >= 0x30 && first <= 0x39 && NUMBERED_NAME.test(name);
}
