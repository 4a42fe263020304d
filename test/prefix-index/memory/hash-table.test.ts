import { assert } from 'chai';
import fc from 'fast-check';
import { HashTable } from '../../../src/prefix-index/memory/hash-table.ts';
import { generator } from '../../support/candidates.ts';

/** A table over hashes that a test writes: two lanes each, from reference 1 on. */
class Bench {
  readonly lanes: Uint32Array;
  readonly table: HashTable;

  constructor(capacity: number) {
    this.lanes = new Uint32Array(2 * (capacity + 1));
    this.table = new HashTable({ lanes: this.lanes, shift: 1, capacity, seed: 5 });
  }

  name(reference: number, hi: number, lo: number): void {
    this.lanes[2 * reference] = hi;
    this.lanes[2 * reference + 1] = lo;
  }

  /** All references that are found by a hash. */
  found(hi: number, lo: number): number[] {
    const found: number[] = [];
    for (let each = this.table.find(hi, lo); each !== 0; each = this.table.next()) found.push(each);
    return found;
  }

  foundByItsHash(reference: number): boolean {
    return this.found(this.lanes[2 * reference]!, this.lanes[2 * reference + 1]!).includes(reference);
  }

  all(): number[] {
    const all: number[] = [];
    this.table.forEach(reference => {
      all.push(reference);
    });
    return all.sort((a, b) => a - b);
  }
}

const MANY = 50_000;

/** Many references with random hashes, put in together. */
function full(): Bench {
  const bench = new Bench(MANY);
  const random = generator(7);
  for (let i = 0; i < bench.lanes.length; i++) bench.lanes[i] = Math.floor(random() * 2 ** 32);
  assert.equal(bench.table.insertAll(1, MANY), MANY);
  return bench;
}

