import { isUtf8 } from 'node:buffer';
import { type EngineHash, engineHash } from '../../domain.ts';
import type { HashList } from './hash-list.ts';

import { LAYOUTS } from './msgpack-layouts.ts';
import type { Names } from './names.ts';

const NIL = 0xc0;
/** No name, salt or identifier is as long. */
const MAX_TEXT_BYTES = 65_536;
const TWO_32 = 2 ** 32;
const NO_NUMBERS = new Uint32Array(0);

/**
 * A cursor over one MessagePack frame that makes no value that is not asked for: no object per map, no BigInt or text
 * per 64-bit integer. It never throws. A read gives undefined (or false) and does not move when the value is of another
 * type or reaches beyond the frame's end; `skip` shows which of the two it was. Declared lengths are checked
 * against the bytes that are left before anything of that length is made.
 */
export class MsgpackReader {
  readonly #bytes: Buffer;
  readonly #end: number;
  #at = 0;
  #textFrom = 0;

  constructor(frame: Uint8Array) {
    this.#bytes = Buffer.isBuffer(frame)
      ? frame
      : Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
    this.#end = frame.length;
  }

  /** Where the next value starts, in bytes. */
  get position(): number {
    return this.#at;
  }

  get atEnd(): boolean {
    return this.#at === this.#end;
  }

  /** Goes (back) to a `position`. */
  seek(position: number): void {
    this.#at = position;
  }

