import { assert } from 'chai';
import fc from 'fast-check';
import { HolderSets } from '../../src/prefix-index/holder-sets.ts';
import { BuddyAllocator } from '../../src/prefix-index/memory/buddy-allocator.ts';
import { HOLDERS, RUN_SHIFT } from '../../src/prefix-index/runs.ts';

const RUNS = 8;
const LARGEST = (1 << 17) - 1;

describe('the sets of holders', () => {
  let heap: BuddyAllocator;
  let records: Uint32Array;
  let sets: HolderSets;

  beforeEach(() => {
    heap = new BuddyAllocator(1 << 17);
    records = new Uint32Array((RUNS + 1) << RUN_SHIFT);
    sets = new HolderSets(records, heap);
  });

  const fill = (run: number, holders: Iterable<number>) => {
    for (const holder of holders) sets.add(run, holder);
  };

  function members(run: number): number[] {
    const all: number[] = [];
    sets.forEach(run, holder => {
      all.push(holder);
    });
    return all.sort((a, b) => a - b);
  }

  function assertIs(run: number, expected: Iterable<number>): void {
    const sorted = [...expected].sort((a, b) => a - b);
    assert.deepEqual(members(run), sorted);
    assert.equal(sets.count(run), sorted.length);
    for (const holder of sorted) assert.isTrue(sets.has(run, holder), `${holder}`);
  }

  const count = (length: number, each = (i: number) => i) => Array.from({ length }, (_, i) => each(i));

  it('are empty at first', () => {
    assertIs(1, []);
    assert.isFalse(sets.has(1, 0));
    assert.isTrue(sets.equal(1, 2));
  });

  for (const [name, holder] of [
    ['small', (i: number) => i],
    ['large', (i: number) => LARGEST - 37 * i],
    ['small and large', (i: number) => (i % 2 === 0 ? i : LARGEST - i)],
  ] as const) {
    it(`grow and shrink through every form, of ${name} numbers`, () => {
      const all = count(40, holder);
      for (const [i, each] of all.entries()) {
        sets.add(1, each);
        assertIs(1, all.slice(0, i + 1));
        for (const other of all.slice(i + 1)) assert.isFalse(sets.has(1, other));
      }
      for (const [i, each] of all.entries()) {
        sets.remove(1, each);
        assertIs(1, all.slice(i + 1));
        assert.isFalse(sets.has(1, each));
      }
      assert.equal(heap.bytes, 0);
    });
  }

  it('may cross a border again and again, and leave nothing behind', () => {
    for (const border of [4, 16]) {
      const all = count(border, i => 3 * i);
      fill(1, all);
      const { bytes } = heap;
      for (let round = 0; round < 100; round++) {
        sets.add(1, 1_000);
        assertIs(1, [...all, 1_000]);
        sets.remove(1, 1_000);
        assertIs(1, all);
      }
      assert.equal(heap.bytes, bytes);
      sets.clear(1);
      assert.equal(heap.bytes, 0);
    }
  });

  it('may be cleared in every form', () => {
    for (const size of [0, 1, 4, 5, 16, 17, 100]) {
      fill(1, count(size));
      sets.clear(1);
      assertIs(1, []);
      assert.equal(heap.bytes, 0);
    }
  });

  it('may be copied in every form, and are independent then', () => {
    for (const size of [1, 4, 5, 16, 17, 100]) {
      fill(1, count(size));
      sets.copy(1, 2);
      assertIs(2, count(size));
      assert.isTrue(sets.equal(1, 2));
      sets.add(2, 500);
      sets.remove(1, 0);
      assertIs(1, count(size).slice(1));
      assertIs(2, [...count(size), 500]);
      for (const run of [1, 2]) sets.clear(run);
      assert.equal(heap.bytes, 0);
    }
  });

  it('are equal whatever they went through', () => {
    for (const size of [1, 4, 5, 16, 17, 40]) {
      fill(1, count(size));
      fill(2, count(size).reverse());
      // A bitmap that was wider once.
      sets.add(2, LARGEST);
      sets.remove(2, LARGEST);
      assert.isTrue(sets.equal(1, 2) && sets.equal(2, 1), `${size}`);
      sets.remove(2, 0);
      assert.isFalse(sets.equal(1, 2) || sets.equal(2, 1));
      sets.add(2, LARGEST);
      assert.isFalse(sets.equal(1, 2) || sets.equal(2, 1), 'as many, but others');
      for (const run of [1, 2]) sets.clear(run);
    }
  });

  it('are equal without a holder that only one of them has', () => {
    for (const size of [1, 2, 5, 6, 17, 18, 40]) {
      fill(1, count(size - 1));
      fill(2, count(size));
      assert.isTrue(sets.equalWithout(1, 2, size - 1), `${size}`);
      if (size > 1) assert.isFalse(sets.equalWithout(1, 2, 0), `${size}`);
      assert.isFalse(sets.equalWithout(2, 2, 0));
      sets.add(1, LARGEST);
      assert.isFalse(sets.equalWithout(1, 2, size - 1));
      for (const run of [1, 2]) sets.clear(run);
    }
  });

  describe('whose hashes are equal by chance', () => {
    /** Where a record has the hash of its set. */
    const hashOf = (run: number) => records[(run << RUN_SHIFT) + HOLDERS + 1]!;

    /** Four holders: the first two have the hash of the other two. */
    function collision(): readonly [number, number, number, number] {
      const hashes = count(1_000, holder => {
        sets.add(1, holder);
        const hash = hashOf(1);
        sets.remove(1, holder);
        return hash;
      });
      const pairs = new Map<number, readonly [number, number]>();
      for (const [a, hash] of hashes.entries()) {
        for (let b = 0; b < a; b++) {
          const other = pairs.get(hash ^ hashes[b]!);
          if (other !== undefined && !other.includes(a) && !other.includes(b)) return [a, b, ...other];
          pairs.set(hash ^ hashes[b]!, [a, b]);
        }
      }
      throw new Error('no two pairs of so few holders have the same hash');
    }

    it('are told apart, in every form', () => {
      const four = collision();
      const [a, b, c, d] = four;
      const others = count(60, i => 2_000 + i);
      for (const size of [0, 3, 14, 60]) {
        fill(1, [...others.slice(0, size), a, b]);
        fill(2, [...others.slice(0, size), c, d]);
        assert.equal(hashOf(1), hashOf(2));
        assert.isFalse(sets.equal(1, 2) || sets.equal(2, 1), `other members, ${size}`);
        sets.add(2, 5_000);
        assert.equal(sets.count(2), sets.count(1) + 1);
        assert.isFalse(sets.equalWithout(1, 2, 5_000), `other members but for one, ${size}`);
        for (const run of [1, 2]) sets.clear(run);

        fill(1, [...others.slice(0, size + 1), ...four]);
        fill(2, others.slice(0, size + 1));
        assert.equal(hashOf(1), hashOf(2));
        assert.isFalse(sets.equal(1, 2) || sets.equal(2, 1), `more members, ${size}`);
        sets.add(2, 5_000);
        assert.isFalse(sets.equalWithout(1, 2, 5_000), `more members but for one, ${size}`);
        sets.remove(2, 5_000);
        sets.add(1, 5_000);
        assert.isFalse(sets.equalWithout(2, 1, 5_000), `fewer members but for one, ${size}`);
        for (const run of [1, 2]) sets.clear(run);
      }
    });
  });

  it('hold what Sets hold, after any history', function () {
    this.timeout(20_000);
    const holder = fc.oneof(fc.nat({ max: 24 }), fc.nat({ max: 300 }), fc.constantFrom(LARGEST, LARGEST - 1));
    const run = fc.integer({ min: 1, max: 3 });
    const step = fc.oneof(
      { weight: 12, arbitrary: fc.record({ what: fc.constant('turn' as const), run, holder }) },
      { weight: 1, arbitrary: fc.record({ what: fc.constant('copy' as const), run, holder }) },
      { weight: 1, arbitrary: fc.record({ what: fc.constant('clear' as const), run, holder }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200, size: 'max' }), steps => {
        heap = new BuddyAllocator(1 << 17);
        sets = new HolderSets(new Uint32Array((RUNS + 1) << RUN_SHIFT), heap);
        const model = new Map([1, 2, 3].map(each => [each, new Set<number>()]));
        for (const { what, run: of, holder: by } of steps) {
          const set = model.get(of)!;
          if (what === 'clear') {
            sets.clear(of);
            set.clear();
          } else if (what === 'copy') {
            const to = (of % 3) + 1;
            sets.clear(to);
            sets.copy(of, to);
            model.set(to, new Set(set));
          } else if (set.delete(by)) sets.remove(of, by);
          else {
            sets.add(of, by);
            set.add(by);
          }
        }
        for (const [of, set] of model) {
          assertIs(of, set);
          for (const [other, others] of model) {
            const isPart = [...set].every(each => others.has(each));
            assert.equal(sets.equal(of, other), isPart && set.size === others.size);
            const extra = [...others].find(each => !set.has(each));
            if (extra === undefined) continue;
            assert.equal(sets.equalWithout(of, other, extra), isPart && set.size === others.size - 1);
          }
        }
        for (const each of model.keys()) sets.clear(each);
        assert.equal(heap.bytes, 0);
      }),
      { numRuns: 60 },
    );
  });
});
