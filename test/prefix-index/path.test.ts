import { assert } from 'chai';
import fc from 'fast-check';
import { HolderSets } from '../../src/prefix-index/holder-sets.ts';
import { BuddyAllocator } from '../../src/prefix-index/memory/buddy-allocator.ts';
import { Path } from '../../src/prefix-index/path.ts';
import { RUN_SHIFT } from '../../src/prefix-index/runs.ts';
import { depthsOf, holder } from '../support/blocks.ts';

interface Step {
  readonly blocks: number;
  readonly holders: readonly number[];
}

/** A path through runs of so many blocks, held by these. */
function pathOf(steps: readonly Step[]): Path {
  const heap = new BuddyAllocator(1 << 16);
  const sets = new HolderSets(new Uint32Array((steps.length + 1) << RUN_SHIFT), heap);
  const path = new Path({ sets, offset: run => 100 * run }, heap).reserve(steps.length);
  let depth = 0;
  for (const [i, { blocks, holders }] of steps.entries()) {
    for (const each of holders) sets.add(i + 1, each);
    depth += blocks;
    path.runs[i] = i + 1;
    path.depths[i] = depth;
  }
  path.length = steps.length;
  return path;
}

/** Holder → depth, of those that hold the first run. */
function naive(steps: readonly Step[]): Map<number, number> {
  const depths = new Map<number, number>();
  for (const each of steps[0]?.holders ?? []) {
    let depth = 0;
    for (const { blocks, holders } of steps) {
      if (!holders.includes(each)) break;
      depth += blocks;
    }
    depths.set(each, depth);
  }
  return depths;
}

function toldBy(path: Path): [holder: number, depth: number][] {
  const told: [number, number][] = [];
  path.forEachLayer((depth, holders, from, to) => {
    for (const each of holders.subarray(from, to)) told.push([each, depth]);
  });
  return told;
}

const byHolder = (depths: Iterable<readonly [number, number]>) => [...depths].sort(([a], [b]) => a - b);

describe('the path through a prompt', () => {
  it('is empty where nothing is found', () => {
    const path = pathOf([]);
    assert.deepEqual([path.extents, path.layers(), path.depthOf(holder(0))], [0, [], 0]);
    assert.isEmpty(toldBy(path));
  });

  it('tells how far each holder holds it, deepest first', () => {
    const path = pathOf([
      { blocks: 5, holders: [0, 1, 2] },
      { blocks: 3, holders: [0, 2] },
      { blocks: 1, holders: [2] },
    ]);
    assert.deepEqual(toldBy(path), [
      [2, 9],
      [0, 8],
      [1, 5],
    ]);
    assert.deepEqual(
      [0, 1, 2, 3].map(each => path.depthOf(holder(each))),
      [8, 5, 9, 0],
    );
  });

  it('lets nobody go on behind a hole', () => {
    const path = pathOf([
      { blocks: 2, holders: [0, 1] },
      { blocks: 2, holders: [1] },
      { blocks: 2, holders: [0, 1, 2] },
    ]);
    assert.deepEqual(path.layers(), [
      { depth: 6, holders: [holder(1)] },
      { depth: 2, holders: [holder(0)] },
    ]);
    assert.equal(path.depthOf(holder(2)), 0);
  });

  it('tells its extents, and who holds each', () => {
    const path = pathOf([
      { blocks: 2, holders: [0] },
      { blocks: 3, holders: [1] },
    ]);
    assert.deepEqual([path.extents, path.endOf(0), path.endOf(1)], [2, 2, 5]);
    assert.deepEqual([path.holds(0, holder(0)), path.holds(0, holder(1))], [true, false]);
    assert.isTrue(path.holds(1, holder(1)), 'whatever it holds of those before');
  });

  it('may have many steps', () => {
    const path = pathOf(
      Array.from({ length: 1_000 }, (_, i) => ({ blocks: 1, holders: i < 999 ? [0, 1] : [1] })),
    );
    assert.deepEqual(path.layers(), [
      { depth: 1_000, holders: [holder(1)] },
      { depth: 999, holders: [holder(0)] },
    ]);
  });

  it('tells what a look at each holder tells', () => {
    /** Few holders and many, of small numbers and large ones. */
    const holders = fc.oneof(
      fc.subarray([0, 1, 2, 3]),
      fc.subarray(Array.from({ length: 12 }, (_, i) => 31 * i)),
      fc.subarray(
        Array.from({ length: 80 }, (_, i) => i),
        { minLength: 60 },
      ),
      fc.subarray(
        Array.from({ length: 40 }, (_, i) => 50 * i),
        { minLength: 20 },
      ),
    );
    const steps = fc.array(fc.record({ blocks: fc.integer({ min: 1, max: 5 }), holders }), { maxLength: 6 });
    fc.assert(
      fc.property(steps, given => {
        const path = pathOf(given);
        const expected = naive(given);
        assert.deepEqual(byHolder(depthsOf(path.layers())), byHolder(expected));
        const told = toldBy(path);
        assert.deepEqual(byHolder(told), byHolder(expected));
        assert.isTrue(told.every(([, depth], i) => i === 0 || depth <= told[i - 1]![1]));
        for (const each of new Set(given.flatMap(step => step.holders))) {
          assert.equal(path.depthOf(holder(each)), expected.get(each) ?? 0);
        }
      }),
      { numRuns: 200 },
    );
  });
});