describe('the hash table', () => {
  it('finds nothing while it is empty', () => {
    const { table } = new Bench(10);
    assert.deepEqual([table.find(1, 2), table.find(0, 0), table.size], [0, 0, 0]);
  });

  it('finds a reference by both lanes of its hash', () => {
    const bench = new Bench(10);
    bench.name(3, 0xffffffff, 0x80000000);
    assert.isTrue(bench.table.insert(3));
    assert.deepEqual(bench.found(0xffffffff, 0x80000000), [3]);
    assert.deepEqual([bench.found(0xffffffff, 0), bench.found(0, 0x80000000)], [[], []]);
  });

  it('finds all references of one hash, one after the other', () => {
    const bench = new Bench(100);
    for (let reference = 1; reference <= 100; reference++) bench.name(reference, 7, reference % 2);
    bench.table.insertAll(1, 100);
    assert.sameMembers(
      bench.found(7, 0),
      Array.from({ length: 50 }, (_, i) => 2 * (i + 1)),
    );
    bench.table.delete(50);
    assert.lengthOf(bench.found(7, 0), 49);
  });

  it('does not mind the deletion of what is not there', () => {
    const bench = new Bench(10);
    for (const reference of [1, 2]) bench.name(reference, 7, 7);
    bench.table.insert(1);
    bench.table.delete(2);
    bench.table.delete(3);
    assert.deepEqual([bench.found(7, 7), bench.table.size], [[1], 1]);
  });

  it('finds all of very many, and none that is not there', () => {
    const bench = full();
    assert.equal(bench.table.size, MANY);
    for (let reference = 1; reference <= MANY; reference++) assert.isTrue(bench.foundByItsHash(reference));
    const random = generator(8);
    for (let i = 0; i < 1_000; i++) {
      assert.isEmpty(bench.found(Math.floor(random() * 2 ** 32), Math.floor(random() * 2 ** 32)));
    }
    assert.deepEqual(
      bench.all(),
      Array.from({ length: MANY }, (_, i) => i + 1),
    );
  });

  it('loses none of the others when half of them are deleted, and takes them again', () => {
    const bench = full();
    for (let reference = 1; reference <= MANY; reference += 2) bench.table.delete(reference);
    assert.equal(bench.table.size, MANY / 2);
    for (let reference = 1; reference <= MANY; reference++) {
      assert.equal(bench.foundByItsHash(reference), reference % 2 === 0);
    }
    for (let reference = 1; reference <= MANY; reference += 2) assert.isTrue(bench.table.insert(reference));
    for (let reference = 1; reference <= MANY; reference++) assert.isTrue(bench.foundByItsHash(reference));
    assert.lengthOf(bench.all(), MANY);
  });

  it('takes ten bytes for each reference at the most', () => {
    assert.isAtMost(full().table.bytes, 10 * MANY);
  });

  it('refuses equal hashes when there are very many, and loses none of those that it took', () => {
    const bench = new Bench(MANY);
    for (let reference = 1; reference <= MANY; reference++) bench.name(reference, 1, 1);
    const taken = bench.table.insertAll(1, MANY);
    assert.isBelow(taken, MANY);
    assert.isAtLeast(taken, 100);
    assert.equal(bench.table.size, taken);
    assert.isFalse(bench.table.insert(taken + 1));
    assert.sameMembers(
      bench.found(1, 1),
      Array.from({ length: taken }, (_, i) => i + 1),
    );
    bench.table.delete(5);
    assert.isTrue(bench.table.insert(taken + 1), 'there is room again');
    assert.isFalse(bench.table.insert(taken + 2));
  });

  it('puts in those before one that it refuses, and none behind it', () => {
    const bench = new Bench(MANY);
    const count = 2_000;
    for (let reference = 1; reference <= count; reference++) bench.name(reference, 1, 1);
    const most = bench.table.insertAll(1, count);
    const first = count + 1;
    // Few others, as those that share a bucket with the refused ones are refused as well.
    for (let i = 0; i < 500; i++) bench.name(first + i, 2, i % 3);
    bench.name(first + 300, 1, 1);
    assert.equal(bench.table.insertAll(first, 500), 300);
    assert.equal(bench.table.size, most + 300);
    for (let i = 0; i < 500; i++) assert.equal(bench.foundByItsHash(first + i), i < 300, `${i}`);
    assert.equal(bench.table.insertAll(first + 301, 199), 199);
  });

  it('finds others as well where one hash is very common', () => {
    const bench = new Bench(MANY);
    const random = generator(9);
    for (let reference = 1; reference <= MANY; reference++) {
      if (reference % 150 === 0) bench.name(reference, 3, 3);
      else bench.name(reference, Math.floor(random() * 2 ** 32), Math.floor(random() * 2 ** 32));
    }
    assert.equal(bench.table.insertAll(1, MANY), MANY);
    for (let reference = 1; reference <= MANY; reference++) assert.isTrue(bench.foundByItsHash(reference));
    for (let reference = 150; reference <= MANY; reference += 150) bench.table.delete(reference);
    assert.isEmpty(bench.found(3, 3));
    for (let reference = 1; reference <= MANY; reference++) {
      assert.equal(bench.foundByItsHash(reference), reference % 150 !== 0);
    }
  });

  it('holds what a set holds, after any history', function () {
    this.timeout(20_000);
    const capacity = 2_000;
    /** Few hashes, so that many are equal; put in in rows, taken out one by one. */
    const step = fc.record({
      what: fc.constantFrom('insert', 'insert', 'delete'),
      first: fc.integer({ min: 1, max: capacity }),
      count: fc.integer({ min: 1, max: 300 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40, size: 'max' }), fc.nat(), (steps, seed) => {
        const bench = new Bench(capacity);
        const random = generator(seed);
        for (let reference = 1; reference <= capacity; reference++) {
          bench.name(reference, Math.floor(random() * 10), Math.floor(random() * 50));
        }
        const model = new Set<number>();
        for (const { what, first, count } of steps) {
          for (let each = first; each < Math.min(capacity + 1, first + count); each++) {
            if (what === 'delete') {
              bench.table.delete(each);
              model.delete(each);
            } else if (!model.has(each)) {
              assert.isTrue(bench.table.insert(each));
              model.add(each);
            }
          }
        }
        assert.equal(bench.table.size, model.size);
        assert.sameMembers(bench.all(), [...model]);
        for (let each = 1; each <= capacity; each++)
          assert.equal(bench.foundByItsHash(each), model.has(each));
      }),
      { numRuns: 40 },
    );
  });
});
