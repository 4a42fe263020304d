/**
 * MessagePack as Python's msgspec writes it, so that frames equal vLLM's byte for byte: every integer in its shortest
 * unsigned form, every timestamp a float64. General encoders choose signed 64-bit integers for some hashes.
 */

export type Packable =
  | null
  | string
  | number
  | bigint
  | Float64
  | readonly Packable[]
  | { readonly [key: string]: Packable };

/** A number that stays a float even if it is whole. */
export class Float64 {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

/** Non-negative integers only; others throw RangeError. */
export function pack(value: Packable): Buffer {
  const writer = new Writer();
  writer.write(value);
  return writer.written();
}

const FIRST_BYTES = 1_024;
/** The longest thing that is written without asking for room: a type byte and 64 bits. */
const LONGEST_SCALAR_BYTES = 9;

class Writer {
  #bytes = Buffer.allocUnsafe(FIRST_BYTES);
  #at = 0;

  written(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, this.#at));
  }

  write(value: Packable): void {
    this.#makeRoom(LONGEST_SCALAR_BYTES);
    if (value === null) this.#byte(0xc0);
    else if (typeof value === 'number') this.#integer(value);
    else if (typeof value === 'bigint') this.#bigInteger(value);
    else if (typeof value === 'string') this.#string(value);
    else if (value instanceof Float64) {
      this.#byte(0xcb);
      this.#at = this.#bytes.writeDoubleBE(value.value, this.#at);
    } else if (isArray(value)) {
      this.#header(value.length, { fix: 0x90, fixMost: 15, bits16: 0xdc });
      for (const each of value) this.write(each);
    } else {
      const entries = Object.entries(value);
      this.#header(entries.length, { fix: 0x80, fixMost: 15, bits16: 0xde });
      for (const [key, each] of entries) {
        this.write(key);
        this.write(each);
      }
    }
  }

  #makeRoom(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(2 * this.#bytes.length, this.#at + bytes));
    this.#bytes.copy(grown);
    this.#bytes = grown;
  }

  #byte(value: number): void {
    this.#bytes[this.#at++] = value;
  }

  #integer(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`cannot pack ${value}`);
    if (value > 0xffff_ffff) this.#bigInteger(BigInt(value));
    else if (value > 0xffff) {
      this.#byte(0xce);
      this.#at = this.#bytes.writeUInt32BE(value, this.#at);
    } else if (value > 0xff) {
      this.#byte(0xcd);
      this.#at = this.#bytes.writeUInt16BE(value, this.#at);
    } else {
      if (value > 0x7f) this.#byte(0xcc);
      this.#byte(value);
    }
  }

  #bigInteger(value: bigint): void {
    if (value <= 0xffff_ffffn) {
      this.#integer(Number(value));
      return;
    }
    this.#byte(0xcf);
    this.#at = this.#bytes.writeBigUInt64BE(value, this.#at);
  }

  #string(text: string): void {
    const length = Buffer.byteLength(text);
    if (length > 31 && length < 256) {
      this.#byte(0xd9);
      this.#byte(length);
    } else this.#header(length, { fix: 0xa0, fixMost: 31, bits16: 0xda });
    this.#makeRoom(length);
    this.#at += this.#bytes.write(text, this.#at);
  }

  #header(length: number, form: { fix: number; fixMost: number; bits16: number }): void {
    if (length <= form.fixMost) this.#byte(form.fix | length);
    else if (length <= 0xffff) {
      this.#byte(form.bits16);
      this.#at = this.#bytes.writeUInt16BE(length, this.#at);
    } else {
      this.#byte(form.bits16 + 1);
      this.#at = this.#bytes.writeUInt32BE(length, this.#at);
    }
  }
}

function isArray(value: Packable): value is readonly Packable[] {
  return Array.isArray(value);
}
