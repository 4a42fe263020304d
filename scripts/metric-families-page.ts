/** The text of docs/metrics-families.md, from the table of metrics that have other routers' names. */
import { fileURLToPath } from 'node:url';
import { FAMILY_METRICS, type Family, type FamilyMetric } from '../src/ops/families/families.ts';

export const METRIC_FAMILIES_PAGE = fileURLToPath(new URL('../docs/metrics-families.md', import.meta.url));

const code = (text: string) => `\`${text}\``;
const row = (cells: readonly string[]) => `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`;

export function metricFamiliesPage(): string {
  return `${[INTRODUCTION, ...(['aibrix', 'llm-d'] as const).flatMap(family => [ABOUT[family], tableOf(family)])].join('\n\n')}\n`;
}

function tableOf(wanted: Family): string {
  const rows = FAMILY_METRICS.filter(({ family }) => family === wanted).map(rowOf);
  return [
    row(['Name', 'Kind', 'Labels', 'Mirrors', 'What differs']),
    row(['---', '---', '---', '---', '---']),
    ...rows,
  ].join('\n');
}

function rowOf({ name, labels, source, mirrors, differs }: FamilyMetric): string {
  const kind = source.kind === 'recorded' ? source.as : source.kind;
  return row([code(name), kind, labels.map(code).join(', ') || '–', mirrors, differs || '–']);
}

const INTRODUCTION = `<!-- Generated from src/ops/families/ by \`npm run generate\`. Do not edit. -->

# Metrics with other routers' names

Beside its own metrics, \`warmroute_*\`, Warmroute shows what it knows under the names that AIBrix's gateway plugin and llm-d's endpoint
picker have for it, so that dashboards, alerts and autoscalers that ask for those go on working. \`WARMROUTE_METRIC_FAMILIES\` leaves
each family out (\`aibrix\`, \`llm-d\`, or \`none\` of them).

- Values are read from our own metrics, or from the state, when somebody scrapes: a request costs nothing more for them.
- No label has a value that a client chooses. AIBrix's \`request_id\` labels, and counts by user, are not taken over.
- What a router cannot know without reading every answer is not there: tokens of answers, times to the first token, times per token. The
  engines count all of these themselves.
- Where a value is an engine's (queue, running requests, KV-cache usage), each engine's \`/metrics\` is read every 10 s, or as often as
  \`WARMROUTE_METRICS_INTERVAL_MS\` says while decisions are made by it. With that at 0 these have no series.
- A family adds some series per pod: \`aibrix\` five, and one per publisher for each of twelve \`aibrix_kvcache_zmq_*\`; \`llm-d\` five.`;

const ABOUT: Readonly<Record<Family, string>> = {
  aibrix: `## AIBrix

Of AIBrix at commit e3e10f9e (August 2026). \`gateway_pod\` is the host name, which in Kubernetes is the name of the pod. Labels of engine
pods: \`namespace\` and \`pod\` from the pod's name, \`engine_type\`, \`roleset\`, \`role\` and \`role_replica_index\` from its labels
\`model.aibrix.ai/engine\` (default \`vllm\`), \`roleset-name\`, \`role-name\` and \`role-replica-index\`. Prometheus renames \`pod\` and
\`namespace\` to \`exported_pod\` and \`exported_namespace\`, as it does with AIBrix's, unless
\`honorLabels\` is set, as in the ServiceMonitor of our Helm chart.

Not there: \`gateway_*_token*\`, \`gateway_requests_with_usage_total\`, \`gateway_first_token_delay_over_1s_total\` and the
\`gateway_*_time_bucket_total\`, \`_ttft_\` and \`_tpot_\` (answers are not read); \`gateway_prefill_*\` and \`pd_selected_*\` (prefill and
decode are not routed apart); \`aibrix_tokenizer_pool_creation_*\` and \`_unhealthy_tokenizers_total\` (there is no pool).`,
  'llm-d': `## llm-d

Of llm-d-router in August 2026: its names since 0.9, \`llm_d_epp_*\`, and those of the Gateway API inference extension
(\`inference_objective_*\`, \`inference_pool_*\`, \`inference_extension_*\`), which it writes beside them until 0.11. \`name\` is the name of
the pool.

Not there: sizes, tokens, durations and times of requests (\`request_duration_seconds\`, \`request_ttft_seconds\` and their like); flow
control (requests are not queued here); predicted latencies; disaggregation; \`plugin_*\`; \`info\`.`,
};
