/** What the event feed reports, as metrics and log lines. */
import type { FeedFact } from '../events/event-feed.ts';
import type { Instruments } from './instruments.ts';
import { createWarnOnce, type Logger } from './log.ts';
import type { Count } from './tally.ts';

/** AIBrix's label of a publisher; it knows no ranks, so only those beyond the first are added. */
export function podKey(pod: string, rank: number): string {
  return rank === 0 ? pod : `${pod}/${rank}`;
}

/** vLLM's names of the events, as AIBrix labels them. */
const EVENT_TYPES = { stored: 'BlockStored', removed: 'BlockRemoved', cleared: 'AllBlocksCleared' } as const;

export function reportFeed(instruments: Instruments, log: Logger): (fact: FeedFact) => void {
  const { aibrix } = instruments;
  const countersOf = appliedCounters(instruments);
  const warnOnce = createWarnOnce(log);
  return fact => {
    const { pod, rank } = fact;
    if (fact.kind === 'applied') {
      const { applied } = fact;
      for (const counter of countersOf(fact)) counter.count += fact.events;
      if (applied.kind === 'orphaned') instruments.orphansDropped.add(applied.dropped, { pod });
      return;
    }
    const pod_key = podKey(pod, rank);
    switch (fact.kind) {
      case 'skipped_event':
      case 'malformed_message':
        instruments.kvEvents.add(1, { pod, outcome: fact.kind });
        aibrix.zmqErrors.add(1, {
          pod_key,
          error_type: fact.why === 'not_applied' ? 'handle_event' : 'decode',
        });
        warnOnce(
          `${fact.kind} ${pod} ${rank} ${fact.why}`,
          { pod, rank, why: fact.why },
          'KV-cache event not understood',
        );
        break;
      case 'forgotten':
        instruments.holdersForgotten.add(1, { pod, why: fact.why });
        log.warn(
          { pod, rank, why: fact.why },
          'the event stream broke: what this holder holds is learned anew',
        );
        break;
      case 'batch':
        aibrix.zmqProcessing.record(fact.seconds, { pod_key });
        if (fact.lagSeconds !== undefined)
          instruments.kvEventLag.record(Math.max(0, fact.lagSeconds), { pod });
        break;
      case 'state':
        log.info({ pod, rank, state: fact.state, why: fact.why }, 'event stream');
        break;
      case 'gap':
        aibrix.zmqMissed.add(fact.missed, { pod_key });
        break;
      case 'dropped':
        instruments.kvMessagesDropped.add(fact.messages, { pod, why: fact.why });
        break;
      case 'replay':
        instruments.replays.add(1, { pod, why: fact.why, outcome: fact.outcome });
        aibrix.zmqReplayRequests.add(1, { pod_key });
        if (fact.outcome === 'aborted') break;
        (fact.outcome === 'ended' ? aibrix.zmqReplaySuccesses : aibrix.zmqReplayFailures).add(1, { pod_key });
        break;
      case 'link':
        (fact.event === 'connected' ? aibrix.zmqConnections : aibrix.zmqDisconnections).add(1, { pod_key });
        break;
      case 'reconnecting':
        aibrix.zmqReconnects.add(1, { pod_key });
        break;
      case 'circuit':
        log.warn({ pod, rank, state: fact.state }, 'circuit of this publisher’s replay');
    }
  };
}

type AppliedFact = FeedFact & { readonly kind: 'applied' };
/** By event and outcome. */
type Counters = Partial<Record<string, Partial<Record<string, readonly Count[]>>>>;

/** What an event adds one to, looked up once for all of the same publisher, kind and outcome: they come in millions. */
function appliedCounters({ aibrix, kvEvents }: Instruments): (fact: AppliedFact) => readonly Count[] {
  const known = new Map<string, Map<number, Counters>>();

  function lookUp({ pod, rank, event, applied }: AppliedFact): readonly Count[] {
    const labels = { pod_key: podKey(pod, rank), event_type: EVENT_TYPES[event] };
    const counters = [aibrix.zmqReceived.of(labels), kvEvents.of({ pod, outcome: applied.kind })];
    if (applied.kind === event) counters.push(aibrix.zmqProcessed.of(labels));
    const ranks = known.get(pod) ?? new Map<number, Counters>();
    known.set(pod, ranks);
    const ofRank = ranks.get(rank) ?? {};
    ranks.set(rank, ofRank);
    ofRank[event] = { ...ofRank[event], [applied.kind]: counters };
    return counters;
  }

  return fact => known.get(fact.pod)?.get(fact.rank)?.[fact.event]?.[fact.applied.kind] ?? lookUp(fact);
}
