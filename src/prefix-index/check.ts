/**
 * All invariants of the index, checked against one another. Takes time proportional to all that it holds: for tests, and for
 * whoever changes the structure.
 */

import type { Copies } from './copies.ts';
import type { EngineHashes } from './engine-hashes.ts';
import { expect } from './expect.ts';
import type { HolderExtents } from './holder-extents.ts';
import { type Arena, LINE_SHIFT } from './memory/arena.ts';
import type { RunMap } from './run-map.ts';

export interface IndexParts {
  readonly arena: Arena;
  readonly runs: RunMap;
  readonly engineHashes: EngineHashes;
  readonly holderExtents: HolderExtents;
  readonly copies: Copies;
  readonly maxHolders: number;
}

/** Throws what is wrong. Returns how many (block, holder) pairs there are. */
export function checkIndex({
  arena,
  runs,
  engineHashes,
  holderExtents,
  copies,
  maxHolders,
}: IndexParts): number {
  /** Position → its run; whoever holds a run → how many blocks. */
  const runAt = new Map<number, number>();
  const held = new Map<number, number>();
  const holds = (holder: number, position: number) => {
    const run = runAt.get(position);
    return run !== undefined && runs.sets.has(run, holder);
  };

  const all = new Set(runs.all());
  for (const run of all) {
    const offset = runs.offset(run);
    const end = runs.end(run);
    expect(end > offset, `run ${run} has blocks`);
    for (let position = offset; position < end; position++) {
      expect(!runAt.has(position), `position ${position} belongs to one run`);
      expect(runs.at(position) === run, `run ${run} is found by position ${position}`);
      runAt.set(position, run);
    }
    const first = arena.hashAt(offset);
    expect(runs.startingWith(first.hi, first.lo) === run, `run ${run} is found by its first block`);
    expect(runs.knowsItsEnds(run), `run ${run} knows its first and its last block`);

    let holders = 0;
    runs.sets.forEach(run, holder => {
      holders++;
      held.set(holder, (held.get(holder) ?? 0) + end - offset);
      expect(runs.sets.has(run, holder), `holder ${holder} is found in the set of run ${run}`);
    });
    expect(holders > 0 && holders === runs.sets.count(run), `run ${run} has ${holders} holders`);

    const next = runs.next(run);
    if (next === 0) continue;
    expect(all.has(next) && runs.offset(next) === end, `run ${next} lies behind run ${run}`);
    expect(runs.previous(next) === run, `run ${next} knows run ${run} before it`);
    expect(!runs.sets.equal(run, next), `runs ${run} and ${next} have different holders`);
  }
  for (const run of all) {
    const previous = runs.previous(run);
    expect(previous === 0 || runs.next(previous) === run, `run ${previous} knows run ${run} behind it`);
  }
  const byAge = [...runs.lru];
  expect(byAge.length === all.size && byAge.every(run => all.has(run)), 'each run has its age');

  let entries = 0;
  for (let holder = 0; holder < maxHolders; holder++) {
    const blocks = held.get(holder) ?? 0;
    expect(holderExtents.held(holder) === blocks, `holder ${holder} holds ${blocks} blocks`);
    entries += blocks;
    if (blocks === 0) continue;
    const listed = new Set<number>();
    holderExtents.forEach(holder, (position, count) => {
      for (let i = 0; i < count; i++) if (holds(holder, position + i)) listed.add(position + i);
    });
    expect(listed.size === blocks, `all that holder ${holder} holds is listed`);
  }

  copies.forEach((holder, position, further) => {
    expect(further > 0 && holds(holder, position), `holder ${holder} has copies of what it holds`);
  });
  copies.check();

  const blocksIn = new Map<number, number>();
  for (const position of runAt.keys()) {
    blocksIn.set(position >> LINE_SHIFT, (blocksIn.get(position >> LINE_SHIFT) ?? 0) + 1);
  }
  expect(arena.blocks === runAt.size, `${runAt.size} blocks`);
  arena.check(blocksIn);
  engineHashes.check(runAt.keys(), holds);
  return entries;
}
