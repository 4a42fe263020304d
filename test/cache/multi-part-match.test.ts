import { assert } from 'chai';
import fc from 'fast-check';
import type { MultiPart } from '../../src/cache/holders.ts';
import { multiPartMatch } from '../../src/cache/multi-part-match.ts';
import { type Place, START } from '../../src/prefix-index/prefix-index.ts';
import { RunIndex } from '../../src/prefix-index/run-index.ts';
import { chainOf, engineHashesOf, engineHashIn, holder } from '../support/blocks.ts';

const LENGTH = 10;
const ALL = Number.POSITIVE_INFINITY;

/** Positions of a prompt's blocks that a part holds. */
type Held = readonly number[];

interface Case {
  readonly gpu: Held;
  /** undefined: on the GPU only. */
  readonly offGpu?: { readonly cpu: Held; readonly storage: Held } | undefined;
  /** Of each secondary group what it holds and what it needs. */
  readonly groups?: readonly Group[];
}

interface Group {
  /** Its cells are of so many blocks of the main group: 1 if it is left out. */
  readonly cellBlocks?: number;
  /** By their last blocks: cells that it has whole. */
  readonly held: Held;
  /** Cells of which it has at least the end. */
  readonly ends?: Held | undefined;
  /** How many whole cells are needed. */
  readonly blocks: number;
}

const GPU = holder(0);
const TIERS = { cpu: holder(1), storage: holder(2), anywhere: holder(3) };
const SOMEBODY_ELSE = holder(9);

/** What a rank that holds just this would reuse of a prompt of ten blocks. */
function depthOf({ gpu, offGpu, groups = [] }: Case) {
  const index = new RunIndex({ capacityBytes: 1 << 20, maxHolders: 16 });
  const chain = chainOf(Array.from({ length: LENGTH }, (_, i) => i));
  const engineHashes = engineHashesOf(chain);
  index.store(SOMEBODY_ELSE, chain, { after: START, engineHashes, again: 'copy' });
  const places: Place[] = Array.from({ length: LENGTH }, (_, position) =>
    index.locate(SOMEBODY_ELSE, engineHashIn(engineHashes, position)),
  ).map(place => place!);
  const hold = (by: typeof GPU, positions: Held) => {
    for (const position of positions) index.storeAt(by, places[position]!, undefined);
  };
  hold(GPU, gpu);
  if (offGpu !== undefined) {
    hold(TIERS.cpu, offGpu.cpu);
    hold(TIERS.storage, offGpu.storage);
    hold(TIERS.anywhere, [...new Set([...gpu, ...offGpu.cpu, ...offGpu.storage])]);
  }
  const needs = groups.map(({ held, ends, blocks, cellBlocks = 1 }, i) => {
    const [whole, before] = [holder(4 + i), ends && holder(10 + i)];
    hold(whole, held);
    if (before !== undefined) hold(before, [...new Set([...held, ...ends!])]);
    return { holder: whole, before, cells: blocks, cellBlocks };
  });
  index.clear(SOMEBODY_ELSE);
  const hybrid = { alignBlocks: alignOf(groups), needs };
  const multiPart: MultiPart = {
    ...{ slot: 0, gpu: GPU, tiers: offGpu && TIERS },
    hybrid: groups.length === 0 ? undefined : hybrid,
  };
  return multiPartMatch(index.find(chain), multiPart);
}

/** The same, block by block. */
function naive({ gpu, offGpu, groups = [] }: Case) {
  const tierOf = (position: number) => {
    if (gpu.includes(position)) return 'gpu';
    if (offGpu?.cpu.includes(position)) return 'cpu';
    return offGpu?.storage.includes(position) ? 'storage' : undefined;
  };
  const suits = (depth: number) =>
    depth % alignOf(groups) === 0 &&
    positions(0, depth).every(position => tierOf(position) !== undefined) &&
    groups.every(({ held, ends, blocks, cellBlocks = 1 }) => {
      const cells = depth / cellBlocks;
      const first = Math.max(0, cells - blocks);
      const endOf = (cell: number) => (cell + 1) * cellBlocks - 1;
      const isWhole = positions(first, cells).every(cell => held.includes(endOf(cell)));
      const before = endOf(first - 1);
      return isWhole && (first === 0 || ends === undefined || [...held, ...ends].includes(before));
    });
  let depth = LENGTH;
  while (!suits(depth)) depth--;
  const tiers = positions(0, depth).map(tierOf);
  const count = (tier: string) => tiers.filter(each => each === tier).length;
  return { depth, gpu: count('gpu'), cpu: count('cpu'), storage: count('storage') };
}

