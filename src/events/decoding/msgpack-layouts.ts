/** What follows a type byte from 0xc0 to 0xdf (https://github.com/msgpack/msgpack/blob/master/spec.md). */
interface Layout {
  /** Width of the length, 0 where the type has none. */
  readonly lengthBytes: 0 | 1 | 2 | 4;
  /** Bytes beside the length and what it counts; Infinity for the type that is never used. */
  readonly ownBytes: number;
  /** What the length counts: values (2 per unit in a map), or bytes if 0. */
  readonly values: 0 | 1 | 2;
}

const fixed = (ownBytes: number): Layout => ({ lengthBytes: 0, ownBytes, values: 0 });
const counted = (lengthBytes: 1 | 2 | 4, ownBytes: 0 | 1, values: 0 | 1 | 2): Layout => ({
  lengthBytes,
  ownBytes,
  values,
});

/** By type byte, from 0xc0 on. */
export const LAYOUTS: readonly Layout[] = [
  ...[fixed(0), fixed(Number.POSITIVE_INFINITY), fixed(0), fixed(0)], // nil, never used, false, true
  ...[counted(1, 0, 0), counted(2, 0, 0), counted(4, 0, 0)], // bin
  ...[counted(1, 1, 0), counted(2, 1, 0), counted(4, 1, 0)], // ext
  ...[fixed(4), fixed(8)], // float
  ...[fixed(1), fixed(2), fixed(4), fixed(8)], // uint
  ...[fixed(1), fixed(2), fixed(4), fixed(8)], // int
  ...[fixed(2), fixed(3), fixed(5), fixed(9), fixed(17)], // fixext
  ...[counted(1, 0, 0), counted(2, 0, 0), counted(4, 0, 0)], // str
  ...[counted(2, 0, 1), counted(4, 0, 1)], // array
  ...[counted(2, 0, 2), counted(4, 0, 2)], // map
];
