/** The event feed: what engines announce, and how well it is heard. */
import type { WatchedPort } from '../../engine-api/port-watch.ts';
import type { FeedFact, PublisherReport, RejectedMessage } from '../../events/event-feed.ts';
import { allOf, counter, gauge, histogram } from './instrument.ts';
import { CALL_SECONDS, POD, RANK, STAGE_SECONDS } from './labels.ts';

type Of<Kind extends FeedFact['kind']> = Extract<FeedFact, { readonly kind: Kind }>;
type Outcome = Of<'applied'>['outcome'] | 'skipped_event' | 'malformed_message';

/** Engines and the router have clocks of their own, so a lag of milliseconds says little and one of minutes can be. */
const LAG_SECONDS = [...CALL_SECONDS, 300];

export const EVENT_METRICS = {
  publisherState: gauge('warmroute_publisher_state', {
    unit: 'flag',
    labels: {
      pod: POD,
      rank: RANK,
      state: allOf<PublisherReport['state']>()('connecting', 'replaying', 'draining', 'live', 'cold'),
      why: allOf<NonNullable<PublisherReport['why']>>()(
        ...(['no_replay', 'replay_failed', 'evicted', 'begins_at_1', 'hole', 'overflow', 'damaged'] as const),
        ...(['backing_off', 'two_publishers', 'foreign_replay', 'first_contact', 'gap', 'restart'] as const),
        ...(['reconnected', 'unverified', 'retry'] as const),
      ),
    },
    help: '1 for the state that a publisher is in, and of a cold or replaying one why',
    bad: '`cold`: less is believed than is true. `connecting`: nothing is heard, and after 30 s the pod counts as holding nothing.',
  }),
  publisherLag: gauge('warmroute_publisher_lag_seconds', {
    unit: 'seconds',
    labels: { pod: POD, rank: RANK },
    help: 'From the engine’s clock to the index, of the last live batch of a publisher',
    bad: 'Seconds: the router is behind, or the clocks differ; negative: the engine’s clock is ahead.',
  }),
  publisherBlocks: gauge('warmroute_publisher_blocks', {
    unit: 'blocks',
    labels: { pod: POD, rank: RANK },
    help: 'Blocks held per publisher',
    bad: '0 under load: the engine caches nothing, or announces nothing.',
  }),
  publisherHeld: gauge('warmroute_publisher_waiting_messages', {
    unit: 'messages',
    labels: { pod: POD, rank: RANK },
    help: 'Live messages that wait for a replay',
    bad: 'Thousands for long: replays are slow, and what waits is not counted yet.',
  }),
  orphanBlocks: gauge('warmroute_orphan_blocks', {
    unit: 'blocks',
    labels: { pod: POD, rank: RANK },
    help: 'Blocks that wait for their parent',
    bad: 'Thousands: their beginnings were announced before the router listened.',
  }),
  unfollowedPods: gauge('warmroute_unfollowed_pods', {
    unit: 'pods',
    help: 'Pods whose events are not followed, as there are more publishers than open files allow',
    bad: 'Above 0: raise `ulimit -n`.',
  }),
  silentPorts: gauge('warmroute_silent_ports', {
    unit: 'flag',
    labels: { pod: POD, port: allOf<WatchedPort['what']>()('events', 'replay'), rank: RANK },
    help: '1 for a port of events or replays that nothing answers on',
    bad: '1: the engine publishes on another port, or not at all; no series is good.',
  }),
  kvEvents: counter('warmroute_kv_events_total', {
    unit: 'events',
    labels: {
      pod: POD,
      outcome: allOf<Outcome>()(
        ...([
          'stored',
          'removed',
          'orphaned',
          'cleared',
          'inconsistent',
          'off_gpu',
          'foreign_cache',
        ] as const),
        ...(['refused', 'skipped_event', 'malformed_message'] as const),
      ),
    },
    help: 'KV-cache events by pod and what became of them',
    bad: '`malformed_message`, `skipped_event`: an engine version that is not understood. `refused`: it names more adapters, sizes or groups than an engine can have. `inconsistent`: it removes what it never announced.',
  }),
  kvBatchSeconds: histogram('warmroute_kv_batch_seconds', {
    unit: 'seconds',
    labels: { step: allOf<'decode' | 'apply'>()('decode', 'apply') },
    help: 'Time to decode an event batch, and to apply it to the index',
    bad: 'Above 2 ms: such a batch keeps requests waiting that long.',
    buckets: STAGE_SECONDS,
  }),
  kvEventLag: histogram('warmroute_kv_event_lag_seconds', {
    unit: 'seconds',
    help: 'From the engine’s clock to the index, of live batches of all publishers',
    bad: 'Seconds: the index is behind what engines hold; by how much each, `warmroute_publisher_lag_seconds` says.',
    buckets: LAG_SECONDS,
  }),
  kvMessagesMissed: counter('warmroute_kv_messages_missed_total', {
    unit: 'messages',
    labels: { pod: POD },
    help: 'Messages missing in the live stream',
    bad: 'Any, again and again: the engine’s high-water mark is too low for its load, or the network drops connections.',
  }),
  kvMessagesDropped: counter('warmroute_kv_messages_dropped_total', {
    unit: 'messages',
    labels: { pod: POD, why: allOf<Of<'dropped'>['why']>()('duplicate', 'covered', 'void', 'overflow') },
    help: 'Event messages not applied, by why',
    bad: '`overflow`: the router was too far behind, and relearns the holder.',
  }),
  holdersForgotten: counter('warmroute_holders_forgotten_total', {
    unit: 'holders',
    labels: {
      pod: POD,
      why: allOf<Of<'forgotten'>['why']>()(
        ...([
          'gap',
          'restart',
          'unverified',
          'evicted',
          'hole',
          'replay_failed',
          'overflow',
          'damaged',
        ] as const),
        ...(['backing_off', 'two_publishers', 'foreign_replay', 'relearned'] as const),
      ),
    },
    help: 'Holders forgotten after lost messages or a restart',
    bad: 'Again and again for one pod: its engine restarts, or its stream breaks. Each costs prefills until its blocks are relearned.',
  }),
  orphansDropped: counter('warmroute_orphans_dropped_total', {
    unit: 'blocks',
    labels: { pod: POD },
    help: 'Blocks with an unknown parent evicted for newer ones',
    bad: 'Any for long: the engine announces what hangs on blocks that the router never heard of.',
  }),
  replays: counter('warmroute_replays_total', {
    unit: 'replays',
    labels: {
      pod: POD,
      why: allOf<Of<'replay'>['why']>()(
        ...(['first_contact', 'gap', 'restart', 'reconnected', 'unverified', 'begins_at_1', 'hole'] as const),
        ...(['retry'] as const),
      ),
      outcome: allOf<Of<'replay'>['outcome']>()(
        ...([
          'ended',
          'idle',
          'unreachable',
          'lost',
          'timeout',
          'too_large',
          'malformed',
          'aborted',
        ] as const),
        ...(['error', 'circuit_open'] as const),
      ),
    },
    help: 'Replays by reason and outcome',
    bad: 'Outcomes other than `ended` and `aborted`: what was lost cannot be had again, so the holder is relearned.',
  }),
  replaySeconds: histogram('warmroute_replay_seconds', {
    unit: 'seconds',
    help: 'Time of replays that came to their end',
    bad: 'Seconds: the engine’s replay buffer is large, or its replay thread busy; live messages wait meanwhile.',
    buckets: CALL_SECONDS,
  }),
  unknownPublishers: counter('warmroute_unknown_publisher_messages_total', {
    unit: 'messages',
    labels: {
      why: allOf<RejectedMessage['why']>()(
        ...(['unknown_topic', 'foreign_address', 'unexpected_frames'] as const),
        ...(['not_zmtp', 'too_large', 'too_many_frames', 'no_memory'] as const),
      ),
    },
    help: 'Event messages on a port that engines dial which are not taken: of no known pod, from another address, or not readable',
    bad: 'Any for long: a pod is missing in discovery, or its topic names another one.',
  }),
};
