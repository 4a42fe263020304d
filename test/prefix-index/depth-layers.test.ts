/** Who leaves where, and in which form that is found out: lists, bitmaps, and what becomes of a bitmap along the way. */
import { assert } from 'chai';
import { DepthLayers } from '../../src/prefix-index/depth-layers.ts';
import { HolderSets } from '../../src/prefix-index/holder-sets.ts';
import { BuddyAllocator } from '../../src/prefix-index/memory/buddy-allocator.ts';
import { RUN_SHIFT } from '../../src/prefix-index/runs.ts';

const RUNS = 16;
const LARGEST = (1 << 17) - 1;

const count = (length: number, each = (i: number) => i) => Array.from({ length }, (_, i) => each(i));
const lists = (length: number, each: (i: number) => number[]) => Array.from({ length }, (_, i) => each(i));

describe('leavers', () => {
  let sets: HolderSets;
  let leavers: DepthLayers;
  beforeEach(() => {
    const heap = new BuddyAllocator(1 << 17);
    sets = new HolderSets(new Uint32Array((RUNS + 1) << RUN_SHIFT), heap);
    leavers = new DepthLayers(sets, heap);
  });

  /** Runs with these holders, from 1 on. */
  function runs(...holders: readonly (readonly number[])[]): Uint32Array {
    for (const [i, each] of holders.entries()) {
      sets.clear(i + 1);
      for (const holder of each) sets.add(i + 1, holder);
    }
    return Uint32Array.from(holders, (_, i) => i + 1);
  }

  /** By run, those who go no further. */
  function found(along: Uint32Array): number[][] {
    const ends = new Uint32Array(along.length + 1).fill(7);
    leavers.find(along, along.length, ends);
    assert.equal(ends[along.length], 7, 'nothing else is written');
    return lists(along.length, i =>
      Array.from(leavers.holders.subarray(i === 0 ? 0 : ends[i - 1]!, ends[i])).sort((a, b) => a - b),
    );
  }

  it('are nobody where there are no runs', () => {
    const ends = new Uint32Array(1).fill(7);
    leavers.find(new Uint32Array(0), 0, ends);
    assert.equal(ends[0], 7);
  });

  for (const size of [1, 4, 5, 16, 17, 200]) {
    const all = count(size, i => 3 * i);

    it(`are all ${size} holders of a single run`, () => {
      assert.deepEqual(found(runs(all)), [all]);
    });

    it(`are all of ${size} holders at once, or one by one`, () => {
      assert.deepEqual(found(runs(all, [])), [all, []]);
      const fewer = lists(Math.min(size, RUNS - 1), i => all.slice(i + 1));
      const path = runs(all, ...fewer);
      const last = fewer.at(-1)!;
      assert.deepEqual(found(path), [...fewer.map((_, i) => [all[i]!]), last]);
    });

    it(`are none of ${size} holders before the end if all hold it`, () => {
      assert.deepEqual(found(runs(all, all, [...all, 1_000], all)), [[], [], [], all]);
    });
  }

  it('may be many while few stay, and the other way round', () => {
    const many = count(100);
    assert.deepEqual(found(runs(many, [7, 40, 500], [7])), [
      many.filter(each => each !== 7 && each !== 40),
      [40],
      [7],
    ]);
    const most = many.filter(each => each !== 63);
    assert.deepEqual(found(runs(many, most, most)), [[63], [], most]);
  });

  it('do not come back, though they hold what follows', () => {
    const many = count(100);
    assert.deepEqual(found(runs(many, [1, 2], many)), [
      many
        .slice(3)
        .concat(0)
        .sort((a, b) => a - b),
      [],
      [1, 2],
    ]);
    assert.deepEqual(found(runs([1, 2], [2], many)), [[1], [], [2]]);
  });

  it('are told apart to the ends of every word', () => {
    const edges = [0, 31, 32, 63, 64, 4_095, LARGEST - 31, LARGEST];
    const many = [...edges, ...count(20, i => 100 + i)].sort((a, b) => a - b);
    const without = many.filter(each => !edges.includes(each));
    assert.deepEqual(found(runs(many, without)), [edges, without]);
    const only = many.filter(each => each !== 0 && each !== LARGEST);
    assert.deepEqual(found(runs(many, only, only)), [[0, LARGEST], [], only]);
  });

  it('are those of a wide set, beside one that is not so wide', () => {
    const narrow = count(40);
    const wide = [...narrow, ...count(40, i => LARGEST - i)];
    assert.deepEqual(found(runs(wide, narrow)), [wide.slice(40).sort((a, b) => a - b), narrow]);
    assert.deepEqual(found(runs(narrow, wide, narrow)), [[], [], narrow]);
    assert.deepEqual(
      found(
        runs(
          narrow,
          count(40, i => LARGEST - i),
        ),
      ),
      [narrow, []],
    );
  });

  it('are not told from what lies behind a set in the heap', () => {
    const wide = count(512);
    const narrow = count(40);
    const [path, filler] = [runs(wide, narrow, wide, wide), 2];
    assert.deepEqual(found(path.subarray(0, filler)), [wide.slice(40), narrow]);
  });

  it('are those of whole words', () => {
    const all = count(128);
    assert.deepEqual(found(runs(all)), [all]);
    assert.deepEqual(found(runs(all, all.slice(32))), [all.slice(0, 32), all.slice(32)]);
  });

  it('leave nothing behind for the next look', () => {
    const many = count(300, i => 5 * i);
    const first = found(runs(many, many.slice(1), [5, 10]));
    assert.deepEqual(found(runs([1, 2], [2])), [[1], [2]]);
    assert.deepEqual(found(runs(count(17), [16])), [count(16), [16]]);
    assert.deepEqual(found(runs(many, many.slice(1), [5, 10])), first);
  });
});
