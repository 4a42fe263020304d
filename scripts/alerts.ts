/** Every alert: the source of deploy/prometheus/rules.yaml. docs/runbook.md has a paragraph for each, under its name. */

/** `critical`: clients feel it, somebody has to look now. `warning`: requests are served, and worse than they could be. */
export type Severity = 'critical' | 'warning';

export interface Alert {
  readonly name: string;
  /** Of what; the groups of the rules file. */
  readonly about: 'requests' | 'routing' | 'events' | 'pods' | 'process';
  readonly expr: string;
  readonly for: string;
  readonly severity: Severity;
  /** Labels and the value may be named as in Prometheus' templates. */
  readonly summary: string;
  readonly description: string;
}

/** Envoy's metrics that alerts look at: with `stat_prefix: warmroute`, as in `envoy/`, and without one. */
export const ENVOY_METRICS = [
  'envoy_http_ext_proc_warmroute_failure_mode_allowed',
  'envoy_http_ext_proc_failure_mode_allowed',
] as const;

/** Prompts without tokens, and bodies that were not read, for a reason that somebody can mend. */
const FALLBACKS = [
  'rate(warmroute_prompts_without_tokens_total{why=~"tokenizer_failed|deadline|no_token_form"}[10m])',
  'rate(warmroute_decisions_total{reason=~"index_failed|late_body|buffers_full"}[10m])',
].join(' or ');

