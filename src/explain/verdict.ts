import type { RoutedDecision } from '../domain.ts';
import {
  type Candidate,
  type Considered,
  type CostCompared,
  candidateAt,
  type PrefixComparison,
} from '../routing/route.ts';
import { percentOf, rounded } from './score.ts';

/** A few plain words on why the candidate with the index `at` won, or lost. */
export function verdictOn(at: number, decision: RoutedDecision, considered: Considered): string {
  const candidate = candidateAt(at, considered.candidates);
  const why =
    at === considered.winner
      ? whyItWon(candidate, decision, considered)
      : whyItLost(candidate, candidateAt(considered.winner, considered.candidates), decision, considered);
  return why + madeOf(candidate, decision);
}

/** What a weighted sum is made of, where that is a few words. */
function madeOf({ shares }: Candidate, { strategy }: RoutedDecision): string {
  if (shares === undefined || strategy.kind !== 'weighted' || shares.length > MAX_SHOWN) return '';
  const parts = strategy.members.map(({ weight }, i) => `${rounded(shares[i]!)} × ${weight}`);
  const total = strategy.members.reduce((sum, { weight }) => sum + weight, 0);
  return `: (${parts.join(' + ')}) ÷ ${rounded(total)}`;
}

const MAX_SHOWN = 4;

function whyItWon(
  candidate: Candidate,
  { reason }: RoutedDecision,
  { compared, pods, matchesAre }: Considered,
): string {
  switch (reason) {
    case 'response_owner':
      return 'made the response that the request names';
    case 'trial':
      return 'fails, and is tried';
    case 'session_id':
    case 'session_key':
      return 'has the session';
  }
  if (pods === 1) return 'the only one';
  const { running } = candidate;
  switch (compared.kind) {
    case 'prefix':
      if (reason !== 'prefix_match' && reason !== 'history_match') return 'least loaded';
      return matchesAre === 'blocks' ? 'holds the most, not too busy' : 'got most of it before, not too busy';
    case 'cost':
      return `soonest: ${costOf(candidate, compared)}`;
    case 'load':
      return `least loaded: ${running}`;
    case 'engines':
      return 'the least, by its engine';
    case 'weighted':
      return 'the highest score';
    case 'turn':
      return 'its turn';
    case 'two_drawn':
      return 'drawn, not the busier of two';
    case 'other':
      return 'drawn at random';
  }
}

function whyItLost(
  candidate: Candidate,
  winner: Candidate,
  decision: RoutedDecision,
  considered: Considered,
): string {
  const { compared } = considered;
  switch (compared.kind) {
    case 'prefix':
      return whyNotByPrefix(candidate, winner, compared, considered);
    case 'cost':
      return `${rounded(candidate.score!, 1) > rounded(winner.score!, 1) ? 'later' : EQUAL}: ${costOf(candidate, compared)}`;
    case 'load':
      return byLoad(candidate, winner);
    case 'engines':
    case 'weighted': {
      const { score = Number.NaN } = candidate;
      if (Number.isNaN(score)) return 'its engine has not said';
      if (rounded(score) !== rounded(winner.score ?? Number.NaN))
        return compared.kind === 'engines' ? 'more, by its engine' : 'a lower score';
      return compared.kind === 'engines' ? byLoad(candidate, winner) : EQUAL;
    }
    case 'turn':
      return 'not its turn';
    case 'two_drawn':
      return compared.drawn.some(({ pod }) => pod === candidate.pod.name)
        ? byLoad(candidate, winner)
        : 'not drawn';
    case 'other':
      return decision.reason === 'random' ? 'not drawn' : 'not the one';
  }
}

/** What is expected there. */
function costOf({ score, queued, pod }: Candidate, { zonePenaltyMs }: CostCompared): string {
  const ms = `${rounded(score!, 1)} ms`;
  const waiting = queued! > 0 ? `, ${Math.round(queued!)} tokens queued` : '';
  return ms + waiting + (zonePenaltyMs > 0 && pod.zone !== undefined ? `, zone ${pod.zone}` : '');
}

const EQUAL = 'equal, another was drawn';

function whyNotByPrefix(
  candidate: Candidate,
  winner: Candidate,
  { imbalanced, bound, holders, tooBusy }: PrefixComparison,
  { least, matchesAre }: Considered,
): string {
  const { running } = candidate;
  const percent = percentOf(candidate);
  if (imbalanced && running > least) return `not looked at: busier by ${running - least}`;
  if (holders > tooBusy) {
    if (candidate.matchedBlocks === 0)
      return matchesAre === 'blocks' ? 'holds nothing of it' : 'got nothing of it';
    if (running > bound) return `too busy: ${running} > ${rounded(bound, 2)}`;
    if (percent < percentOf(winner)) return matchesAre === 'blocks' ? 'holds less' : 'got less of it';
    return running > winner.running ? 'as much, but busier' : EQUAL;
  }
  return candidate.matchedBlocks > 0
    ? `too busy: ${running} > ${rounded(bound, 2)}`
    : byLoad(candidate, winner);
}

function byLoad({ running }: Candidate, winner: Candidate): string {
  return running > winner.running ? 'busier' : EQUAL;
}
