/** AIBrix's metrics (`pkg/metrics/gateway_metrics.go`, `metrics.go`, `prefix_cache.go`, `tokenizer_pool.go`, `kvcache/metrics.go`). */
import type { Pod } from '../../domain.ts';
import { STATUS_OF } from '../../extproc/client-errors.ts';
import type { Value } from '../metrics/read-metrics.ts';
import {
  type FamilyMetric,
  type FamilySources,
  namesOf,
  runningByModel,
  single,
  sumBy,
  total,
} from './family.ts';

type Row = Omit<FamilyMetric, 'family' | 'source'>;

const recorded = (name: string, labels: readonly string[], differs = ''): FamilyMetric => ({
  ...{ family: 'aibrix', name, labels, mirrors: 'the same', differs },
  source: { kind: 'recorded', as: kindOf(name) },
});
/** By the endings that Prometheus asks for. */
function kindOf(name: string): 'counter' | 'gauge' | 'histogram' {
  if (name.endsWith('_total')) return 'counter';
  return name.endsWith('_seconds') ? 'histogram' : 'gauge';
}

const counter = (row: Row, read: (sources: FamilySources) => Iterable<Value<string>>): FamilyMetric => ({
  ...{ family: 'aibrix', ...row },
  source: { kind: 'counter', read },
});
const gauge = (row: Row, read: (sources: FamilySources) => Iterable<Value<string>>): FamilyMetric => ({
  ...{ family: 'aibrix', ...row },
  source: { kind: 'gauge', read },
});

const PREFIX = ['model', 'using_kv_sync'];
const ZMQ = ['pod_key'];
const ENGINE = [
  'namespace',
  'pod',
  'model',
  'model_name',
  'engine_type',
  'roleset',
  'role',
  'role_replica_index',
  'gateway_pod',
];
const ENDED = ['model', 'gateway_pod', 'pod_name', 'status', 'status_code'];
const RANKS = 'one series per rank: of those beyond the first `pod_key` is `<pod>/<rank>`';

