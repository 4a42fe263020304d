/** Whether each rank's event port is there, and events flow. */
import { type Finding, ok, skip } from '../finding.ts';
import type { PodFacts, RankFacts } from './pod-facts.ts';
import { podProblem } from './problems.ts';

const NOWHERE: Readonly<
  Record<
    'unconfigured' | 'off' | 'unknown',
    readonly ['events_unconfigured' | 'events_off' | 'events_unknown', string]
  >
> = {
  unconfigured: ['events_unconfigured', 'its entry has no kvEvents'],
  off: ['events_off', 'GET /kv_event_sources or /server_info says that they are off'],
  unknown: ['events_unknown', 'neither /kv_event_sources nor /server_info says where they are'],
};

export function checkEventPorts({ events, profile }: PodFacts): Finding[] {
  if (events.kind === 'not_followed') return [skip('events_port', events.why)];
  if (events.kind === 'nowhere') return [podProblem(...NOWHERE[events.why])];
  const failed = events.ranks.filter(({ link }) => link.kind !== 'connected');
  if (failed.length > 0 && profile.events?.kind === 'off') return [podProblem(...NOWHERE.off)];
  if (failed.length > 0) return failed.map(unreachable);
  return [ok('events_port', `${ranksIn(events.ranks)} by ZeroMQ`)];
}

export function checkEvents({ events, prompts }: PodFacts): Finding[] {
  if (events.kind !== 'followed') return [];
  const { ranks } = events;
  const connected = ranks.filter(({ link }) => link.kind === 'connected');
  if (connected.length === 0) return [];
  const unreadable = connected.filter(rank => rank.unreadable > 0);
  if (unreadable.length > 0) {
    return unreadable.map(({ unreadable: count, firstUnreadable, ...rank }) =>
      podProblem(
        'events_unreadable',
        `${portOf(rank)}: ${count} of its messages, the first one: ${firstUnreadable}`,
      ),
    );
  }
  const batches = connected.reduce((sum, rank) => sum + rank.batches, 0);
  if (batches > 0)
    return [ok('events', `${batches} ${batches === 1 ? 'batch' : 'batches'} came while it was listened to`)];
  const wasAsked = prompts.some(({ outcome }) => !['refused', 'not_comparable'].includes(outcome.kind));
  return [
    wasAsked
      ? podProblem('events_silent', 'it answered a new prompt, and no event came')
      : skip('events', 'connected, and nothing was published meanwhile'),
  ];
}

function unreachable(rank: RankFacts): Finding {
  const { link } = rank;
  const at = portOf(rank);
  if (link.kind === 'silent')
    return podProblem('events_not_zmq', `${at}: connected, or not refused, and no ZeroMQ handshake`);
  const why = link.kind === 'failed' ? link.why : '';
  const wrongPeer = WRONG_PEER.get(why);
  return wrongPeer !== undefined
    ? podProblem('events_not_zmq', `${at}: ${wrongPeer}`)
    : podProblem('events_unreachable', `${at}: ${why === 'ECONNREFUSED' ? 'nothing listens there' : why}`);
}

/** Ends of a connection that a publisher would not make. */
const WRONG_PEER: ReadonlyMap<string, string> = new Map([
  ['not_zmtp', 'what answers does not speak ZeroMQ'],
  ['ended', 'the other side ends the connection'],
  ['no_handshake', 'no ZeroMQ handshake'],
  ['too_large', 'it sends what is too large for an event'],
  ['too_many_frames', 'it sends what has too many frames for an event'],
  ['ECONNRESET', 'the connection is reset'],
  ['EPIPE', 'the connection is reset'],
]);

function ranksIn(ranks: readonly RankFacts[]): string {
  const [first] = ranks;
  if (first === undefined) return 'no ranks';
  return ranks.length === 1
    ? `port ${first.publisher.port} answers`
    : `the ports of ${ranks.length} ranks, from ${first.publisher.port} on, answer`;
}

export function portOf({ publisher: { rank, port } }: Pick<RankFacts, 'publisher'>): string {
  return `rank ${rank} on port ${port}`;
}
