import { assert } from 'chai';
import fc from 'fast-check';
import { HashList } from '../../../src/events/decoding/hash-list.ts';
import { MsgpackReader } from '../../../src/events/decoding/msgpack-reader.ts';
import { Names } from '../../../src/events/decoding/names.ts';
import { integerForms } from '../../support/any-msgpack.ts';
import { hex, pack } from '../../support/kv-events.ts';

const read = <T>(bytes: string, how: (reader: MsgpackReader) => T): T => how(new MsgpackReader(hex(bytes)));

/** Every type of MessagePack, once. */
const VALUES: readonly [title: string, bytes: string][] = [
  ['positive fixint', '7f'],
  ['negative fixint', 'e0'],
  ['fixmap', '8201c00203'],
  ['fixarray', '93010203'],
  ['fixstr', 'a3616263'],
  ['nil', 'c0'],
  ['false', 'c2'],
  ['true', 'c3'],
  ['bin 8', 'c4020102'],
  ['bin 16', 'c500020102'],
  ['bin 32', 'c6000000020102'],
  ['ext 8', 'c702ff0102'],
  ['ext 16', 'c80002ff0102'],
  ['ext 32', 'c900000002ff0102'],
  ['float 32', 'ca3fc00000'],
  ['float 64', 'cb3ff8000000000000'],
  ['uint 8', 'ccff'],
  ['uint 16', 'cdffff'],
  ['uint 32', 'ceffffffff'],
  ['uint 64', 'cfffffffffffffffff'],
  ['int 8', 'd0ff'],
  ['int 16', 'd1ffff'],
  ['int 32', 'd2ffffffff'],
  ['int 64', 'd3ffffffffffffffff'],
  ['fixext 1', 'd4ff01'],
  ['fixext 2', 'd5ff0102'],
  ['fixext 4', 'd6ff01020304'],
  ['fixext 8', `d7ff${'01'.repeat(8)}`],
  ['fixext 16', `d8ff${'01'.repeat(16)}`],
  ['str 8', 'd9026162'],
  ['str 16', 'da00026162'],
  ['str 32', 'db000000026162'],
  ['array 16', 'dc000201c0'],
  ['array 32', 'dd0000000201c0'],
  ['map 16', 'de000101c0'],
  ['map 32', 'df0000000101c0'],
  ['nested', '929181a1629300c0c2a0'],
];

type Read = (reader: MsgpackReader) => unknown;
const ONE = new Names(['one', 'two', 'three']);
const READS: Readonly<Record<string, Read>> = {
  array: reader => reader.readArrayLength(),
  map: reader => reader.readMapLength(),
  boolean: reader => reader.readBoolean(),
  float: reader => reader.readFloat(),
  integer: reader => reader.readInteger(),
  text: reader => reader.readText(),
  name: reader => reader.readOneOf(ONE),
  bytes: reader => reader.readBytes(),
  uint32s: reader => reader.readUint32s(),
  hashes: reader => {
    const list = new HashList();
    return reader.readHashes(list) ? list.copy() : undefined;
  },
  hash: reader => reader.readHash(),
};

