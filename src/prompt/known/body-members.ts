/**
 * Where the members of a request's body stand in its JSON: a look at the bytes, for what is known to be JSON. Of other bytes the
 * answers mean nothing.
 */
import {
  BACKSLASH,
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COLON,
  COMMA,
  endOfString,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
} from '../json-bytes.ts';

const BYTE_ORDER_MARK = 0xef;

export interface Member {
  readonly name: string;
  /** Of its value. */
  readonly start: number;
}

/** The first member of the object that `bytes` are. undefined: there is none, or its name is not written as it is. */
export function firstMember(bytes: Buffer): Member | undefined {
  const brace = afterSpace(bytes, bytes[0] === BYTE_ORDER_MARK ? 3 : 0);
  return bytes[brace] === OPEN_BRACE ? memberAt(bytes, brace + 1) : undefined;
}

/** What stands behind a member's value: another member, the end of the object, or something else. */
export function memberBehind(bytes: Buffer, endOfValue: number): Member | 'end' | undefined {
  const at = afterSpace(bytes, endOfValue);
  if (bytes[at] === CLOSE_BRACE) return 'end';
  return bytes[at] === COMMA ? memberAt(bytes, at + 1) : undefined;
}

function memberAt(bytes: Buffer, from: number): Member | undefined {
  const quote = afterSpace(bytes, from);
  if (bytes[quote] !== QUOTE) return undefined;
  const end = endOfString(bytes, quote);
  const colon = afterSpace(bytes, end + 1);
  if (bytes[colon] !== COLON || bytes.subarray(quote, end).includes(BACKSLASH)) return undefined;
  return { name: bytes.toString('utf8', quote + 1, end), start: afterSpace(bytes, colon + 1) };
}

/** Whether a list begins there. */
export function isList(bytes: Buffer, value: number): boolean {
  return bytes[value] === OPEN_BRACKET;
}

/** Objects of a list, from where one ends or the list begins. `items`: where each ends; undefined: not all are objects. */
export function objectsOfList(
  bytes: Buffer,
  from: number,
): { readonly items: number[]; readonly end: number } | undefined {
  const items: number[] = [];
  let at = afterSpace(bytes, from);
  while (bytes[at] !== CLOSE_BRACKET) {
    if (bytes[at] === COMMA) at = afterSpace(bytes, at + 1);
    if (bytes[at] !== OPEN_BRACE) return undefined;
    const end = endOfValue(bytes, at);
    items.push(end);
    at = afterSpace(bytes, end);
  }
  return { items, end: at + 1 };
}

/** Behind the value that begins at `start`. */
export function endOfValue(bytes: Uint8Array, start: number): number {
  const first = bytes[start];
  if (first === QUOTE) return endOfString(bytes, start) + 1;
  if (first === OPEN_BRACE || first === OPEN_BRACKET) return endOfNested(bytes, start);
  let at = start;
  while (at < bytes.length && !isBehindValue(bytes[at])) at++;
  return at;
}

function endOfNested(bytes: Uint8Array, start: number): number {
  let depth = 0;
  for (let at = start; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === QUOTE) at = endOfString(bytes, at);
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++;
    else if ((byte === CLOSE_BRACE || byte === CLOSE_BRACKET) && --depth === 0) return at + 1;
  }
  return bytes.length;
}

function isBehindValue(byte: number | undefined): boolean {
  return byte === COMMA || byte === CLOSE_BRACE || byte === CLOSE_BRACKET || isSpace(byte);
}

function afterSpace(bytes: Uint8Array, from: number): number {
  let at = from;
  while (isSpace(bytes[at])) at++;
  return at;
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}
