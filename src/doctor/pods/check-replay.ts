/** Whether lost events can be had again, from the same publisher. */
import { type Finding, ok } from '../finding.ts';
import { portOf } from './check-events.ts';
import type { PodFacts, RankFacts } from './pod-facts.ts';
import { podProblem } from './problems.ts';

export function checkReplay({ events }: PodFacts): Finding[] {
  const ranks =
    events.kind === 'followed' ? events.ranks.filter(({ link }) => link.kind === 'connected') : [];
  if (ranks.length === 0) return [];
  const findings = ranks.flatMap(replayProblem);
  if (findings.length > 0) return findings;
  const compared = ranks.filter(
    ({ replay }) => replay.kind === 'answered' && replay.publisher === 'same',
  ).length;
  return [
    ok(
      'replay',
      compared === 0
        ? 'answers; there was no live batch to compare it with'
        : 'gives what came live, byte for byte',
    ),
  ];
}

function replayProblem(rank: RankFacts): Finding[] {
  const { replay } = rank;
  const at = `${portOf(rank)}, replay port ${rank.publisher.replayPort}`;
  switch (replay.kind) {
    case 'none':
      return [podProblem('replay_none', portOf(rank))];
    case 'failed':
      return [podProblem('replay_unreachable', `${at}: ${OUTCOMES[replay.why] ?? replay.why}`)];
    case 'answered':
      return replay.publisher === 'another'
        ? [podProblem('replay_foreign', `${at}: the last live batch is another one there, or missing`)]
        : [];
    case 'not_asked':
      return [];
  }
}

const OUTCOMES: Readonly<Record<string, string>> = {
  idle: 'connected, and no answer',
  unreachable: 'no connection',
  lost: 'the connection ended',
  timeout: 'no end of it in time',
  too_large: 'too long',
  malformed: 'what it answers is no replay',
  aborted: 'the time was over',
};
