import { assert } from 'chai';
import fc from 'fast-check';
import { Copies } from '../../src/prefix-index/copies.ts';

const HOLDERS = 4;

describe('copies of blocks', () => {
  let copies: Copies;
  beforeEach(() => {
    copies = new Copies(10, HOLDERS, 1);
  });
  afterEach(() => copies.check());

  function all(): [holder: number, position: number, further: number][] {
    const found: [number, number, number][] = [];
    copies.forEach((...each) => {
      found.push(each);
    });
    return found;
  }

  it('are none at first: the only one cannot be taken away', () => {
    assert.isFalse(copies.remove(0, 8));
    assert.deepEqual(all(), []);
  });

  it('go one by one, down to the first', () => {
    for (let i = 0; i < 3; i++) copies.add(1, 8);
    assert.deepEqual(all(), [[1, 8, 3]]);
    assert.deepEqual(
      [1, 2, 3, 4].map(() => copies.remove(1, 8)),
      [true, true, true, false],
    );
    assert.deepEqual(all(), []);
  });

  it('are those of one holder and one block', () => {
    copies.add(1, 8);
    for (const [holder, position] of [
      [0, 8],
      [1, 9],
      [8, 1],
    ] as const)
      assert.isFalse(copies.remove(holder, position));
    assert.isTrue(copies.remove(1, 8));
  });

  it('are forgotten with their blocks, however many they are', () => {
    for (const position of [8, 8, 9, 12, 13]) copies.add(1, position);
    copies.add(2, 9);
    copies.forget(1, 9, 4);
    assert.sameDeepMembers(all(), [
      [1, 8, 2],
      [1, 13, 1],
      [2, 9, 1],
    ]);
    copies.forget(1, 0, 1_000_000_000);
    copies.forget(0, 0, 1_000_000_000);
    assert.deepEqual(all(), [[2, 9, 1]]);
  });

  it('beyond the capacity are not counted, but further ones of a block that has some are', () => {
    for (let position = 1; position <= 11; position++) copies.add(0, position);
    copies.add(0, 1);
    assert.lengthOf(all(), 10);
    assert.isFalse(copies.remove(0, 11), 'the block counts as gone too early');
    assert.deepEqual([copies.remove(0, 1), copies.remove(0, 1), copies.remove(0, 1)], [true, true, false]);
    copies.add(0, 11);
    assert.isTrue(copies.remove(0, 11), 'there is room again');
  });

  it('take memory as long as they are there', () => {
    const empty = copies.bytes;
    for (let position = 1; position <= 10; position++) copies.add(0, position);
    assert.isAbove(copies.bytes, empty);
    copies.forget(0, 1, 10);
    assert.equal(copies.bytes, empty);
  });

  it('are counted as in a map, after any history', () => {
    const step = fc.record({
      what: fc.constantFrom('add', 'add', 'add', 'remove', 'forget'),
      holder: fc.nat({ max: HOLDERS - 1 }),
      position: fc.integer({ min: 1, max: 12 }),
      count: fc.integer({ min: 1, max: 5 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120, size: 'max' }), steps => {
        copies = new Copies(100, HOLDERS, 1);
        const model = new Map<string, number>();
        for (const { what, holder, position, count } of steps) {
          const key = `${holder} ${position}`;
          const further = model.get(key) ?? 0;
          if (what === 'add') {
            copies.add(holder, position);
            model.set(key, further + 1);
          } else if (what === 'remove') {
            assert.equal(copies.remove(holder, position), further > 0);
            model.set(key, Math.max(0, further - 1));
          } else {
            copies.forget(holder, position, count);
            for (let i = 0; i < count; i++) model.set(`${holder} ${position + i}`, 0);
          }
          copies.check();
        }
        assert.sameDeepMembers(
          all().map(([holder, position, further]) => [`${holder} ${position}`, further]),
          [...model].filter(([, further]) => further > 0),
        );
      }),
      { numRuns: 100 },
    );
  });
});
