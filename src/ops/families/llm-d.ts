/**
 * The endpoint picker's metrics of llm-d (`docs/metrics.md` of llm-d-router), by their names since 0.9, `llm_d_epp_*`, and by those
 * of the Gateway API inference extension, which it still writes beside them.
 */
import type { KnownEngineLoad } from '../../domain.ts';
import { STATUS_OF } from '../../extproc/client-errors.ts';
import type { Value } from '../metrics/read-metrics.ts';
import { type FamilyMetric, type FamilySources, namesOf, runningByModel, sumBy, total } from './family.ts';

type Read = (sources: FamilySources) => Iterable<Value<string>>;
type Row = Omit<FamilyMetric, 'family' | 'source'>;

const metric = (kind: 'counter' | 'gauge', row: Row, read: Read): FamilyMetric => ({
  ...{ family: 'llm-d', ...row },
  source: { kind, read },
});

interface OldLabels {
  /** Labels that it did not have. */
  readonly without?: readonly string[];
  /** New name → old name. */
  readonly renamed?: Readonly<Record<string, string>>;
}

/** The same under its old name. */
function formerly(
  name: string,
  { labels, mirrors, source }: FamilyMetric,
  { without = [], renamed = {} }: OldLabels = {},
): FamilyMetric {
  const oldName = (label: string) => renamed[label] ?? label;
  const kept = labels.filter(label => !without.includes(label)).map(oldName);
  const row = {
    family: 'llm-d',
    name,
    labels: kept,
    mirrors,
    differs: 'the old name of the row above',
  } as const;
  if (source.kind !== 'counter' && source.kind !== 'gauge') return { ...row, source };
  const read: Read = sources =>
    Array.from(source.read(sources), ({ labels: all, value }) => ({
      labels: Object.fromEntries(
        Object.entries(all).flatMap(([label, text]) =>
          without.includes(label) ? [] : [[oldName(label), text]],
        ),
      ),
      value,
    }));
  return { ...row, source: { kind: source.kind, read } };
}

/** What llm-d says where a request names none. */
const NO_FLOW = { fairness_id: 'default-flow', priority: '0' } as const;
const MODEL = ['model_name', 'target_model_name', 'fairness_id', 'priority'];
const POOL = ['name'];
const FLOWS = '`fairness_id` and `priority` are always those of requests that name none';
const WHILE_READ =
  'while engines’ metrics are read (`WARMROUTE_METRICS_INTERVAL_MS`), over those that answer';

const ofModel = (model: string) => ({ model_name: model, target_model_name: model, ...NO_FLOW });

const requests = metric(
  'counter',
  {
    name: 'llm_d_epp_request_total',
    labels: MODEL,
    mirrors: '`warmroute_decisions_total` by model',
    differs: `requests that were routed; ${FLOWS}`,
  },
  ({ instruments }) =>
    Array.from(
      sumBy(instruments.decisions.values(), ({ model }) => String(model)),
      ([model, value]) => ({ labels: ofModel(model), value }),
    ),
);

const errors = metric(
  'counter',
  {
    name: 'llm_d_epp_request_error_total',
    labels: [...MODEL, 'error_code'],
    mirrors: '`warmroute_rejections_total` by kind',
    differs: 'what the router itself answered; without a model, for clients choose what they ask for',
  },
  ({ instruments }) =>
    Array.from(
      sumBy(
        instruments.rejections.values(),
        ({ kind }) => ERROR_CODES[STATUS_OF[kind as keyof typeof STATUS_OF]] ?? 'Unknown',
      ),
      ([error_code, value]) => ({ labels: { ...ofModel(''), error_code }, value }),
    ),
);

/** `pkg/common/error/error.go`. */
const ERROR_CODES: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  403: 'Forbidden',
  404: 'NotFound',
  413: 'BadRequest',
  429: 'ResourceExhausted',
  503: 'ServiceUnavailable',
};

const running = metric(
  'gauge',
  {
    name: 'llm_d_epp_request_running',
    labels: MODEL,
    mirrors: '`warmroute_requests_in_flight` by model',
    differs: `by the base model of the pods; ${FLOWS}`,
  },
  sources => Array.from(runningByModel(sources), ([model, value]) => ({ labels: ofModel(model), value })),
);

const ready = metric(
  'gauge',
  { name: 'llm_d_epp_ready_endpoints', labels: POOL, mirrors: '`warmroute_ready_pods`', differs: '' },
  ({ pods, pool }) => [{ labels: { name: pool }, value: pods().length }],
);

const kvUsage = average('kv_cache_utilization', 'KV-cache usage', ({ kvUsage }) => kvUsage);
const queueSize = average('queue_size', 'waiting requests', ({ waiting }) => waiting);
const runningRequests = average('running_requests', 'running requests', ({ running }) => running);

const queues = metric(
  'gauge',
  {
    name: 'llm_d_epp_per_endpoint_queue_size',
    labels: ['name', 'model_server_endpoint'],
    mirrors: 'the engines’ metrics: waiting requests',
    differs: `\`model_server_endpoint\` is the pod’s name; ${WHILE_READ}`,
  },
  sources =>
    loadsOf(sources).map(([pod, { waiting }]) => ({
      labels: { name: sources.pool, model_server_endpoint: namesOf(pod).pod },
      value: waiting,
    })),
);

const attempts = metric(
  'counter',
  {
    name: 'llm_d_epp_scheduler_attempts_total',
    labels: ['status', 'target_model_name', 'endpoint_name', 'namespace', 'port'],
    mirrors: '`warmroute_picks_total`; failures: `warmroute_rejections_total` for want of a pod',
    differs: 'failures have no model',
  },
  sources => [...picks(sources), ...failures(sources)],
);

