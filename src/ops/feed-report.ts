/** What the event feed reports, as metrics and log lines. */
import type { FeedFact, RejectedMessage } from '../events/event-feed.ts';
import type { Instruments } from './instruments/instruments.ts';
import type { Logger } from './log/log.ts';
import { createLogThrottle, type LogThrottle } from './log/log-throttle.ts';
import type { Metrics } from './metrics/metrics.ts';

/** AIBrix's label of a publisher; it knows no ranks, so only those beyond the first are added. */
export function podKey(pod: string, rank: number): string {
  return rank === 0 ? pod : `${pod}/${rank}`;
}

/** One line of a kind and publisher in so long. */
const EVERY_MS = 60_000;

/** Why a stream is cold, where that is somebody's mistake. */
const WRONG: Readonly<Partial<Record<NonNullable<StateFact['why']>, string>>> = {
  backing_off:
    'the event stream breaks again and again: for some time nothing is asked for again, and only what was said since the last break counts',
  two_publishers:
    'two publishers on one stream: nothing that they say is believed. Do two engines publish under one topic, or through one proxy?',
  foreign_replay:
    'the replay is another process’s, and is not believed: does the replay port belong to the engine and rank of the events’ port?',
};

/** vLLM's names of the events, as AIBrix labels them. */
const EVENT_TYPES = { stored: 'BlockStored', removed: 'BlockRemoved', cleared: 'AllBlocksCleared' } as const;

type StateFact = FeedFact & { readonly kind: 'state' };

export interface FeedReport {
  /** From here on facts of this pod count. */
  joined(pod: string): void;
  /** Nothing is left of this pod, and facts that are still on their way change nothing. */
  left(pod: string): void;
  hear(fact: FeedFact): void;
}

interface Reported {
  /** By rank. */
  readonly podKeys: Map<number, string>;
  /** A broken engine must not bury the others, nor outlive its pod. */
  readonly throttle: LogThrottle;
  /** Of what will not change. */
  readonly once: LogThrottle;
}

export function reportFeed(
  metrics: Pick<Metrics, 'forget'>,
  instruments: Instruments,
  log: Logger,
): FeedReport {
  const { aibrix } = instruments;
  const pods = new Map<string, Reported>();

  function keyOf({ podKeys }: Reported, pod: string, rank: number): string {
    let key = podKeys.get(rank);
    if (key === undefined) {
      key = podKey(pod, rank);
      podKeys.set(rank, key);
    }
    return key;
  }

  function report(fact: FeedFact, pod_key: string, { throttle, once }: Reported): void {
    const { pod, rank } = fact;
    switch (fact.kind) {
      case 'applied': {
        const labels = { pod_key, event_type: EVENT_TYPES[fact.event] };
        aibrix.zmqReceived.add(fact.events, labels);
        if (fact.outcome === fact.event) aibrix.zmqProcessed.add(fact.events, labels);
        instruments.kvEvents.add(fact.events, { pod, outcome: fact.outcome });
        if (fact.dropped > 0) instruments.orphansDropped.add(fact.dropped, { pod });
        if (fact.outcome === 'refused')
          throttle.warn(
            `refused ${rank}`,
            { pod, rank },
            'KV-cache events refused: they name more adapters, block sizes or cache groups than an engine can have',
          );
        if (fact.outcome === 'foreign_cache')
          once.warn(
            `foreign_cache ${rank}`,
            { pod, rank },
            'KV-cache events of a cache beside the engine (LMCache) do not count: they name chunks of its own, and not what it evicts',
          );
        break;
      }
      case 'skipped_event':
      case 'malformed_message':
        instruments.kvEvents.add(1, { pod, outcome: fact.kind });
        aibrix.zmqErrors.add(1, {
          pod_key,
          error_type: fact.why === 'not_applied' ? 'handle_event' : 'decode',
        });
        throttle.warn(
          `${fact.kind} ${rank} ${fact.why}`,
          { pod, rank, why: fact.why },
          'KV-cache event not understood',
        );
        break;
      case 'forgotten':
        instruments.holdersForgotten.add(1, { pod, why: fact.why });
        throttle.warn(
          `${fact.kind} ${rank} ${fact.why}`,
          { pod, rank, why: fact.why },
          'the event stream broke: what this holder holds is relearned',
        );
        break;
      case 'batch':
        aibrix.zmqProcessing.record(fact.decodeSeconds + fact.applySeconds);
        instruments.kvBatchSeconds.record(fact.decodeSeconds, { step: 'decode' });
        instruments.kvBatchSeconds.record(fact.applySeconds, { step: 'apply' });
        if (fact.lagSeconds !== undefined) instruments.kvEventLag.record(Math.max(0, fact.lagSeconds));
        break;
      case 'state': {
        const { kind, state, why } = fact;
        const wrong = why && WRONG[why];
        const key = `${kind} ${rank} ${state} ${why}`;
        const fields = { pod, rank, state, why };
        if (wrong === undefined) throttle.info(key, fields, 'event stream');
        else throttle.warn(key, fields, wrong);
        break;
      }
      case 'gap':
        instruments.kvMessagesMissed.add(fact.missed, { pod });
        aibrix.zmqMissed.add(fact.missed, { pod_key });
        break;
      case 'dropped':
        instruments.kvMessagesDropped.add(fact.messages, { pod, why: fact.why });
        break;
      case 'replay':
        instruments.replays.add(1, { pod, why: fact.why, outcome: fact.outcome });
        aibrix.zmqReplayRequests.add(1, { pod_key });
        if (fact.outcome === 'ended') instruments.replaySeconds.record(fact.milliseconds / 1_000);
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
        throttle.warn(
          `${fact.kind} ${rank} ${fact.state}`,
          { pod, rank, state: fact.state },
          'circuit of this publisher’s replay',
        );
    }
  }

  return {
    joined(pod) {
      pods.set(pod, {
        podKeys: new Map(),
        throttle: createLogThrottle(log, { everyMs: EVERY_MS }),
        once: createLogThrottle(log, { everyMs: Number.POSITIVE_INFINITY }),
      });
    },
    left(pod) {
      const reported = pods.get(pod);
      if (reported === undefined) return;
      pods.delete(pod);
      metrics.forget('pod', pod);
      for (const key of reported.podKeys.values()) metrics.forget('pod_key', key);
    },
    hear(fact) {
      const reported = pods.get(fact.pod);
      if (reported !== undefined) report(fact, keyOf(reported, fact.pod, fact.rank), reported);
    },
  };
}

/** Messages of strangers on a port that engines dial: counted by why, and named in the log now and then. */
export function reportRejectedMessages(
  instruments: Instruments,
  log: Logger,
): (message: RejectedMessage) => void {
  const throttle = createLogThrottle(log);
  return ({ why, from, topic }) => {
    instruments.unknownPublishers.add(1, { why });
    throttle.warn(
      why,
      { why, from, topic },
      'event message of an unknown publisher: is its pod listed with this name and address?',
    );
  };
}
