/** What came of a chaos, in a few lines. */
import type { ChaosFleet } from './chaos-fleet.ts';

export interface ChaosRun {
  readonly seed: number;
  readonly rounds: number;
  readonly milliseconds: number;
}

export function chaosReport(fleet: ChaosFleet, { seed, rounds, milliseconds }: ChaosRun): string {
  const { members, checker, told, counts } = fleet;
  const { counts: checked, divergences } = checker;
  const list = (entries: Iterable<readonly [string, number]>) =>
    [...entries].map(([name, count]) => `${name} ${count}`).join(', ') || 'none';
  const toldOf = (kind: string) =>
    list(
      [...told]
        .filter(([name]) => name.startsWith(`${kind} `))
        .map(([name, count]) => [name.slice(kind.length + 1), count] as const)
        .sort(),
    );
  const lines = [
    ['load', `${eventsOf(fleet)} events in ${batchesOf(fleet)} batches of ${members.length} engines`],
    ['links', list(Object.entries(linkCounts(fleet)))],
    ['engines', list(Object.entries(counts))],
    ['feed', `gap ${told.get('gap') ?? 0}, batch ${told.get('batch') ?? 0}; applied: ${toldOf('applied')}`],
    ['states', toldOf('state')],
    ['replays', `${toldOf('replay')}; circuit: ${toldOf('circuit')}`],
    ['forgotten', `${toldOf('forgotten')}; dropped: ${toldOf('dropped')}`],
    [
      'windows',
      `${checked.windows}, the longest ${checked.longestWindowMessages} messages and ${Math.round(checked.longestWindowMs)} ms`,
    ],
    [
      'matched',
      `what was gone: in a window ${checked.staleInWindow}, on the way of an undisturbed message ${checked.staleOnTheWay} (at most ${checked.mostOnTheWay} messages), of ${checked.probes} probes`,
    ],
    [
      'compared',
      `${checked.blocksCompared} blocks when quiet: ${checked.comparedLive} times live and equal, ${checked.comparedCold} times cold and lacking ${checked.lackingWhenCold}; ${checked.pastBlocksCompared} in ${checked.samples} samples under load`,
    ],
    ['divergences', [String(checked.divergences), ...divergences].join('\n')],
  ];
  return [
    `chaos: seed ${seed}, ${rounds} rounds, ${Math.round(milliseconds)} ms`,
    ...lines.map(([name, value]) => `  ${name!.padEnd(12)}${value}`),
  ].join('\n');
}

export function eventsOf({ members }: ChaosFleet): number {
  return members.reduce((sum, { engine }) => sum + engine.events, 0);
}

function batchesOf({ members }: ChaosFleet): number {
  return members.reduce((sum, { engine }) => sum + engine.batches, 0);
}

/** Of all links together. */
export function linkCounts({ members }: ChaosFleet): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const { link, replays } of members) {
    for (const [name, count] of Object.entries({ ...link.counts, ...replays?.counts })) {
      sums[name] = (sums[name] ?? 0) + count;
    }
  }
  return sums;
}