export const AIBRIX_METRICS: readonly FamilyMetric[] = [
  recorded('aibrix_prefix_cache_routing_decisions_total', ['model', 'match_percent_bucket', 'using_kv_sync']),
  recorded('aibrix_prefix_cache_routing_selection_total', ['model', 'selection', 'using_kv_sync']),
  recorded(
    'aibrix_prefix_cache_routing_errors_total',
    ['model', 'reason', 'using_kv_sync'],
    'reasons are ours where AIBrix has no word',
  ),
  recorded('aibrix_prefix_cache_load_imbalance_total', PREFIX),
  recorded('aibrix_prefix_cache_routing_latency_seconds', PREFIX),
  recorded('aibrix_prefix_cache_indexer_status', ['model', 'indexer_type']),
  recorded('aibrix_kvcache_zmq_connections_total', ZMQ, RANKS),
  recorded('aibrix_kvcache_zmq_disconnections_total', ZMQ, RANKS),
  recorded('aibrix_kvcache_zmq_reconnect_attempts_total', ZMQ, RANKS),
  recorded('aibrix_kvcache_zmq_events_received_total', ['pod_key', 'event_type'], RANKS),
  recorded('aibrix_kvcache_zmq_events_processed_total', ['pod_key', 'event_type'], RANKS),
  recorded(
    'aibrix_kvcache_zmq_event_processing_duration_seconds',
    [],
    'of all publishers: without `pod_key`',
  ),
  recorded('aibrix_kvcache_zmq_missed_events_total', ZMQ, RANKS),
  recorded('aibrix_kvcache_zmq_replay_requests_total', ZMQ, RANKS),
  recorded('aibrix_kvcache_zmq_replay_success_total', ZMQ, RANKS),
  recorded('aibrix_kvcache_zmq_replay_failures_total', ZMQ, RANKS),
  recorded('aibrix_kvcache_zmq_errors_total', ['pod_key', 'error_type'], RANKS),
  recorded('aibrix_kvcache_zmq_connection_status', ZMQ, RANKS),
  recorded('aibrix_kvcache_zmq_last_sequence_id', ZMQ, RANKS),

  counter(
    {
      name: 'gateway_request_total',
      labels: ['model', 'gateway_pod', 'pod_name'],
      mirrors:
        '`warmroute_decisions_total`, `warmroute_rejections_total`, `warmroute_answers_total`, `warmroute_passed_total` and `warmroute_undecided_total` together',
      differs:
        'counted when it is known what becomes of the request; what passes unrouted (`docs/paths.md`) is not',
    },
    ({ instruments, gatewayPod }) => {
      const { decisions, rejections, answers, undecided, passed } = instruments;
      const value = [decisions, rejections, answers, undecided, passed].reduce(
        (sum, each) => sum + total(each.values()),
        0,
      );
      return [{ labels: { model: '', gateway_pod: gatewayPod, pod_name: gatewayPod }, value }];
    },
  ),
  gauge(
    {
      name: 'gateway_in_flight_requests',
      labels: ['gateway_pod'],
      mirrors: '`warmroute_requests_in_flight`, all pods together',
      differs: 'from the decision on',
    },
    sources => {
      let value = 0;
      for (const pod of sources.pods()) value += sources.running(pod);
      return [{ labels: { gateway_pod: sources.gatewayPod }, value }];
    },
  ),
  gauge(
    {
      name: 'gateway_model_in_flight_requests',
      labels: ['gateway_pod', 'model'],
      mirrors: '`warmroute_requests_in_flight` by model',
      differs: 'by the base model of the pods, not by the name that was asked for',
    },
    sources =>
      Array.from(runningByModel(sources), ([model, value]) => ({
        labels: { gateway_pod: sources.gatewayPod, model },
        value,
      })),
  ),
  counter(
    {
      name: 'gateway_request_model_success_total',
      labels: ENDED,
      mirrors: '`warmroute_ended_requests_total`, statuses below 400 and `unseen`',
      differs:
        '`status_code` is `unseen` where Envoy does not show the response (`warmroute_ended_requests_total`); AIBrix says 200 then',
    },
    sources =>
      endedBy(sources, status => status === 'unseen' || Number(status) < 400, 'gateway_request_success'),
  ),
  counter(
    {
      name: 'gateway_request_model_fail_total',
      labels: ENDED,
      mirrors: '`warmroute_ended_requests_total`, statuses from 400, and `warmroute_rejections_total`',
      differs:
        '`status` is `gateway_rsp_headers_fail` or `gateway_req_body_fail`; rejections have no `model`, for clients choose what they ask for; failures that Envoy does not show are not known',
    },
    sources => [
      ...endedBy(sources, status => Number(status) >= 400, 'gateway_rsp_headers_fail'),
      ...rejected(sources),
    ],
  ),
  gauge(
    {
      name: 'realtime_num_requests_running',
      labels: ENGINE,
      mirrors: '`warmroute_requests_in_flight`',
      differs: 'what this process has in flight; AIBrix adds up its gateways',
    },
    sources => ofEachPod(sources, sources.running),
  ),
  gauge(
    {
      name: 'model_replicas',
      labels: ENGINE,
      mirrors: '`warmroute_ready_pods`, one series of value 1 each',
      differs: '',
    },
    sources => ofEachPod(sources, () => 1),
  ),
  gauge(
    {
      name: 'num_requests_running',
      labels: ENGINE,
      mirrors: 'the engine’s metrics: `vllm:num_requests_running` or `sglang:num_running_reqs`',
      differs: 'all ranks of a pod together; while they are read (`WARMROUTE_METRICS_INTERVAL_MS`)',
    },
    sources => ofEachPod(sources, pod => known(sources, pod)?.running),
  ),
  gauge(
    {
      name: 'num_requests_waiting',
      labels: ENGINE,
      mirrors: 'the engine’s metrics: `vllm:num_requests_waiting` or `sglang:num_queue_reqs`',
      differs: 'as above',
    },
    sources => ofEachPod(sources, pod => known(sources, pod)?.waiting),
  ),
  gauge(
    {
      name: 'kv_cache_usage_perc',
      labels: ENGINE,
      mirrors: 'the engine’s metrics: `vllm:kv_cache_usage_perc` or `sglang:token_usage`',
      differs: 'mean of the ranks; as above',
    },
    sources => ofEachPod(sources, pod => known(sources, pod)?.kvUsage),
  ),
  gauge(
    {
      name: 'aibrix_tokenizer_pool_active_tokenizers',
      labels: [],
      mirrors: '`warmroute_tokenizer_circuit_open`: pods without an open circuit',
      differs: 'any pod may tokenize; 0 with a local tokenizer',
    },
    ({ instruments, pods, tokenizers }) => {
      const open = total(instruments.tokenizerCircuits.read());
      return single(tokenizers === 'engines' ? Math.max(0, pods().length - open) : 0);
    },
  ),
  counter(
    {
      name: 'aibrix_tokenizer_pool_requests_total',
      labels: [],
      mirrors: '`warmroute_stage_seconds_count{stage="tokenize"}`',
      differs: 'without `model`',
    },
    ({ instruments }) => single(tokenizations(instruments)?.count ?? 0),
  ),
  {
    family: 'aibrix',
    name: 'aibrix_tokenizer_pool_latency_seconds',
    labels: [],
    mirrors: '`warmroute_stage_seconds{stage="tokenize"}`',
    differs:
      'how long tokenizing takes; AIBrix measures the search for a tokenizer. Without `model`, other buckets',
    source: {
      kind: 'histogram',
      read({ instruments }) {
        const all = tokenizations(instruments);
        return all === undefined ? [] : [all.withLabels<string>({})];
      },
    },
  },
];

