/** Whether there are as many ranks as are configured, on the ports that are configured. */
import type { KvPublisher } from '../../domain.ts';
import { type Finding, ok } from '../finding.ts';
import { portOf } from './check-events.ts';
import type { PodFacts } from './pod-facts.ts';
import { podProblem } from './problems.ts';

export function checkRanks({ pod, profile, metrics, events }: PodFacts): Finding[] {
  const { kvEvents } = pod;
  if (events.kind !== 'followed') return [];
  const configured = kvEvents.kind === 'zmq' ? kvEvents.ranks : events.ranks.length;
  const said = profile.events?.kind === 'on' ? profile.events.publishers : undefined;
  const actual = said?.length ?? metrics.ranks;
  const bySource = said === undefined ? '/metrics' : 'its own account';
  const findings: Finding[] = [];
  if (kvEvents.kind === 'zmq')
    findings.push(
      ...overlap(kvEvents),
      ...otherPorts(
        events.ranks.map(({ publisher }) => publisher),
        said,
      ),
    );
  if (actual !== undefined && actual > configured)
    findings.push(podProblem('ranks_missing', `${configured} configured, and ${actual} by ${bySource}`));
  if (actual !== undefined && actual < configured)
    findings.push(podProblem('ranks_absent', `${configured} configured, and ${actual} by ${bySource}`));
  for (const rank of events.ranks) {
    const others = rank.ranksNamed.filter(named => named !== rank.publisher.rank);
    if (others.length > 0)
      findings.push(
        podProblem('rank_of_another', `${portOf(rank)}: its batches are of rank ${others.join(', ')}`),
      );
  }
  if (findings.length > 0) return findings;
  return [
    ok(
      'ranks',
      actual === undefined ? `${configured} configured; the engine does not say` : String(configured),
    ),
  ];
}

function overlap({
  port,
  replayPort,
  ranks,
}: {
  readonly port: number;
  readonly replayPort: number | undefined;
  readonly ranks: number;
}): Finding[] {
  if (replayPort === undefined || Math.abs(replayPort - port) >= ranks) return [];
  return [
    podProblem('ports_overlap', `${ranks} ranks, events from port ${port} on, replays from ${replayPort} on`),
  ];
}

function otherPorts(configured: readonly KvPublisher[], said: readonly KvPublisher[] = []): Finding[] {
  const differing = configured.flatMap(({ rank, port, replayPort }) => {
    const own = said.find(each => each.rank === rank);
    if (own === undefined || own.port === undefined) return [];
    const differs =
      own.port !== port ||
      (own.replayPort !== undefined && replayPort !== undefined && own.replayPort !== replayPort);
    return differs
      ? [
          `rank ${rank}: ${port} and ${replayPort ?? 'none'} configured, ${own.port} and ${own.replayPort ?? 'none'} said`,
        ]
      : [];
  });
  return differing.length === 0 ? [] : [podProblem('ports_differ', differing.slice(0, 4).join('; '))];
}
