/** What the event feed reports, as metrics and log lines. */
import type { FeedFact, RejectedMessage } from '../events/event-feed.ts';
import type { Instruments } from './instruments.ts';
import { createWarnOnce, type Logger } from './log.ts';
import { createWarnThrottle } from './log-throttle.ts';

const WARN_EVERY_MS = 10_000;

/** AIBrix's label of a publisher; it knows no ranks, so only those beyond the first are added. */
export function podKey(pod: string, rank: number): string {
  return rank === 0 ? pod : `${pod}/${rank}`;
}

/** vLLM's names of the events, as AIBrix labels them. */
const EVENT_TYPES = { stored: 'BlockStored', removed: 'BlockRemoved', cleared: 'AllBlocksCleared' } as const;

export function reportFeed(instruments: Instruments, log: Logger): (fact: FeedFact) => void {
  const { aibrix } = instruments;
  const warnOnce = createWarnOnce(log);
  return fact => {
    const { pod, rank } = fact;
    const pod_key = podKey(pod, rank);
    switch (fact.kind) {
      case 'applied': {
        const labels = { pod_key, event_type: EVENT_TYPES[fact.event] };
        aibrix.zmqReceived.add(fact.events, labels);
        if (fact.outcome === fact.event) aibrix.zmqProcessed.add(fact.events, labels);
        instruments.kvEvents.add(fact.events, { pod, outcome: fact.outcome });
        if (fact.dropped > 0) instruments.orphansDropped.add(fact.dropped, { pod });
        break;
      }
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

/** Messages of strangers on a port that engines dial: counted by why, and named in the log now and then. */
export function reportRejectedMessages(
  instruments: Instruments,
  log: Logger,
): (message: RejectedMessage) => void {
  const warn = createWarnThrottle(log, { everyMs: WARN_EVERY_MS });
  return ({ why, from, topic }) => {
    instruments.unknownPublishers.add(1, { why });
    warn(
      why,
      { why, from, topic },
      'event message of an unknown publisher: is its pod listed with this name and address?',
    );
  };
}
