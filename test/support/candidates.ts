/** Snapshots for policies, and chance that repeats. */
import { assert } from 'chai';
import type { Candidate, Snapshot } from '../../src/routing/policy.ts';
import { aPod } from './builders.ts';

/** Named pods in order: `[running, matchedBlocks, totalBlocks]`. */
export type Row = readonly [running: number, matched?: number, total?: number];

function candidates(rows: readonly Row[]): Candidate[] {
  return rows.map(([running, matchedBlocks = 0, totalBlocks = 10], i) => ({
    pod: aPod({ name: 'abcdefgh'[i]!, port: 8_000 + i }),
    running,
    matchedBlocks,
    totalBlocks,
  }));
}

export function snapshotOf(rows: readonly Row[], random: () => number = Math.random, turn = 0): Snapshot {
  return { candidates: candidates(rows), random, turn };
}

/** Deterministic and uniform (mulberry32). */
export function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** How often each pod is picked. */
export function tally(
  pick: (random: () => number, turn: number) => string,
  times = 6_000,
): Record<string, number> {
  const random = generator(42);
  const counts: Record<string, number> = {};
  for (let turn = 0; turn < times; turn++) {
    const name = pick(random, turn);
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

export function assertUniform(counts: Record<string, number>, names: string, times = 6_000): void {
  assert.sameMembers(Object.keys(counts), [...names]);
  const expected = times / names.length;
  // Six standard deviations of a binomial; the generator is seeded, so this never flickers.
  for (const count of Object.values(counts)) assert.closeTo(count, expected, 6 * Math.sqrt(expected));
}
