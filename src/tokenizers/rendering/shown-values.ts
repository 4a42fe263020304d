/**
 * What templates print of a request must be as the client wrote it: for Python `1.0` is not `1`, and the members of an object have
 * their order.
 */
import { isObject, type Json, parseExactly } from '../../prompt/exact-json.ts';

/** A number that JavaScript may not print as it was written. */
const INEXACT_NUMBER = /(?:^|[:[,])\s*-?(?:\d+[.eE]|\d{16}|0\s*(?:[,\]}]|$))/;
/** JavaScript puts such members before all others, whatever their order was. */
const NUMBERED_MEMBER = /"(?:0|[1-9]\d{0,9})"\s*:/;
const NUMBERED_NAME = /^(?:0|[1-9]\d{0,9})$/;

/** JSON text, as parsed JSON whose numbers keep their text where it matters. `changed`: its members' order would be lost. Throws SyntaxError. */
export function parseShown(
  text: string,
): { readonly kind: 'value'; readonly value: unknown } | { readonly kind: 'changed' } {
  if (NUMBERED_MEMBER.test(text)) return { kind: 'changed' };
  const value: unknown = INEXACT_NUMBER.test(text)
    ? parseExactly(new TextEncoder().encode(text))
    : JSON.parse(text);
  return { kind: 'value', value };
}

/** What of a parsed value may not be as it was written. */
export type Doubts = 'none' | 'numbers' | 'order';

/** Of values that were parsed plainly: whether there are numbers in them, or members whose order is lost. */
export function doubtsOf(value: unknown): Doubts {
  if (typeof value === 'number') return 'numbers';
  if (typeof value !== 'object' || value === null) return 'none';
  let found: Doubts = 'none';
  for (const name in value) {
    if (!Array.isArray(value) && NUMBERED_NAME.test(name)) return 'order';
    const inner = doubtsOf((value as Json)[name]);
    if (inner === 'order') return inner;
    if (inner === 'numbers') found = inner;
  }
  return found;
}

/** Members of a request that templates print as they are. */
const SHOWN = ['tools', 'chat_template_kwargs', 'documents'] as const;

/**
 * A request's body with the numbers that are shown as they were written. undefined: an order is lost that would be shown.
 * @param raw the same body's bytes
 */
export function exactlyShown(body: Json, raw: Uint8Array): Json | undefined {
  let found: Doubts = 'none';
  for (const name of SHOWN) found = worse(found, doubtsOf(body[name]));
  for (const list of [body.messages, body.input]) {
    if (!Array.isArray(list)) continue;
    for (const message of list) found = worse(found, doubtsOfMessage(message));
  }
  if (found === 'order') return undefined;
  if (found === 'none') return body;
  const text = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength).toString('latin1');
  return INEXACT_NUMBER.test(text) ? parseExactly(raw) : body;
}

function worse(a: Doubts, b: Doubts): Doubts {
  return a === 'order' || b === 'none' ? a : b;
}

/** Calls may have objects for arguments; content is text, or parts of which Anthropic's have a call's input. */
function doubtsOfMessage(message: unknown): Doubts {
  if (!isObject(message)) return 'none';
  const { content, tool_calls, tools } = message;
  let found = worse(doubtsOf(tool_calls), doubtsOf(tools));
  if (Array.isArray(content)) for (const part of content) found = worse(found, doubtsOf(part));
  return found;
}