const duration: FamilyMetric = {
  family: 'llm-d',
  name: 'llm_d_epp_scheduler_e2e_duration_seconds',
  labels: [],
  mirrors: '`warmroute_stage_seconds{stage="decide"}`',
  differs: 'the choice among the candidates; the lookup of the prompt is `stage="match"`. Other buckets',
  source: {
    kind: 'histogram',
    read({ instruments }) {
      for (const series of instruments.stageSeconds.series())
        if (series.labels.stage === 'decide') return [series.withLabels<string>({})];
      return [];
    },
  },
};

const inFlight = metric(
  'gauge',
  {
    name: 'llm_d_epp_inflight_requests',
    labels: ['endpoint_name', 'namespace', 'producer_name', 'fairness_id', 'priority'],
    mirrors: '`warmroute_requests_in_flight`',
    differs: `\`producer_name\` is \`warmroute\`; ${FLOWS}`,
  },
  sources =>
    sources.pods().map(pod => {
      const { namespace, pod: endpoint_name } = namesOf(pod);
      return {
        labels: { endpoint_name, namespace, producer_name: 'warmroute', ...NO_FLOW },
        value: sources.running(pod),
      };
    }),
);

const indexSize = metric(
  'gauge',
  {
    name: 'llm_d_epp_prefix_indexer_size',
    labels: ['plugin_name', 'plugin_type'],
    mirrors: '`warmroute_index_blocks`',
    differs: '`plugin_name` and `plugin_type` are `warmroute`',
  },
  ({ indexBlocks }) => [
    { labels: { plugin_name: 'warmroute', plugin_type: 'warmroute' }, value: indexBlocks() },
  ],
);

const pollErrors = metric(
  'counter',
  {
    name: 'llm_d_epp_datalayer_poll_errors_total',
    labels: ['source_type'],
    mirrors: '`warmroute_engine_scrape_failures_total`, all pods together',
    differs: '`source_type` is `metrics-data-source`',
  },
  ({ instruments }) => [
    { labels: { source_type: 'metrics-data-source' }, value: total(instruments.scrapeFailures.values()) },
  ],
);

export const LLM_D_METRICS: readonly FamilyMetric[] = [
  requests,
  formerly('inference_objective_request_total', requests, { without: ['fairness_id'] }),
  errors,
  formerly('inference_objective_request_error_total', errors, { without: ['fairness_id', 'priority'] }),
  running,
  formerly('inference_objective_running_requests', running, {
    without: ['target_model_name', 'fairness_id', 'priority'],
  }),
  ready,
  formerly('inference_pool_ready_pods', ready),
  ...[kvUsage, queueSize, runningRequests].flatMap(({ mean, deviation }) => [
    mean,
    formerly(mean.name.replace('llm_d_epp_', 'inference_pool_'), mean),
    deviation,
  ]),
  queues,
  formerly('inference_pool_per_pod_queue_size', queues, {
    renamed: { model_server_endpoint: 'model_server_pod' },
  }),
  inFlight,
  attempts,
  formerly('inference_extension_scheduler_attempts_total', attempts, {
    renamed: { endpoint_name: 'pod_name' },
  }),
  duration,
  formerly('inference_extension_scheduler_e2e_duration_seconds', duration),
  indexSize,
  formerly('inference_extension_prefix_indexer_size', indexSize, { without: ['plugin_name', 'plugin_type'] }),
  pollErrors,
];

/** The mean over the pool, and how far apart its members are. */
function average(what: string, words: string, read: (load: KnownEngineLoad) => number | undefined) {
  const row = (name: string): Row => ({
    name,
    labels: POOL,
    mirrors: `the engines’ metrics: ${words}`,
    differs: WHILE_READ,
  });
  const values = (sources: FamilySources) => loadsOf(sources).flatMap(([, load]) => read(load) ?? []);
  const ofPool =
    (compute: (values: readonly number[]) => number): Read =>
    sources => {
      const all = values(sources);
      return all.length === 0 ? [] : [{ labels: { name: sources.pool }, value: compute(all) }];
    };
  return {
    mean: metric('gauge', row(`llm_d_epp_average_${what}`), ofPool(meanOf)),
    deviation: metric('gauge', row(`llm_d_epp_std_dev_${what}`), ofPool(deviationOf)),
  };
}

function loadsOf({ pods, engineLoad }: FamilySources) {
  return pods().flatMap(pod => {
    const load = engineLoad(pod);
    return load.kind === 'known' ? [[pod, load] as const] : [];
  });
}

function* picks({ instruments, pods }: FamilySources): Generator<Value<string>> {
  const byName = new Map(pods().map(pod => [pod.name, pod]));
  for (const { labels, value } of instruments.picks.values()) {
    const pod = byName.get(String(labels.pod));
    if (pod === undefined) continue;
    const { namespace, pod: endpoint_name } = namesOf(pod);
    yield {
      labels: {
        status: 'success',
        target_model_name: labels.model ?? '',
        ...{ endpoint_name, namespace, port: String(pod.port) },
      },
      value,
    };
  }
}

function failures({ instruments }: FamilySources): Value<string>[] {
  const wanting = [...instruments.rejections.values()].filter(
    ({ labels }) => STATUS_OF[labels.kind as keyof typeof STATUS_OF] === 503,
  );
  const none = { target_model_name: '', endpoint_name: '', namespace: '', port: '' };
  return [{ labels: { status: 'failure', ...none }, value: total(wanting) }];
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function deviationOf(values: readonly number[]): number {
  const mean = meanOf(values);
  return Math.sqrt(meanOf(values.map(value => (value - mean) ** 2)));
}
