import type { Candidate, Compared } from '../routing/route.ts';

/** What the policy compares the candidate by; null: nothing, or its engine has not said. */
export function scoreOf(candidate: Candidate, compared: Compared): number | null {
  switch (compared.kind) {
    case 'prefix':
      return percentOf(candidate);
    case 'load':
    case 'two_drawn':
      return candidate.running;
    case 'engines':
    case 'weighted':
      return candidate.score === undefined || Number.isNaN(candidate.score) ? null : rounded(candidate.score);
    case 'turn':
    case 'other':
      return null;
  }
}

/** How much of the prompt it holds, in whole percents, as policies compare it. */
export function percentOf({ matchedBlocks, totalBlocks }: Candidate): number {
  return matchedBlocks === 0 ? 0 : Math.floor((100 * matchedBlocks) / totalBlocks);
}

/** To four decimals. */
export function rounded(value: number): number {
  return Math.round(10_000 * value) / 10_000;
}
