import type { Metrics } from '../metrics/metrics.ts';
import { DECISION_METRICS } from './decisions.ts';
import { EVENT_METRICS } from './events.ts';
import type { Declared, InstrumentOf } from './instrument.ts';
import { POD_METRICS } from './pods.ts';
import { INDEX_METRICS } from './prefix-index.ts';
import { PROCESS_METRICS } from './process.ts';
import { RECORDING_METRICS } from './recording.ts';
import { REQUEST_METRICS } from './requests.ts';
import { ROLLOUT_METRICS } from './rollout.ts';
import { TOKEN_METRICS } from './tokens.ts';
import { WORTH_METRICS } from './worth.ts';

/** AIBrix's own: 15 buckets from 10 µs, doubling. */
const AIBRIX_LATENCY_SECONDS = Array.from({ length: 15 }, (_, power) => 1e-5 * 2 ** power);

/** Every metric of ours: the source of docs/metrics.md. */
export const METRICS = {
  ...REQUEST_METRICS,
  ...DECISION_METRICS,
  ...TOKEN_METRICS,
  ...WORTH_METRICS,
  ...ROLLOUT_METRICS,
  ...RECORDING_METRICS,
  ...EVENT_METRICS,
  ...POD_METRICS,
  ...INDEX_METRICS,
  ...PROCESS_METRICS,
};

type Ours = { readonly [Key in keyof typeof METRICS]: InstrumentOf<(typeof METRICS)[Key]> };

/**
 * Every metric there is. The `aibrix_*` ones have AIBrix's names and labels (`prefix_cache.go`), so that its dashboards
 * light up; the others are ours. Series whose first label is a pod or a model go with it. Histograms have no label of
 * a pod: each value would cost a line per bucket.
 */
export function createInstruments(metrics: Metrics) {
  const { counter, histogram, gauge } = metrics;
  return {
    ...ourInstruments(metrics),
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
  };
}

export type Instruments = ReturnType<typeof createInstruments>;

function ourInstruments(metrics: Metrics): Ours {
  const made = Object.entries<Declared>(METRICS).map(([key, metric]) => [key, instrument(metrics, metric)]);
  return Object.fromEntries(made) as Ours;
}

function instrument(metrics: Metrics, { kind, name, help, labels, buckets }: Declared) {
  const labelNames = Object.keys(labels);
  switch (kind) {
    case 'counter':
      return metrics.counter(name, help, labelNames);
    case 'gauge':
      return metrics.gauge(name, help, labelNames);
    case 'histogram':
      return metrics.histogram(name, help, buckets, labelNames);
    case 'total':
      return metrics.total(name, help);
  }
}
