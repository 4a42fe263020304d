/** MessagePack in every form that an encoder may choose, by a seeded generator: the same seed gives the same bytes. */

/** Uniform in [0, 1); mulberry32. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A value that is already encoded. */
export type Encoded = Buffer;

export class AnyPacker {
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }

  nil(): Encoded {
    return Buffer.of(0xc0);
  }

  /** From -2^63 to 2^64 - 1, in any of the widths that hold it. */
  integer(value: number | bigint): Encoded {
    return this.pick(integerForms(BigInt(value)));
  }

  /** The 64 bits as an unsigned or a signed integer, or as the end of a digest. */
  hash(bits: bigint): Encoded {
    const unsigned = BigInt.asUintN(64, bits);
    const last8 = Buffer.alloc(8);
    last8.writeBigUInt64BE(unsigned);
    const digest = Buffer.concat([Buffer.alloc(this.pick([0, 8, 24]), this.below(256)), last8]);
    return this.pick([
      () => this.integer(unsigned),
      () => this.integer(BigInt.asIntN(64, unsigned)),
      () => this.bytes(digest),
    ])();
  }

  float(value: number): Encoded {
    const double = Buffer.of(0xcb, ...new Array(8).fill(0));
    double.writeDoubleBE(value, 1);
    return double;
  }

  text(value: string): Encoded {
    const bytes = Buffer.from(value);
    const fix = bytes.length < 32 ? [Buffer.of(0xa0 | bytes.length)] : [];
    return Buffer.concat([this.pick([...fix, ...lengths(bytes.length, [0xd9, 0xda, 0xdb])]), bytes]);
  }

  bytes(value: Uint8Array): Encoded {
    return Buffer.concat([this.pick(lengths(value.length, [0xc4, 0xc5, 0xc6])), value]);
  }

  array(items: readonly Encoded[]): Encoded {
    const fix = items.length < 16 ? [Buffer.of(0x90 | items.length)] : [];
    return Buffer.concat([this.pick([...fix, ...lengths(items.length, [undefined, 0xdc, 0xdd])]), ...items]);
  }

  map(pairs: readonly (readonly [key: string, value: Encoded])[]): Encoded {
    const fix = pairs.length < 16 ? [Buffer.of(0x80 | pairs.length)] : [];
    const header = this.pick([...fix, ...lengths(pairs.length, [undefined, 0xde, 0xdf])]);
    return Buffer.concat([header, ...pairs.flatMap(([key, value]) => [this.text(key), value])]);
  }

  shuffled<T>(items: readonly T[]): T[] {
    return items
      .map(item => ({ item, key: this.#random() }))
      .sort((a, b) => a.key - b.key)
      .map(({ item }) => item);
  }
}

/** The headers of 1, 2 and 4 length bytes that can say this length. */
function lengths(length: number, types: readonly (number | undefined)[]): Buffer[] {
  return types.flatMap((type, i) => {
    const width = 1 << i;
    if (type === undefined || length >= 2 ** (8 * width)) return [];
    const header = Buffer.alloc(1 + width, type);
    header.writeUIntBE(length, 1, width);
    return [header];
  });
}

/** Every encoding of an integer, the float that holds it exactly included. */
export function integerForms(value: bigint): Buffer[] {
  const forms: Buffer[] = [];
  if (value >= -32n && value < 128n) forms.push(Buffer.of(Number(BigInt.asUintN(8, value))));
  for (const [width, unsignedType, signedType] of [
    [1, 0xcc, 0xd0],
    [2, 0xcd, 0xd1],
    [4, 0xce, 0xd2],
    [8, 0xcf, 0xd3],
  ] as const) {
    const bits = 8 * width;
    const body = BigInt.asUintN(bits, value)
      .toString(16)
      .padStart(2 * width, '0');
    if (BigInt.asUintN(bits, value) === value)
      forms.push(Buffer.from(unsignedType.toString(16) + body, 'hex'));
    if (BigInt.asIntN(bits, value) === value) forms.push(Buffer.from(signedType.toString(16) + body, 'hex'));
  }
  if (BigInt(Number(value)) === value && Number.isSafeInteger(Number(value))) {
    const double = Buffer.alloc(9, 0xcb);
    double.writeDoubleBE(Number(value), 1);
    forms.push(double);
  }
  return forms;
}
