import { assert } from 'chai';
import fc from 'fast-check';
import { Holdings } from '../../src/prefix-index/holdings.ts';
import { WordHeap } from '../../src/prefix-index/word-heap.ts';

describe('the holdings', () => {
  let heap: WordHeap;
  let holdings: Holdings;

  beforeEach(() => {
    heap = new WordHeap(1 << 16);
    holdings = new Holdings(heap, 4);
  });

  function listed(holder: number): [position: number, blocks: number][] {
    const all: [number, number][] = [];
    holdings.forEach(holder, (position, blocks) => {
      all.push([position, blocks]);
    });
    return all;
  }

  it('of a holder are the stretches that it was given, newest first', () => {
    holdings.add(1, 100, 5);
    holdings.add(1, 50, 2);
    holdings.add(2, 7, 1);
    assert.deepEqual(listed(1), [
      [50, 2],
      [100, 5],
    ]);
    assert.deepEqual([listed(2), listed(3)], [[[7, 1]], []]);
    assert.deepEqual(
      [1, 2, 3].map(holder => holdings.held(holder)),
      [7, 1, 0],
    );
  });

  it('grow where blocks follow those of the newest stretch', () => {
    holdings.add(1, 100, 5);
    for (let position = 105; position < 1_000; position++) holdings.add(1, position, 1);
    assert.deepEqual(listed(1), [[100, 900]]);
    holdings.add(1, 5_000, 1);
    holdings.add(1, 1_000, 1);
    assert.lengthOf(listed(1), 3, 'no other one grows');
  });

  it('are as many as there is memory for', () => {
    for (let i = 0; i < 1_000; i++) holdings.add(1, 2 * i + 1, 1);
    assert.deepEqual(
      listed(1),
      Array.from({ length: 1_000 }, (_, i) => [2 * (999 - i) + 1, 1]),
    );
    holdings.unlist(1);
    assert.deepEqual([listed(1), heap.bytes], [[], 0]);
    assert.equal(holdings.held(1), 1_000);
  });

  it('count what is held, and still list what is held no longer', () => {
    holdings.add(1, 100, 5);
    holdings.remove(1, 3);
    assert.equal(holdings.held(1), 2);
    assert.deepEqual(listed(1), [[100, 5]]);
  });

  it('are stale when little of what is listed is held', () => {
    for (let i = 0; i < 100; i++) holdings.add(1, 1_000 * i + 1, 10);
    assert.isFalse(holdings.isStale(1));
    holdings.remove(1, 300);
    assert.isFalse(holdings.isStale(1), 'most of it is');
    holdings.remove(1, 690);
    assert.isTrue(holdings.isStale(1));
    holdings.unlist(1);
    assert.isFalse(holdings.isStale(1));
    holdings.relist(1, 1, 10);
    assert.deepEqual([holdings.held(1), listed(1)], [10, [[1, 10]]]);
    assert.isFalse(holdings.isStale(1));
  });

  it('are made anew some at a time, and list what is old until it is taken', () => {
    for (let i = 0; i < 40; i++) holdings.add(1, 1_000 * i + 1, 10);
    holdings.add(2, 7, 1);
    holdings.remove(1, 380);
    assert.isTrue(holdings.isStale(1));
    holdings.makeAnew(1);
    assert.isFalse(holdings.isStale(1), 'it is under way');
    assert.lengthOf(listed(1), 40);
    const taken: [number, number][] = [];
    while (holdings.isMadeAnew(1)) {
      holdings.takeOld(1, (position, blocks) => taken.push([position, blocks]));
      if (taken.length <= 2) holdings.relist(1, ...taken.at(-1)!);
      assert.lengthOf(listed(1), 40 - taken.length + Math.min(2, taken.length));
    }
    assert.deepEqual(taken[0], [39_001, 10]);
    assert.lengthOf(taken, 40);
    assert.deepEqual(listed(1), [taken[1], taken[0]]);
    assert.equal(holdings.held(1), 20);
    assert.deepEqual(listed(2), [[7, 1]]);
  });

  it('may be unlisted while they are made anew', () => {
    for (let i = 0; i < 40; i++) holdings.add(1, 1_000 * i + 1, 10);
    holdings.makeAnew(1);
    holdings.relist(1, 1, 10);
    holdings.unlist(1);
    assert.deepEqual([listed(1), holdings.isMadeAnew(1), heap.bytes], [[], false, 0]);
  });

  it('are not stale, however small, without a reason', () => {
    holdings.add(1, 1, 2);
    holdings.remove(1, 2);
    assert.isFalse(holdings.isStale(1));
  });

  it('list every block that was added, of each holder, after any history', () => {
    const step = fc.record({
      holder: fc.nat({ max: 2 }),
      position: fc.integer({ min: 1, max: 300 }),
      blocks: fc.integer({ min: 1, max: 20 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200, size: 'max' }), steps => {
        heap = new WordHeap(1 << 16);
        holdings = new Holdings(heap, 4);
        const added = [new Set<number>(), new Set<number>(), new Set<number>()];
        const count = [0, 0, 0];
        for (const { holder, position, blocks } of steps) {
          holdings.add(holder, position, blocks);
          count[holder]! += blocks;
          for (let i = 0; i < blocks; i++) added[holder]!.add(position + i);
        }
        for (const [holder, positions] of added.entries()) {
          const all = listed(holder).flatMap(([position, blocks]) =>
            Array.from({ length: blocks }, (_, i) => position + i),
          );
          assert.lengthOf(all, count[holder]!);
          assert.deepEqual(new Set(all), positions);
          holdings.unlist(holder);
        }
        assert.equal(heap.bytes, 0);
      }),
      { numRuns: 50 },
    );
  });
});