describe('stepping over a value', () => {
  for (const [title, bytes] of VALUES) {
    it(`ends just behind it: ${title}`, () => {
      const reader = new MsgpackReader(hex(`${bytes}c0`));
      assert.isTrue(reader.skip());
      assert.equal(reader.position, bytes.length / 2);
      assert.isTrue(reader.readNil());
      assert.isTrue(reader.atEnd);
    });

    it(`is refused, and does not move, where it is cut: ${title}`, () => {
      for (let length = 0; length < bytes.length / 2; length++) {
        const reader = new MsgpackReader(hex(bytes).subarray(0, length));
        assert.isFalse(reader.skip());
        assert.equal(reader.position, 0);
      }
    });

    it(`no read goes beyond the end where it is cut: ${title}`, () => {
      for (const [name, how] of Object.entries(READS)) {
        for (let length = 0; length < bytes.length / 2; length++) {
          // The bytes are there, but are not the reader's.
          const reader = new MsgpackReader(new Uint8Array(hex(bytes)).subarray(0, length));
          const value = how(reader);
          assert.isAtMost(reader.position, length, name);
          if (value === undefined) assert.equal(reader.position, 0, name);
        }
      }
    });
  }

  it('is refused for the type that is never used', () => {
    assert.isFalse(read('c1', reader => reader.skip()));
    assert.isFalse(read('9201c1', reader => reader.skip()));
  });

  it('takes any depth', () => {
    const reader = new MsgpackReader(Buffer.concat([Buffer.alloc(1_000_000, 0x91), Buffer.of(0xc0)]));
    assert.isTrue(reader.skip());
    assert.isTrue(reader.atEnd);
  });

  it('agrees with an encoder about where any value ends', () => {
    fc.assert(
      fc.property(fc.anything({ withTypedArray: true, withDate: true }), value => {
        const bytes = pack(value);
        const reader = new MsgpackReader(Buffer.concat([bytes, Buffer.of(0xc0)]));
        assert.isTrue(reader.skip());
        assert.equal(reader.position, bytes.length);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('reading lengths', () => {
  const cases: [title: string, bytes: string, array: number | undefined, map: number | undefined][] = [
    ['arrays of all widths', '920102', 2, undefined],
    ['arrays of all widths', 'dc00020102', 2, undefined],
    ['arrays of all widths', 'dd000000020102', 2, undefined],
    ['maps of all widths', '810102', undefined, 1],
    ['maps of all widths', 'de00010102', undefined, 1],
    ['maps of all widths', 'df000000010102', undefined, 1],
    ['an array longer than the frame', 'ddffffffff01', undefined, undefined],
    ['an array one longer than the frame', '930102', undefined, undefined],
    ['a map whose last value is missing', '82010203', undefined, undefined],
  ];
  for (const [title, bytes, array, map] of cases) {
    it(`${(array ?? map) ? 'reads' : 'refuses'} ${title}: ${bytes}`, () => {
      assert.equal(read(bytes, READS.array!), array);
      assert.equal(read(bytes, READS.map!), map);
    });
  }
});

describe('reading numbers', () => {
  it('reads integers in every form that holds them, if a double does', () => {
    for (const value of [0, 1, -1, 127, 128, -32, -33, 255, 256, 65_535, 2 ** 31, -(2 ** 31), 2 ** 53 - 1]) {
      for (const form of integerForms(BigInt(value))) {
        assert.equal(new MsgpackReader(form).readInteger(), value, form.toString('hex'));
      }
    }
  });

  const none: [title: string, bytes: string][] = [
    ['2^53', 'cf0020000000000000'],
    ['2^64 - 1', 'cfffffffffffffffff'],
    ['-2^63', 'd38000000000000000'],
    ['a fraction', 'cb3ff8000000000000'],
    ['not a number', 'cb7ff8000000000000'],
    ['infinity', 'cb7ff0000000000000'],
    ['a text', 'a131'],
    ['bytes', 'c4080000000000000001'],
    ['true', 'c3'],
  ];
  for (const [title, bytes] of none) {
    it(`reads no integer from ${title}, and does not move`, () => {
      const reader = new MsgpackReader(hex(bytes));
      assert.isUndefined(reader.readInteger());
      assert.equal(reader.position, 0);
    });
  }

  it('reads -0 as 0', () => {
    assert.isTrue(Object.is(read('cb8000000000000000', READS.integer!), 0));
  });

  it('reads floats of both widths', () => {
    assert.equal(read('ca3fc00000', READS.float!), 1.5);
    assert.equal(read('cb3ff8000000000000', READS.float!), 1.5);
    assert.isUndefined(read('01', READS.float!));
  });

  it('reads booleans', () => {
    assert.deepEqual([read('c2', READS.boolean!), read('c3', READS.boolean!)], [false, true]);
    assert.isUndefined(read('c0', READS.boolean!));
  });

  it('reads no list of 32-bit numbers that is cut, in whichever form its last number is', () => {
    for (const form of integerForms(100n)) {
      const list = Buffer.concat([hex('9301cd0002'), form]);
      for (let length = 0; length < list.length; length++) {
        const reader = new MsgpackReader(list.subarray(0, length));
        assert.isUndefined(reader.readUint32s(), `${form.toString('hex')} cut to ${length}`);
        assert.equal(reader.position, 0);
      }
    }
  });

  it('reads lists of 32-bit numbers in every form, at the very end of a frame too', () => {
    const limits = [0, 127, 128, 255, 256, 65_535, 65_536, 2 ** 31, 2 ** 32 - 1];
    for (const value of limits) {
      for (const form of integerForms(BigInt(value))) {
        const reader = new MsgpackReader(Buffer.concat([Buffer.of(0x92), form, form]));
        assert.deepEqual([...reader.readUint32s()!], [value, value], form.toString('hex'));
        assert.isTrue(reader.atEnd);
      }
    }
    assert.deepEqual(read('90', READS.uint32s!), new Uint32Array());
  });

  for (const bytes of [
    '91cf0000000100000000',
    '91ff',
    '91cb3ff8000000000000',
    '91a131',
    '919101',
    '91c0',
    '01',
  ]) {
    it(`reads no list of 32-bit numbers from ${bytes}`, () => {
      const reader = new MsgpackReader(hex(bytes));
      assert.isUndefined(reader.readUint32s());
      assert.equal(reader.position, 0);
    });
  }
});

describe('reading hashes', () => {
  const cases: [bytes: string, hi: number, lo: number][] = [
    ['05', 0, 5],
    ['ff', 0xffffffff, 0xffffffff],
    ['ccff', 0, 255],
    ['d0ff', 0xffffffff, 0xffffffff],
    ['d08f', 0xffffffff, 0xffffff8f],
    ['ce80000000', 0, 0x80000000],
    ['d280000000', 0xffffffff, 0x80000000],
    ['cf0123456789abcdef', 0x01234567, 0x89abcdef],
    ['d3f123456789abcdef', 0xf1234567, 0x89abcdef],
    ['c4080123456789abcdef', 0x01234567, 0x89abcdef],
    ['c50009ff0123456789abcdef', 0x01234567, 0x89abcdef],
    ['cbc1f0000000100000', 0xfffffffe, 0xffffffff],
    ['cb4200000000000000', 2, 0],
  ];
  for (const [bytes, hi, lo] of cases) {
    it(`reads ${bytes}`, () => {
      assert.deepEqual(read(bytes, READS.hash!), { hi, lo });
      assert.deepEqual(read(`92${bytes}01`, READS.hashes!), {
        length: 2,
        lanes: Uint32Array.of(hi, lo, 0, 1),
      });
    });
  }

  for (const bytes of [
    'c40700000000000000',
    'c400',
    'c0',
    'a131',
    'cb3ff8000000000000',
    'cb4340000000000000',
    '90',
  ]) {
    it(`reads no hash from ${bytes}, and does not move`, () => {
      const reader = new MsgpackReader(hex(`9201${bytes}`));
      assert.isFalse(reader.readHashes(new HashList()));
      assert.equal(reader.position, 0);
      reader.seek(2);
      assert.isUndefined(reader.readHash());
      assert.equal(reader.position, 2);
    });
  }
});

describe('reading texts', () => {
  it('reads all widths, and characters beyond ASCII', () => {
    const long = 'ü\u{1f600}'.repeat(20_000).slice(0, 20_001);
    for (const text of ['', 'abc', 'ü\u{1f600}', 'x'.repeat(300), '\ufffd', long]) {
      assert.equal(new MsgpackReader(pack(text)).readText(), text);
    }
  });

  it('refuses what is not UTF-8, and more than 64 KiB', () => {
    assert.isUndefined(read('a2c328', READS.text!));
    assert.isUndefined(new MsgpackReader(pack('x'.repeat(65_537))).readText());
    assert.equal(new MsgpackReader(pack('x'.repeat(65_536))).readText()?.length, 65_536);
  });

  it('finds a text among names, in any width of its length', () => {
    for (const bytes of ['a374776f', 'd90374776f', 'da000374776f', 'db0000000374776f']) {
      assert.equal(read(bytes, READS.name!), 'two');
    }
    for (const bytes of ['a3747775', 'a274776f', 'a0', 'a474776f6f', 'c40374776f', 'c0']) {
      assert.isUndefined(read(bytes, READS.name!));
    }
  });
});
