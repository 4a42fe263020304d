/** Snapshots for policies, and chance that repeats. */
import { assert } from 'chai';
import type { Pick, Snapshot } from '../../src/routing/policy.ts';
import { TokenWork } from '../../src/routing/work/token-work.ts';
import { aPod, NO_SESSION, UNKNOWN_LOAD } from './builders.ts';

/** Named pods in order: `[running, matchedBlocks, totalBlocks]`. */
export type Row = readonly [running: number, matched?: number, total?: number];

export function snapshotOf(rows: readonly Row[], random: () => number = Math.random, turn = 0): Snapshot {
  return {
    pods: rows.map((_, i) => aPod({ name: 'abcdefgh'[i]!, port: 8_000 + i })),
    running: rows.map(([running]) => running),
    matchedBlocks: rows.map(([, matched = 0]) => matched),
    totalBlocks: rows.map(([, , total = 10]) => total),
    matchedTokens: rows.map(([, matched = 0]) => 16 * matched),
    offGpu: undefined,
    promptTokens: 16 * Math.max(...rows.map(([, , total = 10]) => total)),
    adapter: undefined,
    work: () => new TokenWork(() => 0).ofAll(rows.map((_, i) => aPod({ port: 8_000 + i }))),
    engineLoad: () => UNKNOWN_LOAD,
    zonePenaltiesMs: undefined,
    session: NO_SESSION,
    random,
    turn,
  };
}

/** The name of the pod that a policy picks. */
export function pickedBy(policy: (snapshot: Snapshot) => Pick | number, snapshot: Snapshot): string {
  const pick = policy(snapshot);
  return snapshot.pods[typeof pick === 'number' ? pick : pick.index]!.name;
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
