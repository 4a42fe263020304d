/** What engines announce, and how well it is heard. */
import { METRICS } from '../../src/ops/instruments/instruments.ts';
import type { Board } from './board.ts';
import { lines, number } from './panels.ts';
import { gauge, growth, largest, orZero, quantile, rate } from './promql.ts';

const { publisherState, publisherLag, kvEvents, kvBatchSeconds, replays, holdersForgotten } = METRICS;

const states = (by: readonly ('state' | 'why')[], state?: 'cold' | 'replaying') =>
  `count by (${by.join(', ')}) (${gauge('max', publisherState, {
    by: ['pod', 'rank', ...by],
    ...(state && { where: { state } }),
  })})`;
const inState = (...state: readonly ('live' | 'cold' | 'connecting')[]) =>
  orZero(`count(${gauge('max', publisherState, { by: ['pod', 'rank'], where: { state } })})`);

export const EVENTS: Board = {
  uid: 'warmroute-events',
  title: 'event feed',
  description:
    'KV-cache events of the engines: which publishers are heard, what is lost and mended, how late it counts.',
  rows: {
    Now: [
      number('Live publishers', { about: publisherState, unit: 'short', queries: { live: inState('live') } }),
      number('Cold publishers', {
        about: publisherState,
        unit: 'short',
        limits: { warn: 1, bad: 5 },
        alert: 'WarmroutePublisherCold',
        queries: { cold: inState('cold') },
      }),
      number('Not connected', {
        about: publisherState,
        unit: 'short',
        limits: { warn: 1, bad: 5 },
        alert: 'WarmroutePublisherDisconnected',
        queries: { connecting: inState('connecting') },
      }),
      number('Events', { about: kvEvents, unit: 'suffix: /s', queries: { events: rate(kvEvents) } }),
      number('Largest lag', {
        about: publisherLag,
        unit: 's',
        limits: { warn: 1, bad: 5 },
        alert: 'WarmrouteEventLag',
        queries: { lag: gauge('max', publisherLag) },
      }),
      number('Messages missed', {
        about: METRICS.kvMessagesMissed,
        unit: 'short',
        limits: { warn: 1, bad: 1000 },
        alert: 'WarmrouteEventGaps',
        queries: { missed: orZero(growth(METRICS.kvMessagesMissed)) },
      }),
      number('Holders forgotten', {
        about: holdersForgotten,
        unit: 'short',
        limits: { warn: 1, bad: 10 },
        alert: 'WarmrouteRestartStorm',
        queries: { forgotten: orZero(growth(holdersForgotten)) },
      }),
      number('Pods not followed', {
        about: METRICS.unfollowedPods,
        unit: 'short',
        limits: { warn: 1, bad: 1 },
        alert: 'WarmrouteUnfollowedPods',
        queries: { unfollowed: gauge('max', METRICS.unfollowedPods) },
      }),
    ],
    Publishers: [
      lines('Publishers by state', {
        about: publisherState,
        unit: 'short',
        stacked: true,
        alert: 'WarmroutePublisherDisconnected',
        queries: { '{{state}}': states(['state']) },
      }),
      lines('Cold publishers by reason', {
        about: publisherState,
        unit: 'short',
        stacked: true,
        alert: 'WarmroutePublisherCold',
        queries: { '{{why}}': states(['why'], 'cold') },
      }),
      lines('Lag, the 10 largest', {
        about: publisherLag,
        unit: 's',
        alert: 'WarmrouteEventLag',
        queries: { '{{pod}} {{rank}}': largest(10, gauge('max', publisherLag, { by: ['pod', 'rank'] })) },
      }),
      lines('Blocks held, the 10 largest', {
        about: METRICS.publisherBlocks,
        unit: 'short',
        queries: {
          '{{pod}} {{rank}}': largest(10, gauge('max', METRICS.publisherBlocks, { by: ['pod', 'rank'] })),
        },
      }),
      lines('Messages that wait for a replay', {
        about: METRICS.publisherHeld,
        unit: 'short',
        queries: {
          '{{pod}} {{rank}}': largest(10, gauge('max', METRICS.publisherHeld, { by: ['pod', 'rank'] })),
        },
      }),
      lines('Ports that nothing answers on', {
        about: METRICS.silentPorts,
        unit: 'short',
        alert: 'WarmroutePublisherDisconnected',
        queries: {
          '{{pod}} {{port}} {{rank}}': largest(
            10,
            gauge('max', METRICS.silentPorts, { by: ['pod', 'port', 'rank'] }),
          ),
        },
      }),
    ],
    'What is heard': [
      lines('Events by what became of them', {
        about: kvEvents,
        unit: 'suffix: /s',
        stacked: true,
        queries: { '{{outcome}}': rate(kvEvents, { by: ['outcome'] }) },
      }),
      lines('Events by pod, the 10 with most', {
        about: {
          help: 'KV-cache events by pod.',
          bad: 'A pod that has requests and is not here: it announces nothing.',
        },
        unit: 'suffix: /s',
        alert: 'WarmroutePublisherSilent',
        queries: { '{{pod}}': largest(10, rate(kvEvents, { by: ['pod'] })) },
      }),
      lines('From the engine to the index', {
        about: METRICS.kvEventLag,
        unit: 's',
        alert: 'WarmrouteEventLag',
        queries: { p50: quantile(0.5, METRICS.kvEventLag), p99: quantile(0.99, METRICS.kvEventLag) },
      }),
      lines('Time per batch', {
        about: kvBatchSeconds,
        unit: 's',
        queries: {
          '{{step}} p50': quantile(0.5, kvBatchSeconds, { by: ['step'] }),
          '{{step}} p99': quantile(0.99, kvBatchSeconds, { by: ['step'] }),
        },
      }),
      lines('Blocks without a parent', {
        about: METRICS.orphanBlocks,
        unit: 'short',
        queries: { waiting: gauge('sum', METRICS.orphanBlocks) },
      }),
      lines('Blocks without a parent, dropped', {
        about: METRICS.orphansDropped,
        unit: 'suffix: blocks/s',
        queries: { dropped: orZero(rate(METRICS.orphansDropped)) },
      }),
    ],
    'What is lost and mended': [
      lines('Messages missed, the 10 pods with most', {
        about: METRICS.kvMessagesMissed,
        unit: 'suffix: /s',
        alert: 'WarmrouteEventGaps',
        queries: { '{{pod}}': largest(10, rate(METRICS.kvMessagesMissed, { by: ['pod'] })) },
      }),
      lines('Replays by outcome', {
        about: replays,
        unit: 'suffix: /s',
        stacked: true,
        alert: 'WarmroutePublisherCold',
        queries: { '{{outcome}}': rate(replays, { by: ['outcome'] }) },
      }),
      lines('Replays by reason', {
        about: {
          help: 'Replays asked for, by why.',
          bad: '`gap` or `reconnected` again and again: messages or connections are lost. `first_contact` is every start.',
        },
        unit: 'suffix: /s',
        stacked: true,
        alert: 'WarmrouteEventGaps',
        queries: { '{{why}}': rate(replays, { by: ['why'] }) },
      }),
      lines('Time of replays', {
        about: METRICS.replaySeconds,
        unit: 's',
        queries: { p50: quantile(0.5, METRICS.replaySeconds), p99: quantile(0.99, METRICS.replaySeconds) },
      }),
      lines('Holders forgotten, by reason', {
        about: holdersForgotten,
        unit: 'suffix: /s',
        stacked: true,
        alert: 'WarmrouteRestartStorm',
        queries: { '{{why}}': rate(holdersForgotten, { by: ['why'] }) },
      }),
      lines('Messages not applied', {
        about: METRICS.kvMessagesDropped,
        unit: 'suffix: /s',
        stacked: true,
        queries: { '{{why}}': rate(METRICS.kvMessagesDropped, { by: ['why'] }) },
      }),
      lines('Messages of unknown publishers', {
        about: METRICS.unknownPublishers,
        unit: 'suffix: /s',
        stacked: true,
        queries: { '{{why}}': rate(METRICS.unknownPublishers, { by: ['why'] }) },
      }),
    ],
  },
};
