import { assert } from 'chai';
import fc from 'fast-check';
import { MergeTable } from '../../../src/tokenizers/bpe/pieces/merge-table.ts';
import { Merger, mergeLong } from '../../../src/tokenizers/bpe/pieces/merging.ts';

type Merge = readonly [left: number, right: number, merged: number];

/** Looks at all pairs each time. */
function naivelyMerged(merges: readonly Merge[], symbols: readonly number[]): number[] {
  const left = [...symbols];
  for (;;) {
    let best = -1;
    let lowest = Number.POSITIVE_INFINITY;
    for (let at = 0; at + 1 < left.length; at++) {
      const rank = merges.findLastIndex(([a, b]) => a === left[at] && b === left[at + 1]);
      if (rank >= 0 && rank < lowest) {
        lowest = rank;
        best = at;
      }
    }
    if (best < 0) return left;
    left.splice(best, 2, merges[lowest]![2]);
  }
}

function tableOf(merges: readonly Merge[]): MergeTable {
  const table = MergeTable.withRoomFor(merges.length);
  for (const [rank, [left, right, merged]] of merges.entries()) table.set(left, right, rank, merged);
  return table;
}

/** Four symbols, and merges of whatever there is already, so that ranks do not grow with the length. */
const anyMerges: fc.Arbitrary<Merge[]> = fc
  .array(fc.tuple(fc.nat(), fc.nat(), fc.nat()), { minLength: 1, maxLength: 40 })
  .map(picks => {
    const merges = picks.map(([a, b], index): Merge => [a % (4 + index), b % (4 + index), 4 + index]);
    return picks
      .map(([, , c], index) => [c, merges[index]!] as const)
      .sort(([a], [b]) => a - b)
      .map(([, merge]) => merge);
  });

describe('Merging a piece', () => {
  it('is the same with a heap, with all ranks and naively', () => {
    fc.assert(
      fc.property(anyMerges, fc.array(fc.nat(3), { maxLength: 90 }), (merges, symbols) => {
        const table = tableOf(merges);
        const naive = naivelyMerged(merges, symbols);
        const merged = Int32Array.from(symbols);
        assert.deepEqual([...merged.subarray(0, new Merger(table).merge(merged, symbols.length))], naive);
        const long = Int32Array.from(symbols);
        assert.deepEqual([...long.subarray(0, mergeLong(table, long, symbols.length))], naive);
      }),
      { numRuns: 300 },
    );
  });

  it('takes the leftmost of equal pairs first', () => {
    const table = tableOf([[0, 0, 1]]);
    const symbols = Int32Array.of(0, 0, 0, 2);
    const left = new Merger(table).merge(symbols, 4);
    assert.deepEqual([...symbols.subarray(0, left)], [1, 0, 2]);
  });
});