export const ALERTS = [
  {
    name: 'WarmrouteAbsent',
    about: 'requests',
    expr: 'absent(warmroute_ready_pods)',
    for: '5m',
    severity: 'critical',
    summary: 'No router is scraped',
    description:
      'Prometheus has no metrics of any Warmroute: none runs, or it is not scraped. Envoy balances requests without it where it fails open, and refuses them where it fails closed.',
  },
  {
    name: 'WarmrouteNoPods',
    about: 'requests',
    expr: 'warmroute_ready_pods == 0',
    for: '2m',
    severity: 'critical',
    summary: '{{ $labels.instance }} knows no pod',
    description: 'The router is not ready, and answers what still reaches it with 503 or 404.',
  },
  {
    name: 'WarmrouteFailingOpen',
    about: 'requests',
    expr: `sum by (envoy_http_conn_manager_prefix) (${ENVOY_METRICS.map(name => `rate(${name}[5m])`).join(' or ')}) > 0`,
    for: '5m',
    severity: 'critical',
    summary: 'Envoy sends requests on without asking the router',
    description:
      '{{ $value | humanize }} requests a second go to any pod, whoever holds their prefix: Envoy does not reach the router, or it answers too late.',
  },
  {
    name: 'WarmrouteDecisionsAbandoned',
    about: 'requests',
    expr: 'sum by (instance) (rate(warmroute_abandoned_requests_total{during="decision"}[10m])) / sum by (instance) (rate(warmroute_decision_seconds_count[10m])) > 0.05',
    for: '10m',
    severity: 'warning',
    summary: 'Requests are abandoned while {{ $labels.instance }} decides',
    description:
      '{{ $value | humanizePercentage }} of the requests end before they have their decision: Envoy’s message_timeout is shorter than the router’s deadline, or clients leave.',
  },
  {
    name: 'WarmrouteUnexpectedErrors',
    about: 'requests',
    expr: 'increase(warmroute_unexpected_errors_total[15m]) > 0',
    for: '0m',
    severity: 'warning',
    summary: 'A fault in {{ $labels.instance }}',
    description: 'Something happened that should never happen. The request went on; the log has the stack.',
  },
  {
    name: 'WarmrouteFallback',
    about: 'routing',
    expr: `sum by (model) (${FALLBACKS}) / sum by (model) (rate(warmroute_decisions_total[10m])) > 0.1`,
    for: '10m',
    severity: 'warning',
    summary: 'Requests of {{ $labels.model }} are routed without knowing who holds their prompt',
    description:
      '{{ $value | humanizePercentage }} of the requests have no tokens, or no body that could be read, and go by their history or by load.',
  },
  {
    name: 'WarmrouteUnconfirmed',
    about: 'routing',
    expr: 'sum by (model) (rate(warmroute_predictions_total{verdict="unconfirmed"}[30m])) / sum by (model) (rate(warmroute_predictions_total[30m])) > 0.2 and sum by (model) (increase(warmroute_predictions_total[30m])) > 50',
    for: '10m',
    severity: 'warning',
    summary: 'Engines of {{ $labels.model }} do not announce the prompts that they were sent',
    description:
      '{{ $value | humanizePercentage }} of the sampled prompts did not appear among the blocks of their pod, so they are not found again: templates, tokenizers or block sizes differ, or events are missing.',
  },
  {
    name: 'WarmrouteTokenizerCircuitOpen',
    about: 'routing',
    expr: 'max by (pod) (warmroute_tokenizer_circuit_open) == 1',
    for: '5m',
    severity: 'warning',
    summary: 'The tokenizer of {{ $labels.pod }} is not asked',
    description:
      'Its calls failed, and so do the probes. Other pods tokenize for it; without any, prompts have no tokens.',
  },
  {
    name: 'WarmrouteTokensDoubted',
    about: 'routing',
    expr: 'max by (model, endpoint) (warmroute_tokens_trusted) == 0',
    for: '30m',
    severity: 'warning',
    summary: 'Tokens of {{ $labels.model }} at {{ $labels.endpoint }} are not computed in process',
    description:
      'Its tokenizer files are there, and what they give was not shown to be what the engines make of prompts. The engines are asked, which takes longer.',
  },
  {
    name: 'WarmroutePublisherDisconnected',
    about: 'events',
    expr: 'max by (pod, rank) (warmroute_publisher_state{state="connecting"}) == 1 unless on (pod) (warmroute_pod_health{state=~"failing|sleeping"} == 1)',
    for: '5m',
    severity: 'warning',
    summary: 'The events of {{ $labels.pod }}, rank {{ $labels.rank }}, are not heard',
    description: 'The pod is well, its event port is not reached, and so it counts as holding nothing.',
  },
  {
    name: 'WarmroutePublisherSilent',
    about: 'events',
    expr: 'max by (pod) (warmroute_publisher_state{state=~"live|cold"}) == 1 and on (pod) max by (pod) (avg_over_time(warmroute_requests_in_flight[15m])) > 0.5 unless on (pod) sum by (pod) (increase(warmroute_kv_events_total[15m])) > 0',
    for: '15m',
    severity: 'warning',
    summary: '{{ $labels.pod }} works and announces nothing',
    description: 'It has requests, and its connected event stream has brought no event for half an hour.',
  },
  {
    name: 'WarmroutePublisherCold',
    about: 'events',
    expr: 'max by (pod, rank, why) (warmroute_publisher_state{state="cold", why!~"no_replay|evicted|begins_at_1"}) == 1',
    for: '15m',
    severity: 'warning',
    summary: 'Only a part of what {{ $labels.pod }}, rank {{ $labels.rank }}, holds is known',
    description:
      'Messages were lost and could not be had again ({{ $labels.why }}): less is believed than is true.',
  },
  {
    name: 'WarmrouteEventGaps',
    about: 'events',
    expr: 'sum by (pod) (increase(warmroute_kv_messages_missed_total[15m])) > 0',
    for: '30m',
    severity: 'warning',
    summary: 'Messages of {{ $labels.pod }} are lost again and again',
    description:
      'There were gaps in its event stream for three quarters of an hour. Each is replayed, or costs what was known.',
  },
  {
    name: 'WarmrouteEventLag',
    about: 'events',
    expr: 'max by (pod, rank) (abs(warmroute_publisher_lag_seconds)) > 5 and on (pod) sum by (pod) (rate(warmroute_kv_events_total[5m])) > 0',
    for: '10m',
    severity: 'warning',
    summary: 'The index is behind {{ $labels.pod }}, rank {{ $labels.rank }}',
    description:
      'Its events are {{ $value | humanizeDuration }} old when they count, or its clock and the router’s differ.',
  },
  {
    name: 'WarmrouteRestartStorm',
    about: 'events',
    expr: 'sum by (pod, why) (increase(warmroute_holders_forgotten_total[1h])) > 2',
    for: '0m',
    severity: 'warning',
    summary: 'What {{ $labels.pod }} holds is forgotten again and again',
    description:
      'More than twice in an hour ({{ $labels.why }}): its engine restarts, or its event stream breaks.',
  },
  {
    name: 'WarmrouteUnfollowedPods',
    about: 'events',
    expr: 'warmroute_unfollowed_pods > 0',
    for: '15m',
    severity: 'warning',
    summary: '{{ $labels.instance }} does not follow the events of all pods',
    description:
      '{{ $value }} pods have more publishers than its open files allow, and count as holding nothing.',
  },
  {
    name: 'WarmroutePodFailing',
    about: 'pods',
    expr: 'max by (pod) (warmroute_pod_health{state="failing"}) == 1',
    for: '5m',
    severity: 'warning',
    summary: '{{ $labels.pod }} fails',
    description: 'It gets nothing but trials while another pod may be picked.',
  },
  {
    name: 'WarmrouteAllPodsFailing',
    about: 'pods',
    expr: 'sum by (model) (rate(warmroute_decisions_total{reason="all_failing"}[5m])) > 0',
    for: '5m',
    severity: 'critical',
    summary: 'Every pod of {{ $labels.model }} fails',
    description:
      '{{ $value | humanize }} requests a second go to the least loaded of pods that all fail, since none is well.',
  },
  {
    name: 'WarmrouteDiscoveryStale',
    about: 'pods',
    expr: 'max by (source) (warmroute_discovery_stale_seconds) > 300',
    for: '1m',
    severity: 'warning',
    summary: 'Which pods there are is known from {{ $labels.source }} no longer',
    description:
      'For {{ $value | humanizeDuration }} the last known pods have been used: new ones get nothing, those that are gone fail.',
  },
  {
    name: 'WarmrouteRestarts',
    about: 'process',
    expr: 'changes(process_start_time_seconds[1h]) > 2 and on (job, instance) warmroute_build_info',
    for: '0m',
    severity: 'warning',
    summary: '{{ $labels.instance }} is started again and again',
    description:
      '{{ $value }} times within an hour: it crashes, or is ended for its memory or its probes. Each time the caches are learned again.',
  },
  {
    name: 'WarmrouteCertificateExpires',
    about: 'process',
    expr: 'warmroute_tls_certificate_seconds_left < 7 * 86400',
    for: '1h',
    severity: 'warning',
    summary: 'The certificate of {{ $labels.instance }} is not renewed',
    description:
      'It ends in {{ $value | humanizeDuration }}. After that Envoys that verify it reach no router.',
  },
  {
    name: 'WarmrouteIndexNearCapacity',
    about: 'process',
    expr: 'warmroute_index_bytes / warmroute_index_capacity_bytes > 0.9',
    for: '15m',
    severity: 'warning',
    summary: 'The index of {{ $labels.instance }} is nearly full',
    description:
      '{{ $value | humanizePercentage }} of its memory is in use. Above all of it the blocks that were stored longest ago are evicted, although engines hold them.',
  },
  {
    name: 'WarmrouteEventLoopLag',
    about: 'process',
    expr: 'histogram_quantile(0.99, sum by (instance, le) (rate(warmroute_event_loop_lag_seconds_bucket[5m]))) > 0.1',
    for: '10m',
    severity: 'warning',
    summary: '{{ $labels.instance }} is too busy',
    description:
      'One in a hundred of its timers is {{ $value | humanizeDuration }} late, and so are decisions.',
  },
  {
    name: 'WarmrouteMemory',
    about: 'process',
    expr: 'process_resident_memory_bytes / warmroute_memory_limit_bytes > 0.9 or warmroute_heap_bytes / warmroute_heap_limit_bytes > 0.9',
    for: '10m',
    severity: 'critical',
    summary: '{{ $labels.instance }} is about to run out of memory',
    description:
      '{{ $value | humanizePercentage }} of its memory limit, or of its JavaScript heap’s, is in use.',
  },
] as const satisfies readonly Alert[];

export type KnownAlert = (typeof ALERTS)[number];
export type AlertName = KnownAlert['name'];
