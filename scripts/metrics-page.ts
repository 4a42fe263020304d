/** docs/metrics.md: every metric of ours, and where to look for the rate, the errors and the time of each operation. */
import { fileURLToPath } from 'node:url';
import { DECISION_METRICS } from '../src/ops/instruments/decisions.ts';
import { EVENT_METRICS } from '../src/ops/instruments/events.ts';
import type { Declared } from '../src/ops/instruments/instrument.ts';
import { POD_METRICS } from '../src/ops/instruments/pods.ts';
import { INDEX_METRICS } from '../src/ops/instruments/prefix-index.ts';
import { PROCESS_METRICS } from '../src/ops/instruments/process.ts';
import { RECORDING_METRICS } from '../src/ops/instruments/recording.ts';
import { REQUEST_METRICS } from '../src/ops/instruments/requests.ts';
import { ROLLOUT_METRICS } from '../src/ops/instruments/rollout.ts';
import { TOKEN_METRICS } from '../src/ops/instruments/tokens.ts';
import { WORTH_METRICS } from '../src/ops/instruments/worth.ts';

export const METRICS_PAGE = fileURLToPath(new URL('../docs/metrics.md', import.meta.url));

const GROUPS: readonly { readonly title: string; readonly metrics: Readonly<Record<string, Declared>> }[] = [
  { title: 'Requests', metrics: REQUEST_METRICS },
  { title: 'Decisions', metrics: DECISION_METRICS },
  { title: 'Tokens', metrics: TOKEN_METRICS },
  { title: 'What it is worth', metrics: WORTH_METRICS },
  { title: 'Rollout', metrics: ROLLOUT_METRICS },
  { title: 'Recordings', metrics: RECORDING_METRICS },
  { title: 'KV-cache events', metrics: EVENT_METRICS },
  { title: 'Pods', metrics: POD_METRICS },
  { title: 'The index', metrics: INDEX_METRICS },
  { title: 'The process', metrics: PROCESS_METRICS },
];

/** One thing that the router does: what counts it, what counts its failures, and what times it. */
export interface Operation {
  readonly name: string;
  readonly rate: readonly string[];
  readonly errors: readonly string[];
  readonly time: readonly string[];
}

export const OPERATIONS: readonly Operation[] = [
  {
    name: 'receive a body',
    rate: ['warmroute_receive_seconds_count'],
    errors: [
      'warmroute_rejections_total{kind="body_too_large"}',
      'warmroute_undecided_total',
      'warmroute_decisions_total{reason=~"late_body|buffers_full"}',
      'warmroute_abandoned_requests_total{during="body"}',
    ],
    time: ['warmroute_receive_seconds'],
  },
  {
    name: 'parse',
    rate: ['warmroute_stage_seconds_count{stage="parse"}'],
    errors: [
      'warmroute_rejections_total{kind="malformed_body"}',
      'warmroute_decisions_total{reason=~"unknown_encoding|too_intricate"}',
    ],
    time: ['warmroute_stage_seconds{stage="parse"}'],
  },
  {
    name: 'tokenize',
    rate: ['warmroute_stage_seconds_count{stage="tokenize"}', 'warmroute_tokenize_calls_total'],
    errors: [
      'warmroute_prompts_without_tokens_total',
      'warmroute_tokenize_calls_total{kind=~"unavailable|timeout|unauthorized"}',
    ],
    time: ['warmroute_stage_seconds{stage="tokenize"}', 'warmroute_tokenize_call_seconds'],
  },
  {
    name: 'hash',
    rate: ['warmroute_stage_seconds_count{stage="hash"}'],
    errors: ['warmroute_decisions_total{reason="index_failed"}'],
    time: ['warmroute_stage_seconds{stage="hash"}'],
  },
  {
    name: 'look up',
    rate: ['warmroute_stage_seconds_count{stage="match"}'],
    errors: ['warmroute_decisions_total{reason="index_failed"}'],
    time: ['warmroute_stage_seconds{stage="match"}'],
  },
  {
    name: 'pick',
    rate: ['warmroute_stage_seconds_count{stage="decide"}'],
    errors: [
      'warmroute_rejections_total{kind=~"no_ready_pod|no_allowed_pod"}',
      'warmroute_decisions_total{reason="all_failing"}',
    ],
    time: ['warmroute_stage_seconds{stage="decide"}'],
  },
  {
    name: 'reply',
    rate: ['warmroute_stage_seconds_count{stage="reply"}'],
    errors: ['warmroute_abandoned_requests_total{during="decision"}', 'warmroute_unexpected_errors_total'],
    time: ['warmroute_stage_seconds{stage="reply"}'],
  },
  {
    name: 'the whole decision',
    rate: ['warmroute_decision_seconds_count'],
    errors: ['warmroute_rejections_total', 'warmroute_decision_seconds_count{outcome="cancelled"}'],
    time: ['warmroute_decision_seconds'],
  },
  {
    name: 'poll health',
    rate: ['warmroute_health_polls_total'],
    errors: ['warmroute_health_polls_total{outcome=~"poll_failed|poll_refused|poll_unanswered"}'],
    time: ['warmroute_health_poll_seconds'],
  },
  {
    name: 'decode an event batch',
    rate: ['warmroute_kv_batch_seconds_count{step="decode"}'],
    errors: ['warmroute_kv_events_total{outcome=~"skipped_event|malformed_message"}'],
    time: ['warmroute_kv_batch_seconds{step="decode"}'],
  },
  {
    name: 'apply an event batch',
    rate: ['warmroute_kv_batch_seconds_count{step="apply"}', 'warmroute_kv_events_total'],
    errors: [
      'warmroute_kv_events_total{outcome=~"inconsistent|refused|orphaned"}',
      'warmroute_kv_messages_dropped_total{why="overflow"}',
      'warmroute_holders_forgotten_total',
    ],
    time: ['warmroute_kv_batch_seconds{step="apply"}', 'warmroute_kv_event_lag_seconds'],
  },
  {
    name: 'replay',
    rate: ['warmroute_replays_total'],
    errors: ['warmroute_replays_total{outcome!~"ended|aborted"}'],
    time: ['warmroute_replay_seconds'],
  },
  {
    name: 'list from the Kubernetes API',
    rate: ['warmroute_kubernetes_list_seconds_count'],
    errors: [
      'warmroute_kubernetes_errors_total{during="list"}',
      'warmroute_kubernetes_relists_total{reason="list_expired"}',
    ],
    time: ['warmroute_kubernetes_list_seconds'],
  },
  {
    name: 'watch the Kubernetes API',
    rate: ['warmroute_kubernetes_watch_seconds_count'],
    errors: [
      'warmroute_kubernetes_errors_total{during="watch"}',
      'warmroute_kubernetes_relists_total{reason!="list_expired"}',
    ],
    time: ['warmroute_kubernetes_watch_seconds'],
  },
];

