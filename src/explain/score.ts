import { type Candidate, type Compared, type Considered, candidateAt } from '../routing/route.ts';

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
    case 'cost':
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

export function rounded(value: number, decimals = 4): number {
  const scale = 10 ** decimals;
  return Math.round(scale * value) / scale;
}

/** Best first, as the policy compares them, among equals by load and the winner before the others. What leaves it to chance or to the request has its winner first. */
export function ranked(considered: Considered): number[] {
  const { winner, compared } = considered;
  const candidates = considered.candidates.pods.map((_, at) => candidateAt(at, considered.candidates));
  const isUnranked = ['other', 'turn', 'two_drawn'].includes(compared.kind);
  const worthOf = (at: number): number => {
    if (isUnranked) return at === winner ? 1 : 0;
    if (compared.kind === 'load') return 0;
    const score = scoreOf(candidates[at]!, compared) ?? Number.NaN;
    if (Number.isNaN(score)) return Number.NEGATIVE_INFINITY;
    return compared.kind === 'engines' || compared.kind === 'cost' ? -score : score;
  };
  const compare = (a: number, b: number): number => {
    const [worthA, worthB] = [worthOf(a), worthOf(b)];
    if (worthA !== worthB) return worthA > worthB ? -1 : 1;
    const byLoad = candidates[a]!.running - candidates[b]!.running;
    return byLoad !== 0 ? byLoad : Number(b === winner) - Number(a === winner);
  };
  return candidates.map((_, at) => at).sort(compare);
}