  /** Steps over one value, however large and deep: no recursion. false if the frame is broken inside of it. */
  skip(): boolean {
    const bytes = this.#bytes;
    let at = this.#at;
    for (let pending = 1; pending > 0; pending--) {
      // Each value takes a byte at least, so a length that promises too much is seen at once.
      if (pending > this.#end - at) return false;
      const type = bytes[at++]!;
      if (type <= 0x7f || type >= 0xe0) continue;
      if (type <= 0x8f) pending += 2 * (type & 0x0f);
      else if (type <= 0x9f) pending += type & 0x0f;
      else if (type <= 0xbf) at += type & 0x1f;
      else {
        const { lengthBytes, ownBytes, values } = LAYOUTS[type - 0xc0]!;
        const length = lengthBytes === 0 ? 0 : this.#length(at, lengthBytes);
        at += lengthBytes + ownBytes;
        if (values === 0) at += length;
        else pending += values * length;
      }
    }
    if (at > this.#end) return false;
    this.#at = at;
    return true;
  }

  /** The number of values that follow. */
  readArrayLength(): number | undefined {
    const type = this.#bytes[this.#at]!;
    if (type >= 0x90 && type <= 0x9f) return this.#enter(type & 0x0f, 1, 1);
    if (type === 0xdc) return this.#enter(this.#length(this.#at + 1, 2), 3, 1);
    if (type === 0xdd) return this.#enter(this.#length(this.#at + 1, 4), 5, 1);
    return undefined;
  }

  /** The number of pairs that follow. */
  readMapLength(): number | undefined {
    const type = this.#bytes[this.#at]!;
    if (type >= 0x80 && type <= 0x8f) return this.#enter(type & 0x0f, 1, 2);
    if (type === 0xde) return this.#enter(this.#length(this.#at + 1, 2), 3, 2);
    if (type === 0xdf) return this.#enter(this.#length(this.#at + 1, 4), 5, 2);
    return undefined;
  }

  readNil(): boolean {
    if (this.#bytes[this.#at] !== NIL) return false;
    this.#at++;
    return true;
  }

  readBoolean(): boolean | undefined {
    const type = this.#bytes[this.#at];
    if (type !== 0xc2 && type !== 0xc3) return undefined;
    this.#at++;
    return type === 0xc3;
  }

  /** A float of either width. */
  readFloat(): number | undefined {
    const from = this.#at + 1;
    const type = this.#bytes[this.#at];
    if (type === 0xcb && from + 8 <= this.#end) {
      this.#at = from + 8;
      return this.#bytes.readDoubleBE(from);
    }
    if (type === 0xca && from + 4 <= this.#end) {
      this.#at = from + 4;
      return this.#bytes.readFloatBE(from);
    }
    return undefined;
  }

  /** An integer of any width, or a float without a fraction, that a double holds exactly. */
  readInteger(): number | undefined {
    const start = this.#at;
    const value = this.#readIntegerHash(ONE_HASH, 0) ? this.#signed(start) : this.readFloat();
    // `+ 0`: a float's -0 is 0.
    if (Number.isSafeInteger(value)) return value! + 0;
    this.#at = start;
    return undefined;
  }

  /** Of 64 KiB at most. Valid UTF-8 only: replaced characters would make different texts equal. */
  readText(): string | undefined {
    const to = this.#textEnd();
    const from = this.#textFrom;
    if (to === undefined || to - from > MAX_TEXT_BYTES) return undefined;
    const text = this.#bytes.toString('utf8', from, to);
    if (text.includes('\ufffd') && !isUtf8(this.#bytes.subarray(from, to))) return undefined;
    this.#at = to;
    return text;
  }

  /** A text that is one of these; compared where it is, so that nothing is made. */
  readOneOf<Name extends string>(names: Names<Name>): Name | undefined {
    const to = this.#textEnd();
    if (to === undefined) return undefined;
    const from = this.#textFrom;
    const candidates = names.byLength[to - from];
    if (candidates === undefined) return undefined;
    for (let i = 0; i < candidates.length; i++) {
      const { name, bytes } = candidates[i]!;
      if (!this.#startsWith(bytes, from)) continue;
      this.#at = to;
      return name;
    }
    return undefined;
  }

  /** Bytes as they lie in the frame: a view, valid as long as the frame. */
  readBytes(): Uint8Array | undefined {
    const type = this.#bytes[this.#at]!;
    if (!(type >= 0xc4 && type <= 0xc6)) return undefined;
    const { lengthBytes } = LAYOUTS[type - 0xc0]!;
    const from = this.#at + 1 + lengthBytes;
    const to = from + this.#length(this.#at + 1, lengthBytes);
    if (to > this.#end) return undefined;
    this.#at = to;
    return this.#bytes.subarray(from, to);
  }

  /** A list of integers from 0 to 2^32 - 1. */
  readUint32s(): Uint32Array | undefined {
    const start = this.#at;
    const length = this.readArrayLength();
    if (length === undefined) return undefined;
    if (length === 0) return NO_NUMBERS;
    const numbers = new Uint32Array(length);
    const bytes = this.#bytes;
    // Of the shorter forms none reaches beyond this, so that one comparison will do for all of them.
    const lastFullRead = this.#end - 5;
    let at = this.#at;
    for (let i = 0; i < length; i++) {
      const type = at <= lastFullRead ? bytes[at]! : -1;
      if (type === 0xcd) {
        numbers[i] = (bytes[at + 1]! << 8) | bytes[at + 2]!;
        at += 3;
      } else if (type === 0xce) {
        numbers[i] = (bytes[at + 1]! << 24) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 8) | bytes[at + 4]!;
        at += 5;
      } else if (type >= 0 && type <= 0x7f) {
        numbers[i] = type;
        at++;
      } else {
        this.#at = at;
        const number = this.readInteger();
        if (number === undefined || number < 0 || number >= TWO_32) {
          this.#at = start;
          return undefined;
        }
        numbers[i] = number;
        at = this.#at;
      }
    }
    this.#at = at;
    return numbers;
  }

  /**
   * A list of 64-bit hashes, each an integer of any width, signed or not (the same bits), or bytes, of which the last 8
   * count; also a float, if it is an integer that a double holds exactly. Fewer than 8 bytes are no hash, nor is 0.
   * @param into is emptied first
   */
  readHashes(into: HashList): boolean {
    const start = this.#at;
    const length = this.readArrayLength();
    if (length === undefined) return false;
    const lanes = into.make(length);
    for (let i = 0; i < 2 * length; i += 2) {
      if (this.#readHashInto(lanes, i) && (lanes[i] !== 0 || lanes[i + 1] !== 0)) continue;
      this.#at = start;
      return false;
    }
    return true;
  }

  /** One hash, as in `readHashes`, or 0. */
  readHash(): EngineHash | undefined {
    return this.#readHashInto(ONE_HASH, 0) ? engineHash(ONE_HASH[0]!, ONE_HASH[1]!) : undefined;
  }

  #readHashInto(lanes: Uint32Array, i: number): boolean {
    if (this.#readIntegerHash(lanes, i)) return true;
    const start = this.#at;
    const digest = this.readBytes();
    if (digest !== undefined) {
      if (digest.length >= 8) {
        this.#read64(lanes, i, this.#at - 8);
        return true;
      }
    } else {
      const value = this.readFloat();
      if (Number.isSafeInteger(value)) {
        lanes[i] = Math.floor(value! / TWO_32);
        lanes[i + 1] = value!;
        return true;
      }
    }
    this.#at = start;
    return false;
  }

  /** The 64-bit two's complement of an integer of any width. */
  #readIntegerHash(lanes: Uint32Array, i: number): boolean {
    const bytes = this.#bytes;
    const type = bytes[this.#at]!;
    const from = this.#at + 1;
    if (type <= 0x7f || type >= 0xe0) {
      lanes[i] = type >= 0xe0 ? -1 : 0;
      lanes[i + 1] = (type << 24) >> 24;
      this.#at = from;
      return true;
    }
    if (!(type >= 0xcc && type <= 0xd3)) return false;
    const to = from + (1 << (type & 0x03));
    if (to > this.#end) return false;
    if (to === from + 8) this.#read64(lanes, i, from);
    else {
      let value = type >= 0xd0 && bytes[from]! >= 0x80 ? -1 : 0;
      lanes[i] = value;
      for (let at = from; at < to; at++) value = (value << 8) | bytes[at]!;
      lanes[i + 1] = value;
    }
    this.#at = to;
    return true;
  }

  #read64(lanes: Uint32Array, i: number, at: number): void {
    const bytes = this.#bytes;
    lanes[i] = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
    lanes[i + 1] = (bytes[at + 4]! << 24) | (bytes[at + 5]! << 16) | (bytes[at + 6]! << 8) | bytes[at + 7]!;
  }

  /** What `#readIntegerHash` left in `ONE_HASH`, as a number; inexact beyond 2^53. */
  #signed(start: number): number {
    const unsigned64 = this.#bytes[start] === 0xcf;
    return (unsigned64 ? ONE_HASH[0]! : ONE_HASH[0]! | 0) * TWO_32 + ONE_HASH[1]!;
  }

  /** Where the text that is next ends; `#textFrom` is where its bytes start. */
  #textEnd(): number | undefined {
    const type = this.#bytes[this.#at]!;
    this.#textFrom = this.#at + 1;
    let length: number;
    if (type >= 0xa0 && type <= 0xbf) length = type & 0x1f;
    else if (type >= 0xd9 && type <= 0xdb) {
      const { lengthBytes } = LAYOUTS[type - 0xc0]!;
      length = this.#length(this.#textFrom, lengthBytes);
      this.#textFrom += lengthBytes;
    } else return undefined;
    const to = this.#textFrom + length;
    return to > this.#end ? undefined : to;
  }

  #startsWith(expected: Uint8Array, at: number): boolean {
    const bytes = this.#bytes;
    for (let i = 0; i < expected.length; i++) if (bytes[at + i] !== expected[i]) return false;
    return true;
  }

  /** Infinity if it reaches beyond the end, so that every check against the bytes that are left fails. */
  #length(at: number, width: 0 | 1 | 2 | 4): number {
    if (width === 0 || at + width > this.#end) return Number.POSITIVE_INFINITY;
    return this.#bytes.readUIntBE(at, width);
  }

  #enter(length: number, headerBytes: number, valuesPerUnit: 1 | 2): number | undefined {
    if (length * valuesPerUnit > this.#end - this.#at - headerBytes) return undefined;
    this.#at += headerBytes;
    return length;
  }
}

/** Where single hashes and integers are read to. */
const ONE_HASH = new Uint32Array(2);
