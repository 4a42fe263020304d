import { assert } from 'chai';
import fc from 'fast-check';
import { HolderExtents } from '../../src/prefix-index/holder-extents.ts';
import { BuddyAllocator } from '../../src/prefix-index/memory/buddy-allocator.ts';

describe('the holderExtents', () => {
  let heap: BuddyAllocator;
  let holderExtents: HolderExtents;

  beforeEach(() => {
    heap = new BuddyAllocator(1 << 16);
    holderExtents = new HolderExtents(heap, 4);
  });

  function listed(holder: number): [position: number, blocks: number][] {
    const all: [number, number][] = [];
    holderExtents.forEach(holder, (position, blocks) => {
      all.push([position, blocks]);
    });
    return all;
  }

  it('of a holder are the extents that it was given, newest first', () => {
    holderExtents.add(1, 100, 5);
    holderExtents.add(1, 50, 2);
    holderExtents.add(2, 7, 1);
    assert.deepEqual(listed(1), [
      [50, 2],
      [100, 5],
    ]);
    assert.deepEqual([listed(2), listed(3)], [[[7, 1]], []]);
    assert.deepEqual(
      [1, 2, 3].map(holder => holderExtents.held(holder)),
      [7, 1, 0],
    );
  });

  it('grow where blocks follow those of the newest extent', () => {
    holderExtents.add(1, 100, 5);
    for (let position = 105; position < 1_000; position++) holderExtents.add(1, position, 1);
    assert.deepEqual(listed(1), [[100, 900]]);
    holderExtents.add(1, 5_000, 1);
    holderExtents.add(1, 1_000, 1);
    assert.lengthOf(listed(1), 3, 'no other one grows');
  });

  it('are as many as there is memory for', () => {
    for (let i = 0; i < 1_000; i++) holderExtents.add(1, 2 * i + 1, 1);
    assert.deepEqual(
      listed(1),
      Array.from({ length: 1_000 }, (_, i) => [2 * (999 - i) + 1, 1]),
    );
    holderExtents.unlist(1);
    assert.deepEqual([listed(1), heap.bytes], [[], 0]);
    assert.equal(holderExtents.held(1), 1_000);
  });

  it('count what is held, and still list what is held no longer', () => {
    holderExtents.add(1, 100, 5);
    holderExtents.remove(1, 3);
    assert.equal(holderExtents.held(1), 2);
    assert.deepEqual(listed(1), [[100, 5]]);
  });

  it('are stale when little of what is listed is held', () => {
    for (let i = 0; i < 100; i++) holderExtents.add(1, 1_000 * i + 1, 10);
    assert.isFalse(holderExtents.isStale(1));
    holderExtents.remove(1, 300);
    assert.isFalse(holderExtents.isStale(1), 'most of it is');
    holderExtents.remove(1, 690);
    assert.isTrue(holderExtents.isStale(1));
    holderExtents.unlist(1);
    assert.isFalse(holderExtents.isStale(1));
    holderExtents.relist(1, 1, 10);
    assert.deepEqual([holderExtents.held(1), listed(1)], [10, [[1, 10]]]);
    assert.isFalse(holderExtents.isStale(1));
  });

  it('are made anew some at a time, and list what is old until it is taken', () => {
    for (let i = 0; i < 40; i++) holderExtents.add(1, 1_000 * i + 1, 10);
    holderExtents.add(2, 7, 1);
    holderExtents.remove(1, 380);
    assert.isTrue(holderExtents.isStale(1));
    holderExtents.makeAnew(1);
    assert.isFalse(holderExtents.isStale(1), 'it is under way');
    assert.lengthOf(listed(1), 40);
    const taken: [number, number][] = [];
    while (holderExtents.isMadeAnew(1)) {
      holderExtents.takeOld(1, (position, blocks) => taken.push([position, blocks]));
      if (taken.length <= 2) holderExtents.relist(1, ...taken.at(-1)!);
      assert.lengthOf(listed(1), 40 - taken.length + Math.min(2, taken.length));
    }
    assert.deepEqual(taken[0], [39_001, 10]);
    assert.lengthOf(taken, 40);
    assert.deepEqual(listed(1), [taken[1], taken[0]]);
    assert.equal(holderExtents.held(1), 20);
    assert.deepEqual(listed(2), [[7, 1]]);
  });

  it('may be unlisted while they are made anew', () => {
    for (let i = 0; i < 40; i++) holderExtents.add(1, 1_000 * i + 1, 10);
    holderExtents.makeAnew(1);
    holderExtents.relist(1, 1, 10);
    holderExtents.unlist(1);
    assert.deepEqual([listed(1), holderExtents.isMadeAnew(1), heap.bytes], [[], false, 0]);
  });

  it('are not stale, however small, without a reason', () => {
    holderExtents.add(1, 1, 2);
    holderExtents.remove(1, 2);
    assert.isFalse(holderExtents.isStale(1));
  });

  it('list every block that was added, of each holder, after any history', () => {
    const step = fc.record({
      holder: fc.nat({ max: 2 }),
      position: fc.integer({ min: 1, max: 300 }),
      blocks: fc.integer({ min: 1, max: 20 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200, size: 'max' }), steps => {
        heap = new BuddyAllocator(1 << 16);
        holderExtents = new HolderExtents(heap, 4);
        const added = [new Set<number>(), new Set<number>(), new Set<number>()];
        const count = [0, 0, 0];
        for (const { holder, position, blocks } of steps) {
          holderExtents.add(holder, position, blocks);
          count[holder]! += blocks;
          for (let i = 0; i < blocks; i++) added[holder]!.add(position + i);
        }
        for (const [holder, positions] of added.entries()) {
          const all = listed(holder).flatMap(([position, blocks]) =>
            Array.from({ length: blocks }, (_, i) => position + i),
          );
          assert.lengthOf(all, count[holder]!);
          assert.deepEqual(new Set(all), positions);
          holderExtents.unlist(holder);
        }
        assert.equal(heap.bytes, 0);
      }),
      { numRuns: 50 },
    );
  });
});
