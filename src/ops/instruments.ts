import type { Metrics } from './metrics.ts';

/** Which index answers, as AIBrix labels it. */
export type IndexerType = 'sync' | 'local';

/** AIBrix's own: 15 buckets from 10 µs, doubling. */
const AIBRIX_LATENCY_SECONDS = Array.from({ length: 15 }, (_, power) => 1e-5 * 2 ** power);
/** A lookup takes microseconds, a tokenizer milliseconds, a decision at most its deadline. */
const STAGE_SECONDS = [1e-6, 1e-5, 1e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1, 2, 5];

/**
 * Every metric there is. The `aibrix_*` ones have AIBrix's names and labels (`prefix_cache.go`), so that its dashboards
 * light up; the `warmroute_*` ones are ours. Series whose first label is a pod or a model go with it. Histograms have no label of
 * a pod: each value would cost a line per bucket.
 */
export function createInstruments(metrics: Metrics) {
  const { counter, histogram, gauge } = metrics;
  return {
    aibrix: {
      decisions: counter(
        'aibrix_prefix_cache_routing_decisions_total',
        'Routing decisions by share of the prompt that the pod holds',
        ['model', 'match_percent_bucket', 'using_kv_sync'],
      ),
      selections: counter(
        'aibrix_prefix_cache_routing_selection_total',
        'Routing decisions by how the pod was selected',
        ['model', 'selection', 'using_kv_sync'],
      ),
      errors: counter(
        'aibrix_prefix_cache_routing_errors_total',
        'What kept a decision from using the prefix',
        ['model', 'reason', 'using_kv_sync'],
      ),
      imbalances: counter(
        'aibrix_prefix_cache_load_imbalance_total',
        'Decisions in which load overruled the prefix',
        ['model', 'using_kv_sync'],
      ),
      latency: histogram(
        'aibrix_prefix_cache_routing_latency_seconds',
        'Time from the request body to the decision, tokenizing included',
        AIBRIX_LATENCY_SECONDS,
        ['model', 'using_kv_sync'],
      ),
      zmqConnections: counter('aibrix_kvcache_zmq_connections_total', 'Connections made to publishers', [
        'pod_key',
      ]),
      zmqDisconnections: counter(
        'aibrix_kvcache_zmq_disconnections_total',
        'Connections to publishers lost',
        ['pod_key'],
      ),
      zmqReconnects: counter(
        'aibrix_kvcache_zmq_reconnect_attempts_total',
        'Tries to connect to a publisher again',
        ['pod_key'],
      ),
      zmqProcessing: histogram(
        'aibrix_kvcache_zmq_event_processing_duration_seconds',
        'Time to decode and apply a batch',
        AIBRIX_LATENCY_SECONDS,
      ),
      zmqReceived: counter('aibrix_kvcache_zmq_events_received_total', 'KV-cache events received', [
        'pod_key',
        'event_type',
      ]),
      zmqProcessed: counter(
        'aibrix_kvcache_zmq_events_processed_total',
        'KV-cache events applied to the index',
        ['pod_key', 'event_type'],
      ),
      zmqMissed: counter('aibrix_kvcache_zmq_missed_events_total', 'Messages missing in the live stream', [
        'pod_key',
      ]),
      zmqReplayRequests: counter('aibrix_kvcache_zmq_replay_requests_total', 'Replays asked for', [
        'pod_key',
      ]),
      zmqReplaySuccesses: counter(
        'aibrix_kvcache_zmq_replay_success_total',
        'Replays that came to their end',
        ['pod_key'],
      ),
      zmqReplayFailures: counter('aibrix_kvcache_zmq_replay_failures_total', 'Replays that did not', [
        'pod_key',
      ]),
      zmqErrors: counter(
        'aibrix_kvcache_zmq_errors_total',
        'Messages and events not understood, or not applied',
        ['pod_key', 'error_type'],
      ),
      zmqStatus: gauge('aibrix_kvcache_zmq_connection_status', '1 while a publisher is heard', ['pod_key']),
      zmqSequence: gauge('aibrix_kvcache_zmq_last_sequence_id', 'Sequence of the last batch applied', [
        'pod_key',
      ]),
      indexer: gauge('aibrix_prefix_cache_indexer_status', '1 for the index that is in use', [
        'model',
        'indexer_type',
      ]),
    },
    decisions: counter('warmroute_decisions_total', 'Requests routed, by strategy and reason', [
      'model',
      'strategy',
      'reason',
    ]),
    picks: counter('warmroute_picks_total', 'Requests by the pod that was picked', ['pod', 'model']),
    ended: counter(
      'warmroute_ended_requests_total',
      'Routed requests that are over, by HTTP status; `unseen`: Envoy did not show the response to the router (docs/architecture.md, Health)',
      ['model', 'status'],
    ),
    scrapeFailures: counter(
      'warmroute_engine_scrape_failures_total',
      'Reads of an engine’s metrics that failed, by why',
      ['pod', 'why'],
    ),
    scrapes: counter('warmroute_engine_scrapes_total', 'Reads of engines’ metrics that succeeded'),
    unscored: counter(
      'warmroute_unscored_strategies_total',
      'Decisions in which a strategy was not heard, as too few engines had said what it compares',
      ['strategy'],
    ),
    rejections: counter('warmroute_rejections_total', 'Requests answered with an error, by kind', ['kind']),
    answers: counter('warmroute_answers_total', 'Requests answered by the router itself, by what with', [
      'what',
    ]),
    refusedConnections: counter(
      'warmroute_refused_connections_total',
      'gRPC connections refused, as there were too many',
    ),
    failedConnections: counter(
      'warmroute_failed_connections_total',
      'Connections to the gRPC ports that came to nothing, by port and why: the wrong protocol, a failed TLS handshake',
      ['port', 'why'],
    ),
    certificateReloads: counter(
      'warmroute_tls_reloads_total',
      'Times that the TLS files had changed, by whether they were taken or what was before was kept',
      ['outcome'],
    ),
    certificateSeconds: gauge(
      'warmroute_tls_certificate_seconds_left',
      'Time until the TLS certificate that is served ends; negative afterwards',
    ),
    passed: counter(
      'warmroute_passed_total',
      'Requests left to the routes of Envoy, since none asked for a strategy',
      ['model'],
    ),
    undecided: counter('warmroute_undecided_total', 'Requests that went on without a pick, by why', ['why']),
    matchedBlocks: counter(
      'warmroute_matched_blocks_total',
      'Prompt blocks that the chosen pod held, by tier',
      ['model', 'tier'],
    ),
    promptBlocks: counter('warmroute_prompt_blocks_total', 'Full prompt blocks of routed requests', [
      'model',
    ]),
    stageSeconds: histogram(
      'warmroute_stage_seconds',
      'Time per stage of a decision: tokenize, match, decide',
      STAGE_SECONDS,
      ['stage'],
    ),
    withoutTokens: counter(
      'warmroute_prompts_without_tokens_total',
      'Prompts that were asked for their tokens and have none, by model and why; routed by their history, else by load',
      ['model', 'why'],
    ),
    tokenizeCalls: counter('warmroute_tokenize_calls_total', 'What the remote tokenizer did, by kind', [
      'kind',
      'route',
    ]),
    tokenizerCircuits: gauge(
      'warmroute_tokenizer_circuit_open',
      '1 while a pod’s tokenizer is not asked, as it failed',
      ['pod'],
    ),
    confirmations: counter(
      'warmroute_predictions_total',
      'Sampled prompts whose blocks their pod then announced (confirmed), or did not (unconfirmed)',
      ['model', 'endpoint', 'verdict'],
    ),
    silentPorts: gauge(
      'warmroute_silent_ports',
      '1 for a port of events or replays that nothing answers on',
      ['pod', 'port', 'rank'],
    ),
    kvEvents: counter('warmroute_kv_events_total', 'KV-cache events by pod and what became of them', [
      'pod',
      'outcome',
    ]),
    holdersForgotten: counter(
      'warmroute_holders_forgotten_total',
      'Holders forgotten after lost messages or a restart',
      ['pod', 'why'],
    ),
    orphansDropped: counter(
      'warmroute_orphans_dropped_total',
      'Blocks with an unknown parent given up for newer ones',
      ['pod'],
    ),
    podHealth: gauge('warmroute_pod_health', '1 for the state of health that a pod is in', ['pod', 'state']),
    podFailures: counter('warmroute_pod_failures_total', 'Watched requests that a pod failed, by why', [
      'pod',
      'why',
    ]),
    kvMessagesDropped: counter('warmroute_kv_messages_dropped_total', 'Event messages not applied, by why', [
      'pod',
      'why',
    ]),
    unknownPublishers: counter(
      'warmroute_unknown_publisher_messages_total',
      'Event messages on a port that engines dial which are not taken: of no known pod, from another address, or not readable',
      ['why'],
    ),
    replays: counter('warmroute_replays_total', 'Replays by reason and outcome', ['pod', 'why', 'outcome']),
    kvEventLag: histogram(
      'warmroute_kv_event_lag_seconds',
      'From the engine’s clock to the index',
      STAGE_SECONDS,
    ),
    publisherState: gauge('warmroute_publisher_state', '1 for the state that a publisher is in', [
      'pod',
      'rank',
      'state',
    ]),
    publisherBlocks: gauge('warmroute_publisher_blocks', 'Blocks held per publisher', ['pod', 'rank']),
    publisherHeld: gauge('warmroute_publisher_waiting_messages', 'Live messages that wait for a replay', [
      'pod',
      'rank',
    ]),
    unfollowedPods: gauge(
      'warmroute_unfollowed_pods',
      'Pods whose events are not followed, as there are more publishers than open files allow',
    ),
    orphanBlocks: gauge('warmroute_orphan_blocks', 'Blocks that wait for their parent', ['pod', 'rank']),
    podProblems: counter(
      'warmroute_pod_discovery_problems_total',
      'Problems with the pods file or host names, by kind',
      ['kind'],
    ),
    kubernetesSilence: gauge(
      'warmroute_kubernetes_seconds_since_heard',
      'Time since a watch of the Kubernetes API was last heard; above 90 something is wrong',
      ['source'],
    ),
    kubernetesRelists: counter(
      'warmroute_kubernetes_relists_total',
      'Times that everything was listed again, by why',
      ['source', 'reason'],
    ),
    kubernetesErrors: counter(
      'warmroute_kubernetes_errors_total',
      'Lists and watches of the Kubernetes API that failed, by how',
      ['source', 'error'],
    ),
    unexpected: counter(
      'warmroute_unexpected_errors_total',
      'Errors that should never happen; the request went on unrouted',
    ),
    inFlight: gauge('warmroute_requests_in_flight', 'Requests in flight per pod', ['pod']),
    pods: gauge('warmroute_ready_pods', 'Ready pods'),
    unnamedPods: gauge(
      'warmroute_unnamed_pods',
      'Ready pods without requests, as neither they nor their engines have said which model they serve',
    ),
    rememberedResponses: gauge(
      'warmroute_remembered_responses',
      'Responses of /v1/responses of which it is remembered who made them',
    ),
    streams: gauge('warmroute_extproc_streams', 'Open ext_proc streams'),
    bufferedBytes: gauge('warmroute_buffered_body_bytes', 'Memory of the request bodies that are held'),
    indexBlocks: gauge('warmroute_index_blocks', 'Distinct blocks in the index'),
    indexEntries: gauge('warmroute_index_entries', '(Block, holder) pairs in the index, by source', [
      'source',
    ]),
    indexRuns: gauge('warmroute_index_runs', 'Runs that the index is made of'),
    indexBytes: gauge('warmroute_index_bytes', 'Memory that the index uses'),
    logLinesDropped: metrics.total(
      'warmroute_log_lines_dropped_total',
      'Log lines that standard output did not take: unread, closed, or on a full disk',
    ),
    indexEvicted: metrics.total(
      'warmroute_index_evicted_total',
      '(Block, holder) pairs given up as the index had no room',
    ),
  };
}

export type Instruments = ReturnType<typeof createInstruments>;