function tokenizations({ stageSeconds }: FamilySources['instruments']) {
  for (const series of stageSeconds.series()) if (series.labels.stage === 'tokenize') return series;
  return undefined;
}

function* endedBy(
  { instruments, gatewayPod }: FamilySources,
  isMeant: (status: string) => boolean,
  word: string,
): Generator<Value<string>> {
  for (const { labels, value } of instruments.ended.values()) {
    const status = String(labels.status);
    if (!isMeant(status)) continue;
    yield {
      labels: {
        model: labels.model ?? '',
        ...{ gateway_pod: gatewayPod, pod_name: gatewayPod, status: word, status_code: status },
      },
      value,
    };
  }
}

function rejected({ instruments, gatewayPod }: FamilySources): Value<string>[] {
  const byStatus = sumBy(instruments.rejections.values(), ({ kind }) =>
    String(STATUS_OF[kind as keyof typeof STATUS_OF]),
  );
  return Array.from(byStatus, ([status_code, value]) => ({
    labels: {
      ...{ model: '', gateway_pod: gatewayPod, pod_name: gatewayPod },
      ...{ status: 'gateway_req_body_fail', status_code },
    },
    value,
  }));
}

function known({ engineLoad }: FamilySources, pod: Pod) {
  const load = engineLoad(pod);
  return load.kind === 'known' ? load : undefined;
}

/** @param read undefined: there is no series of this pod */
function* ofEachPod(
  { pods, gatewayPod }: FamilySources,
  read: (pod: Pod) => number | undefined,
): Generator<Value<string>> {
  for (const pod of pods()) {
    const value = read(pod);
    if (value !== undefined) yield { labels: engineLabels(pod, gatewayPod), value };
  }
}

/** AIBrix's labels of a pod; what the pod does not say is empty, as there. */
function engineLabels(pod: Pod, gateway_pod: string): Value<string>['labels'] {
  const { labels, model } = pod;
  return {
    ...namesOf(pod),
    model,
    model_name: model,
    engine_type: labels['model.aibrix.ai/engine'] ?? 'vllm',
    roleset: labels['roleset-name'] ?? '',
    role: labels['role-name'] ?? '',
    role_replica_index: labels['role-replica-index'] ?? '',
    gateway_pod,
  };
}