/** Blocks in the shortest length that has whole cells of all groups. */
function alignOf(groups: NonNullable<Case['groups']>): number {
  let align = 1;
  while (groups.some(({ cellBlocks = 1 }) => align % cellBlocks !== 0)) align++;
  return align;
}

function positions(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

describe('how much is reused of what lies in several parts', () => {
  const cases: [title: string, given: Case, expected: Partial<ReturnType<typeof naive>>][] = [
    ['nothing, where nothing is held', { gpu: [] }, { depth: 0, gpu: 0, cpu: 0, storage: 0 }],
    ['what is on the GPU, up to its first hole', { gpu: [0, 1, 3] }, { depth: 2, gpu: 2 }],
    [
      'what is in any tier, from the fastest that has it',
      { gpu: [0, 4], offGpu: { cpu: [0, 1, 2], storage: [2, 3, 6] } },
      { depth: 5, gpu: 2, cpu: 2, storage: 1 },
    ],
    [
      'all up to the last place where the window of another group is whole',
      { gpu: positions(0, 9), groups: [{ held: [2, 3, 4, 7], blocks: 2 }] },
      { depth: 5, gpu: 5 },
    ],
    [
      'nothing, where the window of another group is nowhere whole',
      { gpu: positions(0, 9), groups: [{ held: [2, 5], blocks: 2 }] },
      { depth: 0, gpu: 0 },
    ],
    [
      'what is shorter than a window, if the group has all of it',
      { gpu: positions(0, 9), groups: [{ held: [0, 1, 5], blocks: 4 }] },
      { depth: 2 },
    ],
    [
      'all up to the last state that is held',
      { gpu: positions(0, 9), groups: [{ held: [0, 3, 9], blocks: 1 }] },
      { depth: 4 },
    ],
    [
      'only what another group holds from the start on, if it needs all',
      { gpu: positions(0, 9), groups: [{ held: [0, 1, 2, 4], blocks: ALL }] },
      { depth: 3 },
    ],
    [
      'what suits every group at once',
      {
        gpu: positions(0, 10),
        groups: [
          { held: [1, 4, 7], blocks: 1 },
          { held: [3, 4, 6, 8], blocks: 2 },
        ],
      },
      { depth: 5 },
    ],
    [
      'all up to where a window that begins inside of a cell has that cell’s end',
      { gpu: positions(0, 10), groups: [{ held: [2, 3, 6, 7], ends: [5], blocks: 2 }] },
      { depth: 8 },
    ],
    [
      'less, where the cell that a window begins in has no end',
      { gpu: positions(0, 10), groups: [{ held: [0, 1, 6, 7], ends: [4], blocks: 2 }] },
      { depth: 2 },
    ],
    [
      'what ends with a block of each size',
      { gpu: positions(0, 10), groups: [{ held: [3, 7], cellBlocks: 4, blocks: 1 }] },
      { depth: 8 },
    ],
    [
      'what ends with a block of each size, and has the larger ones before it',
      {
        gpu: positions(0, 10),
        groups: [
          { held: [1, 3, 7, 9], cellBlocks: 2, blocks: 2 },
          { held: [5, 8], cellBlocks: 3, blocks: 1 },
        ],
      },
      { depth: 0 },
    ],
    [
      'what suits all groups, and of that what is where',
      {
        ...{ gpu: [0, 1], offGpu: { cpu: positions(2, 5), storage: positions(5, 10) } },
        groups: [{ held: [6], blocks: 1 }],
      },
      { depth: 7, gpu: 2, cpu: 3, storage: 2 },
    ],
  ];
  for (const [title, given, expected] of cases) {
    it(`is ${title}`, () => {
      assert.include(depthOf(given), expected);
      assert.include(naive(given), expected);
    });
  }

  it('is what a look at each block says', function () {
    this.timeout(20_000);
    // Long extents are as likely as single blocks.
    const held = fc.oneof(
      fc.subarray(positions(0, LENGTH)),
      fc.tuple(fc.nat(LENGTH), fc.nat(LENGTH)).map(([a, b]) => positions(Math.min(a, b), Math.max(a, b))),
      fc.nat(LENGTH).map(end => positions(0, end)),
    );
    const group = fc.record({
      ...{ held, ends: fc.option(held, { nil: undefined }) },
      blocks: fc.oneof(fc.integer({ min: 1, max: 5 }), fc.constant(ALL)),
      cellBlocks: fc.constantFrom(1, 1, 1, 2, 3, 4),
    });
    const offGpu = fc.option(fc.record({ cpu: held, storage: held }), { nil: undefined });
    fc.assert(
      fc.property(fc.record({ gpu: held, offGpu, groups: fc.array(group, { maxLength: 3 }) }), given => {
        assert.deepEqual(depthOf(given), naive(given));
      }),
      { numRuns: 300 },
    );
  });
});