/** The text of docs/metrics.md. */
export function metricsPage(): string {
  const groups = GROUPS.map(({ title, metrics }) => `## ${title}\n\n${tableOf(Object.values(metrics))}`);
  return `${[INTRODUCTION, `## By operation\n\n${BY_OPERATION}\n\n${operations()}`, ...groups].join('\n\n')}\n`;
}

function tableOf(metrics: readonly Declared[]): string {
  return table(
    ['Name', 'Type', 'Unit', 'Labels', 'Meaning', 'A bad value'],
    metrics.map(({ name, kind, unit, labels, help, bad }) => [
      code(name),
      kind === 'total' ? 'counter' : kind,
      unit === 'flag' ? '1' : unit,
      labelsOf(labels),
      help,
      bad,
    ]),
  );
}

function labelsOf(labels: Declared['labels']): string {
  const lines = Object.entries(labels).map(([name, values]) => {
    const what = 'names' in values ? values.names : values.map(code).join(', ');
    return `${code(name)}: ${what}`;
  });
  return lines.length === 0 ? '–' : lines.join('<br>');
}

function operations(): string {
  const cell = (selectors: readonly string[]) => selectors.map(code).join('<br>');
  return table(
    ['Operation', 'Rate', 'Errors', 'Time'],
    OPERATIONS.map(({ name, rate, errors, time }) => [name, cell(rate), cell(errors), cell(time)]),
  );
}

const code = (text: string) => `\`${text}\``;
const row = (cells: readonly string[]) => `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`;
const table = (head: readonly string[], rows: readonly (readonly string[])[]) =>
  [row(head), row(head.map(() => '---')), ...rows.map(row)].join('\n');

const INTRODUCTION = `<!-- Generated from src/ops/instruments/ by \`npm run generate\`. Do not edit. -->

# Metrics

What \`/metrics\` on the admin port says. [runbook.md](runbook.md) has the alerts that are made of them, \`deploy/prometheus/rules.yaml\` the
rules. The same under the names of AIBrix and llm-d: [metrics-families.md](metrics-families.md).

- Names and units are Prometheus': seconds, bytes, \`_total\` for counters. A flag is 1, or there is no such series.
- **No label has a value that a client chooses.** A label has the values that are listed, or as many as there are pods, ranks or models
  that pods serve. A model that nobody serves is a rejection, and has no label.
- Series end with what they are of: those of a pod when it leaves, those of a model when no pod serves it. A pod that comes back begins at
  nothing, which \`rate\` and \`increase\` take for what it is.
- Histograms have no label of a pod: each value would cost a line per bucket.
- A label that does not apply is left out (\`why\` of a publisher that is live).
- Prometheus renames \`pod\` to \`exported_pod\` where its own target labels have a \`pod\`: set \`honorLabels: true\` for this job, as the
  ServiceMonitor of the Helm chart does.`;

const BY_OPERATION =
  'Rates are of `_count` and `_total`, quantiles of `_bucket`: `histogram_quantile(0.99, sum by (le) (rate(warmroute_decision_seconds_bucket[5m])))`.';
