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
/** What V8 takes at the most for an object or a list (one whose only member has a name of its own), and for a text or another item. */
const CONTAINER_BYTES = 240;
const ITEM_BYTES = 32;

export interface Member {
  readonly name: string;
  /** Of its value. */
  readonly start: number;
}

/** Objects of a list. */
export interface Objects {
  /** Where each of them ends. */
  readonly ends: readonly number[];
  /** `structureBytes` of the scanner there. */
  readonly structureBytes: readonly number[];
  /** Behind the list. */
  readonly end: number;
}

export class BodyScanner {
  readonly #bytes: Buffer;
  /** What is parsed of the values that were scanned takes, about, beside its texts. */
  structureBytes = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** The first member of the object. undefined: there is none, or its name is not written as it is. */
  firstMember(): Member | undefined {
    const bytes = this.#bytes;
    const brace = this.#afterSpace(bytes[0] === BYTE_ORDER_MARK ? 3 : 0);
    return bytes[brace] === OPEN_BRACE ? this.#memberAt(brace + 1) : undefined;
  }

  /** What stands behind a member's value: another member, the end of the object, or something else. */
  memberBehind(endOfValue: number): Member | 'end' | undefined {
    const at = this.#afterSpace(endOfValue);
    if (this.#bytes[at] === CLOSE_BRACE) return 'end';
    return this.#bytes[at] === COMMA ? this.#memberAt(at + 1) : undefined;
  }

  /** Whether a list begins there. */
  isList(value: number): boolean {
    return this.#bytes[value] === OPEN_BRACKET;
  }

  /** Those from `from` on, which is where one ends or the list begins. undefined: not all are objects. */
  objectsOfList(from: number): Objects | undefined {
    const bytes = this.#bytes;
    const ends: number[] = [];
    const structureBytes: number[] = [];
    let at = this.#afterSpace(from);
    while (bytes[at] !== CLOSE_BRACKET) {
      if (bytes[at] === COMMA) at = this.#afterSpace(at + 1);
      if (bytes[at] !== OPEN_BRACE) return undefined;
      const end = this.endOfValue(at);
      ends.push(end);
      structureBytes.push(this.structureBytes);
      at = this.#afterSpace(end);
    }
    return { ends, structureBytes, end: at + 1 };
  }

  /** Behind the value that begins at `start`; at most the length of all. */
  endOfValue(start: number): number {
    const bytes = this.#bytes;
    const first = bytes[start];
    if (first === QUOTE) return Math.min(endOfString(bytes, start) + 1, bytes.length);
    if (first === OPEN_BRACE || first === OPEN_BRACKET) return this.#endOfNested(start);
    let at = start;
    while (at < bytes.length && !isBehindValue(bytes[at])) at++;
    return at;
  }

  #endOfNested(start: number): number {
    const bytes = this.#bytes;
    let [depth, containers, items] = [0, 0, 0];
    let at = start;
    for (; at < bytes.length; at++) {
      const byte = bytes[at];
      if (byte === QUOTE) {
        at = endOfString(bytes, at);
        items++;
      } else if (byte === COMMA) items++;
      else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
        depth++;
        containers++;
      } else if ((byte === CLOSE_BRACE || byte === CLOSE_BRACKET) && --depth === 0) break;
    }
    this.structureBytes += CONTAINER_BYTES * containers + ITEM_BYTES * items;
    return Math.min(at + 1, bytes.length);
  }

  #memberAt(from: number): Member | undefined {
    const bytes = this.#bytes;
    const quote = this.#afterSpace(from);
    if (bytes[quote] !== QUOTE) return undefined;
    const end = endOfString(bytes, quote);
    const colon = this.#afterSpace(end + 1);
    if (bytes[colon] !== COLON || bytes.subarray(quote, end).includes(BACKSLASH)) return undefined;
    return { name: bytes.toString('utf8', quote + 1, end), start: this.#afterSpace(colon + 1) };
  }

  #afterSpace(from: number): number {
    let at = from;
    while (isSpace(this.#bytes[at])) at++;
    return at;
  }
}

function isBehindValue(byte: number | undefined): boolean {
  return byte === COMMA || byte === CLOSE_BRACE || byte === CLOSE_BRACKET || isSpace(byte);
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}
