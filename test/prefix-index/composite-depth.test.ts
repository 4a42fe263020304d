import { assert } from 'chai';
import fc from 'fast-check';
import { compositeDepth } from '../../src/prefix-index/composite-depth.ts';
import type { Composite } from '../../src/prefix-index/holders.ts';
import { type Place, START } from '../../src/prefix-index/prefix-index.ts';
import { RunIndex } from '../../src/prefix-index/run-index.ts';
import { blockAt } from '../../src/prompt/blocks.ts';
import { chainOf, engineHashesOf, holder } from '../support/blocks.ts';

const LENGTH = 10;
const ALL = Number.POSITIVE_INFINITY;

/** Positions of a prompt's blocks that a part holds. */
type Held = readonly number[];

interface Case {
  readonly gpu: Held;
  /** undefined: on the GPU only. */
  readonly elsewhere?: { readonly cpu: Held; readonly storage: Held } | undefined;
  /** Of each further group what it holds and what it needs. */
  readonly groups?: readonly { readonly held: Held; readonly blocks: number }[];
}

const GPU = holder(0);
const TIERS = { cpu: holder(1), storage: holder(2), anywhere: holder(3) };
const SOMEBODY_ELSE = holder(9);

/** What a rank that holds just this would reuse of a prompt of ten blocks. */
function depthOf({ gpu, elsewhere, groups = [] }: Case) {
  const index = new RunIndex({ capacityBytes: 1 << 20, maxHolders: 16 });
  const chain = chainOf(Array.from({ length: LENGTH }, (_, i) => i));
  const engineHashes = engineHashesOf(chain);
  index.store(SOMEBODY_ELSE, chain, { after: START, engineHashes, again: 'copy' });
  const places: Place[] = Array.from({ length: LENGTH }, (_, position) =>
    index.locate(SOMEBODY_ELSE, blockAt({ ...chain, lanes: engineHashes }, position)),
  ).map(place => place!);
  const hold = (by: typeof GPU, positions: Held) => {
    for (const position of positions) index.storeAt(by, places[position]!, undefined);
  };
  hold(GPU, gpu);
  if (elsewhere !== undefined) {
    hold(TIERS.cpu, elsewhere.cpu);
    hold(TIERS.storage, elsewhere.storage);
    hold(TIERS.anywhere, [...new Set([...gpu, ...elsewhere.cpu, ...elsewhere.storage])]);
  }
  const needs = groups.map(({ held, blocks }, i) => {
    hold(holder(4 + i), held);
    return { holder: holder(4 + i), blocks };
  });
  index.clear(SOMEBODY_ELSE);
  const composite: Composite = { slot: 0, gpu: GPU, tiers: elsewhere && TIERS, groups: needs };
  return compositeDepth(index.find(chain), composite);
}

/** The same, block by block. */
function naive({ gpu, elsewhere, groups = [] }: Case) {
  const tierOf = (position: number) => {
    if (gpu.includes(position)) return 'gpu';
    if (elsewhere?.cpu.includes(position)) return 'cpu';
    return elsewhere?.storage.includes(position) ? 'storage' : undefined;
  };
  const suits = (depth: number) =>
    positions(0, depth).every(position => tierOf(position) !== undefined) &&
    groups.every(({ held, blocks }) =>
      positions(Math.max(0, depth - blocks), depth).every(position => held.includes(position)),
    );
  let depth = LENGTH;
  while (!suits(depth)) depth--;
  const tiers = positions(0, depth).map(tierOf);
  const count = (tier: string) => tiers.filter(each => each === tier).length;
  return { depth, gpu: count('gpu'), cpu: count('cpu'), storage: count('storage') };
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
      { gpu: [0, 4], elsewhere: { cpu: [0, 1, 2], storage: [2, 3, 6] } },
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
      'what suits all groups, and of that what is where',
      {
        ...{ gpu: [0, 1], elsewhere: { cpu: positions(2, 5), storage: positions(5, 10) } },
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
    // Long stretches are as likely as single blocks.
    const held = fc.oneof(
      fc.subarray(positions(0, LENGTH)),
      fc.tuple(fc.nat(LENGTH), fc.nat(LENGTH)).map(([a, b]) => positions(Math.min(a, b), Math.max(a, b))),
      fc.nat(LENGTH).map(end => positions(0, end)),
    );
    const group = fc.record({ held, blocks: fc.oneof(fc.integer({ min: 1, max: 5 }), fc.constant(ALL)) });
    const elsewhere = fc.option(fc.record({ cpu: held, storage: held }), { nil: undefined });
    fc.assert(
      fc.property(fc.record({ gpu: held, elsewhere, groups: fc.array(group, { maxLength: 3 }) }), given => {
        assert.deepEqual(depthOf(given), naive(given));
      }),
      { numRuns: 300 },
    );
  });
});
