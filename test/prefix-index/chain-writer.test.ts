import { assert } from 'chai';
import type { BlockLanes } from '../../src/domain.ts';
import { ChainWriter } from '../../src/prefix-index/chain-writer.ts';
import { EngineHashes } from '../../src/prefix-index/engine-hashes.ts';
import { Arena, LINE, LINE_SHIFT } from '../../src/prefix-index/memory/arena.ts';
import { BuddyAllocator } from '../../src/prefix-index/memory/buddy-allocator.ts';
import { RunMap } from '../../src/prefix-index/run-map.ts';
import { blockAt } from '../../src/prompt/blocks.ts';
import { engineLanes } from '../support/blocks.ts';

const LINES = 12;
const CAPACITY = LINES * LINE;
/** Who writes. */
const [A, B] = [1, 2];

describe('the writer of chains', () => {
  let arena: Arena;
  let runs: RunMap;
  let engineHashes: EngineHashes;
  let writer: ChainWriter;
  let hashes: number;

  beforeEach(() => withRoomFor(CAPACITY));

  /** The arena knows what lies where, and what is kept for later. */
  afterEach(() => {
    const blocksIn = new Map<number, number>();
    for (const run of runs.all()) {
      for (let position = runs.offset(run); position < runs.end(run); position++) {
        assert.equal(runs.at(position), run);
        const line = position >> LINE_SHIFT;
        blocksIn.set(line, (blocksIn.get(line) ?? 0) + 1);
      }
    }
    arena.check(blocksIn);
  });

  function withRoomFor(capacity: number): void {
    arena = new Arena(capacity);
    const heap = new BuddyAllocator(1 << 12);
    runs = new RunMap({ arena, heap, maxRuns: 50, maxPositions: capacity + 2 * LINE, seed: 5 });
    engineHashes = new EngineHashes(arena, { capacity, maxHolders: 4, seed: 5 });
    writer = new ChainWriter(arena, runs, engineHashes);
    hashes = 0;
  }

  /** Hashes that nothing else has. */
  const lanesOf = (count: number) => Uint32Array.from({ length: 2 * count }, () => ++hashes) as BlockLanes;

  interface Written {
    readonly last: number;
    /** Where each part is: the position of its first block, and how many they are. */
    readonly parts: readonly (readonly [first: number, count: number])[];
    /** Of all its blocks, in order. */
    readonly positions: readonly number[];
  }

  function write(holder: number, after: number, count: number, lanes = lanesOf(count), from = 0): Written {
    const parts: [number, number][] = [];
    const blocks = { lanes, engineHashes: undefined, from, count };
    const last = writer.write(holder, after, blocks, (...part) => parts.push(part));
    const positions = parts.flatMap(([first, blocks]) => Array.from({ length: blocks }, (_, i) => first + i));
    for (const [i, position] of positions.entries()) {
      const block = blockAt({ blockSizeTokens: 1, length: count, lanes }, from + i);
      assert.deepEqual(arena.hashAt(position), block);
      assert.isTrue(runs.sets.has(runs.at(position), holder));
    }
    if (last !== 0) assert.equal(last, positions.at(-1));
    return { last, parts, positions };
  }

  it('writes a chain side by side, as one run', () => {
    const { parts, last } = write(A, 0, 20);
    assert.lengthOf(parts, 1);
    const [run] = runs.all();
    assert.deepEqual([runs.offset(run!), runs.end(run!)], [parts[0]![0], last + 1]);
    assert.equal(runs.sets.count(run!), 1);
    assert.equal(arena.blocks, 20);
    assert.notInclude(write(A, 0, 1).positions, 0);
  });

  it('writes the part of a chain that is wanted', () => {
    write(A, 0, 3, lanesOf(10), 5);
    assert.equal(arena.blocks, 3);
  });

  it('goes on right behind the block that is followed, in the same run', () => {
    const { last, parts } = write(A, 0, 3);
    const more = write(A, last, 2);
    assert.deepEqual(more.parts, [[last + 1, 2]]);
    assert.lengthOf(runs.all(), 1);
    const most = write(A, more.last, 30);
    assert.equal(most.parts[0]![0], more.last + 1);
    assert.lengthOf(runs.all(), 1);
    assert.equal(runs.end(runs.all()[0]!), parts[0]![0] + 35);
  });

  it('goes on right behind it in another run, if others hold what it follows', () => {
    const { last } = write(A, 0, 3);
    const more = write(B, last, 2);
    assert.deepEqual(more.parts, [[last + 1, 2]]);
    const [head, tail] = [runs.at(last), runs.at(more.last)];
    assert.deepEqual([runs.next(head), runs.previous(tail)], [tail, head]);
    assert.isFalse(runs.sets.has(tail, A));

    runs.sets.add(tail, A);
    const both = write(A, more.last, 1);
    assert.notEqual(runs.at(both.last), tail, 'nobody gets blocks that only one has stored');
  });

  it('keeps room behind what follows another block, for what will follow that', () => {
    const { last } = write(A, 0, 3);
    write(A, last, 1);
    const branch = write(A, last, 1);
    const others = Array.from({ length: 3 }, () => write(B, 0, LINE));
    const grown = write(A, branch.last, 3 * LINE);
    assert.deepEqual(grown.parts, [[branch.last + 1, 3 * LINE]]);
    assert.lengthOf(new Set([...grown.positions, ...others.flatMap(({ positions }) => positions)]), 6 * LINE);
  });

  it('branches elsewhere from a block in the middle, and knows what that was', () => {
    const { positions } = write(A, 0, 5);
    const branch = write(B, positions[2]!, 2);
    assert.notInclude(positions, branch.positions[0]);
    const run = runs.at(branch.last);
    assert.deepEqual([runs.previous(run), runs.parentOf(run)], [0, runs.at(positions[2]!)]);
    assert.equal(runs.offset(runs.at(positions[4]!)), positions[0], 'the chain itself is as before');
  });

  it('goes elsewhere when other blocks lie right behind', () => {
    const { last } = write(A, 0, LINE);
    const other = write(B, 0, LINE);
    assert.equal(other.positions[0], last + 1);
    const more = write(A, last, 3);
    assert.isAbove(more.positions[0]!, other.last);
    assert.equal(runs.parentOf(runs.at(more.last)), runs.at(last));
    assert.equal(runs.previous(runs.at(more.last)), 0);
  });

  it('fills what is left of a line, and goes on elsewhere', () => {
    const { last } = write(A, 0, 3);
    write(B, 0, LINE);
    const { parts } = write(A, last, LINE);
    assert.deepEqual(
      parts.map(([, count]) => count),
      [LINE - 3, 3],
    );
    const [first, second] = parts.map(([position]) => runs.at(position));
    assert.equal(first, runs.at(last));
    assert.equal(runs.parentOf(second!), first);
  });

  it('puts a chain into the pieces that there are, if there is no room for it in one', () => {
    const all = Array.from({ length: LINES }, (_, i) => write(i % 2 === 0 ? A : B, 0, LINE));
    for (const { positions } of all.filter((_, i) => i % 2 === 0)) {
      runs.destroy(runs.at(positions[0]!));
      arena.vacate(positions[0]!, LINE);
    }
    const { parts, last } = write(A, 0, 3 * LINE);
    assert.deepEqual(
      parts.map(([, count]) => count),
      [LINE, LINE, LINE],
    );
    const pieces = parts.map(([first]) => runs.at(first));
    assert.deepEqual(pieces.map(runs.parentOf), [0, pieces[0], pieces[1]]);
    assert.equal(runs.at(last), pieces[2]);
  });

  it('does not put blocks into a hole of another chain', () => {
    const { positions } = write(A, 0, LINE);
    const run = runs.at(positions[0]!);
    const tail = runs.cut(run, positions[6]!);
    runs.dropLast(run, 2);
    arena.vacate(positions[4]!, 2);
    const more = write(A, positions[3]!, 3);
    assert.deepEqual(more.positions.slice(0, 2), [positions[4], positions[5]], 'up to what lies behind it');
    assert.notEqual(runs.at(more.last), tail);
    assert.equal(runs.at(positions[6]!), tail);
  });

  it('says so when there is no room for all, and tells what is there', () => {
    write(B, 0, (LINES - 2) * LINE);
    const { last, positions } = write(A, 0, 3 * LINE);
    assert.equal(last, 0);
    assert.lengthOf(positions, 2 * LINE);
    assert.equal(arena.blocks, CAPACITY);
    const none = write(A, 0, 1);
    assert.deepEqual([none.last, none.parts], [0, []]);
  });

  it('writes what engines call the blocks', () => {
    const lanes = lanesOf(3);
    const named = engineLanes(9, 1, 9, 2, 9, 3, 9, 4);
    const at: number[] = [];
    const blocks = { lanes, engineHashes: named, from: 1, count: 2 };
    writer.write(A, 0, blocks, first => at.push(first));
    assert.deepEqual([engineHashes.find(A, 9, 2), engineHashes.find(A, 9, 3)], [at[0], at[0]! + 1]);
    assert.deepEqual([engineHashes.find(A, 9, 1), engineHashes.find(A, 9, 4)], [0, 0]);
    assert.isEmpty(writer.refused);
  });

  it('leaves no name of what was there before', () => {
    const named = { lanes: lanesOf(2), engineHashes: engineLanes(9, 1, 9, 2), from: 0, count: 2 };
    const last = writer.write(A, 0, named, () => {});
    runs.destroy(runs.at(last));
    engineHashes.forgetBlocks(last - 1, 2);
    arena.engines.fill(7, 2 * (last - 1), 2 * (last + 1));
    arena.vacate(last - 1, 2);
    const { positions } = write(A, 0, 2);
    assert.equal(positions[1], last);
    assert.deepEqual([...arena.engines.subarray(2 * positions[0]!, 2 * last + 2)], [0, 0, 0, 0]);
  });

  it('notes the blocks that nothing could remove again', () => {
    const count = 1_000;
    withRoomFor(count);
    const blocks = {
      lanes: lanesOf(count),
      engineHashes: engineLanes(...new Array<number>(2 * count).fill(7)),
      from: 0,
      count,
    };
    const last = writer.write(A, 0, blocks, () => {});
    assert.isAbove(last, 0);
    assert.isAbove(writer.refused.length, 100);
    for (const refused of writer.refused) {
      assert.isTrue(refused > last - count && refused <= last);
      assert.isFalse(engineHashes.isOf(A, refused, 7, 7));
    }
  });
});
