import { assert } from 'chai';
import fc from 'fast-check';
import { Unpackr } from 'msgpackr';
import { Float64, type Packable, pack } from '../../src/simulator/msgpack.ts';

const unpackr = new Unpackr({ int64AsType: 'bigint', mapsAsObjects: true });

describe('packing', () => {
  it('writes integers in the shortest unsigned form and whole floats as floats', () => {
    const hex = (value: Packable) => pack(value).toString('hex');
    assert.equal(hex(127), '7f');
    assert.equal(hex(128), 'cc80');
    assert.equal(hex(256), 'cd0100');
    assert.equal(hex(65_536), 'ce00010000');
    assert.equal(hex(2n ** 32n), 'cf0000000100000000');
    assert.equal(hex(2n ** 64n - 1n), 'cfffffffffffffffff');
    assert.equal(hex(new Float64(1)), 'cb3ff0000000000000');
    assert.throws(() => pack(-1), RangeError);
  });

  it('is read back by an ordinary decoder, at every length', () => {
    const text = (length: number) => 'x'.repeat(length);
    for (const length of [0, 15, 16, 31, 32, 255, 256, 65_535, 65_536]) {
      assert.equal(unpackr.unpack(pack(text(length))), text(length));
      assert.lengthOf(unpackr.unpack(pack(new Array<number>(length).fill(7))) as number[], length);
    }
    const wide = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`k${i}`, i]));
    assert.deepEqual(unpackr.unpack(pack(wide)), wide);
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.nat(), fc.string(), fc.constant(null), fc.array(fc.nat()))), value => {
        assert.deepEqual(unpackr.unpack(pack(value)), value);
      }),
    );
  });
});
