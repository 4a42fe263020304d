import { assert } from 'chai';
import fc from 'fast-check';
import { PairMap } from '../../../src/prefix-index/memory/pair-map.ts';

describe('the map of pairs', () => {
  it('tells pairs apart by both parts, and by their order', () => {
    const map = new PairMap(10, 1);
    map.set(1, 2, 12);
    map.set(2, 1, 21);
    map.set(0, 0, 0xffffffff);
    assert.deepEqual([map.get(1, 2), map.get(2, 1), map.get(0, 0), map.get(1, 1)], [12, 21, 0xffffffff, 0]);
  });

  it('is full when it has as many pairs as it may, and takes others for those that go', () => {
    const map = new PairMap(3, 1);
    for (let pair = 1; pair <= 3; pair++) {
      assert.isFalse(map.isFull);
      map.set(pair, pair, pair);
    }
    assert.isTrue(map.isFull);
    map.set(2, 2, 9);
    assert.equal(map.size, 3);
    map.delete(1, 1);
    assert.isFalse(map.isFull);
    map.set(4, 4, 4);
    assert.deepEqual(
      [1, 2, 3, 4].map(pair => map.get(pair, pair)),
      [0, 9, 3, 4],
    );
    assert.isTrue(map.isFull);
  });

  it('uses memory for what it has', () => {
    const map = new PairMap(1_000, 1);
    const empty = map.bytes;
    for (let pair = 0; pair < 1_000; pair++) map.set(pair, 1, 1);
    const full = map.bytes;
    assert.isAtLeast(full - empty, 16 * 1_000);
    for (let pair = 0; pair < 1_000; pair++) map.delete(pair, 1);
    assert.isAtMost(map.bytes, full - 16 * 1_000);
  });

  it('holds what a Map holds, after any history', () => {
    const part = fc.oneof(fc.nat({ max: 5 }), fc.integer({ min: 2 ** 32 - 3, max: 2 ** 32 - 1 }));
    const step = fc.tuple(part, part, fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 2 ** 32 - 1 })));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150, size: 'max' }), steps => {
        const map = new PairMap(100, 1);
        const model = new Map<string, readonly [number, number, number]>();
        for (const [a, b, value] of steps) {
          if (value === 0) {
            map.delete(a, b);
            model.delete(`${a} ${b}`);
          } else {
            map.set(a, b, value);
            model.set(`${a} ${b}`, [a, b, value]);
          }
          assert.equal(map.get(a, b), value);
          assert.equal(map.size, model.size);
        }
        const all: (readonly [number, number, number])[] = [];
        map.forEach((...each) => {
          all.push(each);
        });
        assert.sameDeepMembers(all, [...model.values()]);
        for (const [a, b, value] of model.values()) assert.equal(map.get(a, b), value);
      }),
      { numRuns: 100 },
    );
  });
});
