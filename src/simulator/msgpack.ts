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
  const parts: Buffer[] = [];
  append(parts, value);
  return Buffer.concat(parts);
}

function append(parts: Buffer[], value: Packable): void {
  if (value === null) parts.push(Buffer.of(0xc0));
  else if (typeof value === 'string') appendString(parts, value);
  else if (typeof value === 'number' || typeof value === 'bigint') parts.push(integer(BigInt(value)));
  else if (value instanceof Float64) {
    const bytes = Buffer.alloc(9, 0xcb);
    bytes.writeDoubleBE(value.value, 1);
    parts.push(bytes);
  } else if (isArray(value)) {
    parts.push(header(value.length, { fix: 0x90, fixMost: 15, bits16: 0xdc }));
    for (const each of value) append(parts, each);
  } else {
    const entries = Object.entries(value);
    parts.push(header(entries.length, { fix: 0x80, fixMost: 15, bits16: 0xde }));
    for (const [key, each] of entries) {
      appendString(parts, key);
      append(parts, each);
    }
  }
}

function isArray(value: Packable): value is readonly Packable[] {
  return Array.isArray(value);
}

function appendString(parts: Buffer[], text: string): void {
  const bytes = Buffer.from(text);
  if (bytes.length < 256 && bytes.length > 31) parts.push(Buffer.of(0xd9, bytes.length));
  else parts.push(header(bytes.length, { fix: 0xa0, fixMost: 31, bits16: 0xda }));
  parts.push(bytes);
}

function header(length: number, form: { fix: number; fixMost: number; bits16: number }): Buffer {
  if (length <= form.fixMost) return Buffer.of(form.fix | length);
  if (length <= 0xffff) return Buffer.of(form.bits16, length >> 8, length & 0xff);
  const bytes = Buffer.alloc(5, form.bits16 + 1);
  bytes.writeUInt32BE(length, 1);
  return bytes;
}

function integer(value: bigint): Buffer {
  if (value < 0n) throw new RangeError(`cannot pack ${value}`);
  if (value <= 0x7fn) return Buffer.of(Number(value));
  if (value <= 0xffn) return Buffer.of(0xcc, Number(value));
  if (value <= 0xffffn) return Buffer.of(0xcd, Number(value >> 8n), Number(value & 0xffn));
  if (value <= 0xffff_ffffn) {
    const bytes = Buffer.alloc(5, 0xce);
    bytes.writeUInt32BE(Number(value), 1);
    return bytes;
  }
  const bytes = Buffer.alloc(9, 0xcf);
  bytes.writeBigUInt64BE(value, 1);
  return bytes;
}
