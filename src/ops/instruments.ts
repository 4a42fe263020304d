import type { Meter } from '@opentelemetry/api';
import { createTally } from './tally.ts';

/** Which index answers, as AIBrix labels it. */
export type IndexerType = 'sync' | 'local';

/** AIBrix's own: 15 buckets from 10 µs, doubling. */
const AIBRIX_LATENCY_SECONDS = Array.from({ length: 15 }, (_, power) => 1e-5 * 2 ** power);
/** A lookup takes microseconds, a tokenizer milliseconds, a decision at most its deadline. */
const STAGE_SECONDS = [1e-6, 1e-5, 1e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1, 2, 5];

/**
 * Every metric there is. The `aibrix_*` ones have AIBrix's names and labels (`prefix_cache.go`), so that its dashboards
 * light up; the `warmroute_*` ones are ours.
 */
export function createInstruments(meter: Meter) {
  const counter = (name: string, description: string) => createTally(meter, name, description);
  const seconds = (name: string, description: string, boundaries: number[]) =>
    meter.createHistogram(name, { description, advice: { explicitBucketBoundaries: boundaries } });
  const gauge = (name: string, description: string) => meter.createObservableGauge(name, { description });
  return {
    aibrix: {
      decisions: counter(
        'aibrix_prefix_cache_routing_decisions_total',
        'Routing decisions by share of the prompt that the pod holds',
      ),
      selections: counter(
        'aibrix_prefix_cache_routing_selection_total',
        'Routing decisions by how the pod was selected',
      ),
      errors: counter(
        'aibrix_prefix_cache_routing_errors_total',
        'What kept a decision from using the prefix',
      ),
      imbalances: counter(
        'aibrix_prefix_cache_load_imbalance_total',
        'Decisions in which load overruled the prefix',
      ),
      latency: seconds(
        'aibrix_prefix_cache_routing_latency_seconds',
        'Time from the request body to the decision, tokenizing included',
        AIBRIX_LATENCY_SECONDS,
      ),
      zmqConnections: counter('aibrix_kvcache_zmq_connections_total', 'Connections made to publishers'),
      zmqDisconnections: counter('aibrix_kvcache_zmq_disconnections_total', 'Connections to publishers lost'),
      zmqReconnects: counter(
        'aibrix_kvcache_zmq_reconnect_attempts_total',
        'Tries to connect to a publisher again',
      ),
      zmqProcessing: seconds(
        'aibrix_kvcache_zmq_event_processing_duration_seconds',
        'Time to decode and apply a batch',
        AIBRIX_LATENCY_SECONDS,
      ),
      zmqReceived: counter('aibrix_kvcache_zmq_events_received_total', 'KV-cache events received'),
      zmqProcessed: counter(
        'aibrix_kvcache_zmq_events_processed_total',
        'KV-cache events applied to the index',
      ),
      zmqMissed: counter('aibrix_kvcache_zmq_missed_events_total', 'Messages missing in the live stream'),
      zmqReplayRequests: counter('aibrix_kvcache_zmq_replay_requests_total', 'Replays asked for'),
      zmqReplaySuccesses: counter(
        'aibrix_kvcache_zmq_replay_success_total',
        'Replays that came to their end',
      ),
      zmqReplayFailures: counter('aibrix_kvcache_zmq_replay_failures_total', 'Replays that did not'),
      zmqErrors: counter(
        'aibrix_kvcache_zmq_errors_total',
        'Messages and events not understood, or not applied',
      ),
      zmqStatus: gauge('aibrix_kvcache_zmq_connection_status', '1 while a publisher is heard'),
      zmqSequence: gauge('aibrix_kvcache_zmq_last_sequence_id', 'Sequence of the last batch applied'),
      indexer: gauge('aibrix_prefix_cache_indexer_status', '1 for the index that is in use'),
    },
    decisions: counter('warmroute_decisions_total', 'Requests routed, by strategy and reason'),
    rejections: counter('warmroute_rejections_total', 'Requests answered with an error, by kind'),
    refusedConnections: counter(
      'warmroute_refused_connections_total',
      'gRPC connections refused, as there were too many',
    ),
    undecided: counter('warmroute_undecided_total', 'Requests that went on without a pick, by why'),
    matchedBlocks: counter(
      'warmroute_matched_blocks_total',
      'Prompt blocks that the chosen pod held, by tier',
    ),
    promptBlocks: counter('warmroute_prompt_blocks_total', 'Full prompt blocks of routed requests'),
    stageSeconds: seconds(
      'warmroute_stage_seconds',
      'Time per stage of a decision: tokenize, match, decide',
      STAGE_SECONDS,
    ),
    tokenizeCalls: counter('warmroute_tokenize_calls_total', 'What the remote tokenizer did, by kind'),
    kvEvents: counter('warmroute_kv_events_total', 'KV-cache events by pod and what became of them'),
    holdersForgotten: counter(
      'warmroute_holders_forgotten_total',
      'Holders forgotten after lost messages or a restart',
    ),
    orphansDropped: counter(
      'warmroute_orphans_dropped_total',
      'Blocks with an unknown parent given up for newer ones',
    ),
    kvMessagesDropped: counter('warmroute_kv_messages_dropped_total', 'Event messages not applied, by why'),
    unknownPublishers: counter(
      'warmroute_unknown_publisher_messages_total',
      'Event messages whose topic names no known pod',
    ),
    replays: counter('warmroute_replays_total', 'Replays by reason and outcome'),
    kvEventLag: seconds(
      'warmroute_kv_event_lag_seconds',
      'From the engine’s clock to the index',
      STAGE_SECONDS,
    ),
    publisherState: gauge('warmroute_publisher_state', '1 for the state that a publisher is in'),
    publisherBlocks: gauge('warmroute_publisher_blocks', 'Blocks held per publisher'),
    publisherHeld: gauge('warmroute_publisher_waiting_messages', 'Live messages that wait for a replay'),
    orphanBlocks: gauge('warmroute_orphan_blocks', 'Blocks that wait for their parent'),
    podProblems: counter(
      'warmroute_pod_discovery_problems_total',
      'Problems with the pods file or host names, by kind',
    ),
    unexpected: counter(
      'warmroute_unexpected_errors_total',
      'Errors that should never happen; the request went on unrouted',
    ),
    inFlight: gauge('warmroute_requests_in_flight', 'Requests in flight per pod'),
    pods: gauge('warmroute_ready_pods', 'Ready pods'),
    streams: gauge('warmroute_extproc_streams', 'Open ext_proc streams'),
    bufferedBytes: gauge('warmroute_buffered_body_bytes', 'Memory of the request bodies that are held'),
    indexBlocks: gauge('warmroute_index_blocks', 'Distinct blocks in the index'),
    indexEntries: gauge('warmroute_index_entries', '(Block, holder) pairs in the index, by source'),
    indexRuns: gauge('warmroute_index_runs', 'Runs that the index is made of'),
    indexBytes: gauge('warmroute_index_bytes', 'Memory that the index uses'),
    indexGivenUp: meter.createObservableCounter('warmroute_index_given_up_total', {
      description: '(Block, holder) pairs given up as the index had no room',
    }),
  };
}

export type Instruments = ReturnType<typeof createInstruments>;
