import { assert } from 'chai';
import fc from 'fast-check';
import { BuddyAllocator } from '../../../src/prefix-index/memory/buddy-allocator.ts';

describe('the heap of words', () => {
  it('gives out pieces that are never 0', () => {
    const heap = new BuddyAllocator(64);
    assert.isAbove(heap.allocate(1), 0);
  });

  it('gives out a freed piece again, all 0', () => {
    const heap = new BuddyAllocator(64);
    const piece = heap.allocate(3);
    heap.words.fill(7, piece, piece + 8);
    heap.free(piece, 3);
    assert.equal(heap.allocate(3), piece);
    assert.deepEqual([...heap.words.subarray(piece, piece + 8)], new Array(8).fill(0));
  });

  it('says what is in use: four words at the least for each, and a byte for every four', () => {
    const heap = new BuddyAllocator(64);
    const pieces = [heap.allocate(1), heap.allocate(4)];
    assert.equal(heap.bytes, 17 + 4 * 17);
    heap.free(pieces[1]!, 4);
    assert.equal(heap.bytes, 17);
    heap.free(pieces[0]!, 1);
    assert.equal(heap.bytes, 0);
  });

  it('refuses what it has no room for', () => {
    const heap = new BuddyAllocator(64);
    heap.allocate(5);
    assert.throws(() => heap.allocate(5), /no room/);
    heap.allocate(4);
  });

  it('makes larger pieces of freed ones, and smaller ones', () => {
    const heap = new BuddyAllocator(1 << 10);
    for (const power of [2, 5, 8, 3, 9, 2]) {
      const pieces = Array.from({ length: (1 << (9 - power)) - (power === 9 ? 0 : 1) }, () =>
        heap.allocate(power),
      );
      assert.equal(new Set(pieces).size, pieces.length);
      for (const [i, piece] of pieces.entries()) if (i % 2 === 0) heap.free(piece, power);
      for (const [i, piece] of pieces.entries()) if (i % 2 === 1) heap.free(piece, power);
      assert.equal(heap.bytes, 0);
    }
  });

  it('never gives out one word twice', () => {
    const step = fc.oneof(
      fc.record({ power: fc.integer({ min: 1, max: 6 }) }),
      fc.record({ freed: fc.nat({ max: 40 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100, size: 'max' }), steps => {
        const heap = new BuddyAllocator(8_192);
        const held: { piece: number; power: number; mark: number }[] = [];
        const wordsOf = ({ piece, power }: { piece: number; power: number }) =>
          heap.words.subarray(piece, piece + (1 << power));
        for (const [mark, { power, freed }] of steps.entries() as never as [
          number,
          { power?: number; freed?: number },
        ][]) {
          if (power !== undefined) {
            const each = { piece: heap.allocate(power), power, mark: mark + 1 };
            assert.isTrue(wordsOf(each).every(word => word === 0));
            wordsOf(each).fill(each.mark);
            held.push(each);
          } else if (held.length > 0) {
            const [each] = held.splice(freed! % held.length, 1);
            heap.free(each!.piece, each!.power);
          }
          for (const each of held) assert.isTrue(wordsOf(each).every(word => word === each.mark));
          assert.equal(
            heap.bytes,
            held.reduce((sum, each) => sum + 17 * 2 ** (Math.max(2, each.power) - 2), 0),
          );
        }
      }),
      { numRuns: 100 },
    );
  });
});
