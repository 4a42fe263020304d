/** For each alert what Prometheus scrapes, once a minute, and when it fires and is over. */

import type { AlertName } from '../../scripts/alerts.ts';

export interface AlertCase {
  /** Values in the notation of `promtool test rules`; `_` is a scrape without the series. */
  readonly series: Readonly<Record<string, string>>;
  /** What fires. `value`: as the annotations show it. */
  readonly fires: {
    readonly at: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly value?: string;
  };
  /** When it does not fire yet, as it has not lasted; undefined: it need not last. */
  readonly pendingAt?: string;
  readonly clearAt: string;
  /** What looks alike and is none: nothing of it may fire. */
  readonly never?: Readonly<Record<string, string>>;
}

const INSTANCE = { instance: 'a', job: 'warmroute' };
const ON_A = 'instance="a", job="warmroute"';

/** A counter that grows by so much a minute for the first minutes, and then no more. */
const growing = (by: number, minutes: number, then: number) => `0+${by}x${minutes} ${by * minutes}x${then}`;

export const ALERT_CASES: Readonly<Record<AlertName, AlertCase>> = {
  WarmrouteAbsent: {
    series: { [`warmroute_ready_pods{${ON_A}}`]: '2 2 _x12 2x20' },
    fires: { at: '13m', labels: {} },
    pendingAt: '8m',
    clearAt: '16m',
  },
  WarmrouteNoPods: {
    series: {
      [`warmroute_ready_pods{${ON_A}}`]: '3 3 0x10 3x10',
      'warmroute_ready_pods{instance="b"}': '3x30',
    },
    fires: { at: '5m', labels: INSTANCE },
    pendingAt: '3m',
    clearAt: '14m',
  },
  WarmrouteFailingOpen: {
    series: {
      'envoy_http_ext_proc_warmroute_failure_mode_allowed{envoy_http_conn_manager_prefix="ingress", instance="envoy"}':
        growing(60, 10, 20),
    },
    fires: { at: '8m', labels: { envoy_http_conn_manager_prefix: 'ingress' }, value: '1' },
    pendingAt: '4m',
    clearAt: '17m',
    never: {
      // A rollout: for a minute no router is reached.
      'envoy_http_ext_proc_failure_mode_allowed{envoy_http_conn_manager_prefix="other"}': '0x5 9x30',
    },
  },
  WarmrouteDecisionsAbandoned: {
    series: {
      [`warmroute_abandoned_requests_total{during="decision", ${ON_A}}`]: growing(10, 25, 30),
      [`warmroute_decision_seconds_count{outcome="routed", ${ON_A}}`]: '0+90x55',
      [`warmroute_decision_seconds_count{outcome="cancelled", ${ON_A}}`]: growing(10, 25, 30),
    },
    fires: { at: '20m', labels: { instance: 'a' }, value: '10%' },
    pendingAt: '8m',
    clearAt: '40m',
    never: {
      'warmroute_abandoned_requests_total{during="body", instance="b"}': '0+50x55',
      'warmroute_decision_seconds_count{outcome="routed", instance="b"}': '0+100x55',
    },
  },
  WarmrouteUnexpectedErrors: {
    series: { [`warmroute_unexpected_errors_total{${ON_A}}`]: '0x5 1x40' },
    fires: { at: '6m', labels: INSTANCE },
    clearAt: '25m',
  },
  WarmrouteFallback: {
    series: {
      [`warmroute_prompts_without_tokens_total{model="m", why="tokenizer_failed", ${ON_A}}`]: growing(
        15,
        30,
        30,
      ),
      [`warmroute_decisions_total{model="m", strategy="prefix-cache", reason="late_body", ${ON_A}}`]: growing(
        5,
        30,
        30,
      ),
      [`warmroute_decisions_total{model="m", strategy="prefix-cache", reason="prefix_match", ${ON_A}}`]:
        '0+95x60',
    },
    fires: { at: '25m', labels: { model: 'm' }, value: '20%' },
    pendingAt: '8m',
    clearAt: '45m',
    never: {
      'warmroute_prompts_without_tokens_total{model="n", why="private_key"}': '0+50x60',
      'warmroute_decisions_total{model="n", strategy="prefix-cache", reason="prefix_match"}': '0+100x60',
    },
  },
  WarmrouteUnconfirmed: {
    series: {
      'warmroute_predictions_total{model="m", endpoint="/v1/completions", verdict="unconfirmed"}': growing(
        3,
        60,
        60,
      ),
      'warmroute_predictions_total{model="m", endpoint="/v1/completions", verdict="confirmed"}': '0+7x120',
    },
    fires: { at: '50m', labels: { model: 'm' }, value: '30%' },
    pendingAt: '5m',
    clearAt: '100m',
    never: {
      // So few that chance may have it.
      'warmroute_predictions_total{model="n", endpoint="/v1/completions", verdict="unconfirmed"}': '0+1x120',
    },
  },
  WarmrouteTokenizerCircuitOpen: {
    series: { [`warmroute_tokenizer_circuit_open{pod="p", ${ON_A}}`]: '0 1x10 0x10' },
    fires: { at: '7m', labels: { pod: 'p' } },
    pendingAt: '4m',
    clearAt: '13m',
  },
  WarmrouteTokensDoubted: {
    series: { [`warmroute_tokens_trusted{model="m", endpoint="/v1/messages", ${ON_A}}`]: '0x40 1x20' },
    fires: { at: '35m', labels: { model: 'm', endpoint: '/v1/messages' } },
    pendingAt: '20m',
    clearAt: '45m',
    never: {
      // Another replica uses them.
      [`warmroute_tokens_trusted{model="n", endpoint="/v1/messages", ${ON_A}}`]: '0x60',
      'warmroute_tokens_trusted{model="n", endpoint="/v1/messages", instance="b:8080"}': '1x60',
    },
  },
  WarmroutePublisherDisconnected: {
    series: {
      [`warmroute_publisher_state{pod="p", rank="0", state="connecting", ${ON_A}}`]: '1x10 _x20',
      [`warmroute_publisher_state{pod="p", rank="0", state="live", ${ON_A}}`]: '_x10 1x20',
      [`warmroute_pod_health{pod="p", state="healthy", ${ON_A}}`]: '1x30',
    },
    fires: { at: '6m', labels: { pod: 'p', rank: '0' } },
    pendingAt: '3m',
    clearAt: '17m',
    never: {
      [`warmroute_publisher_state{pod="q", rank="0", state="connecting", ${ON_A}}`]: '1x30',
      [`warmroute_pod_health{pod="q", state="failing", ${ON_A}}`]: '1x30',
    },
  },
  WarmroutePublisherSilent: {
    series: {
      [`warmroute_publisher_state{pod="p", rank="0", state="live", ${ON_A}}`]: '1x90',
      [`warmroute_requests_in_flight{pod="p", ${ON_A}}`]: '2x90',
      [`warmroute_kv_events_total{pod="p", outcome="stored", ${ON_A}}`]: '5x60 5+10x30',
    },
    fires: { at: '40m', labels: { pod: 'p' } },
    pendingAt: '10m',
    clearAt: '65m',
    never: {
      // It has nothing to do.
      [`warmroute_publisher_state{pod="q", rank="0", state="live", ${ON_A}}`]: '1x90',
      [`warmroute_requests_in_flight{pod="q", ${ON_A}}`]: '0x90',
    },
  },
  WarmroutePublisherCold: {
    series: {
      [`warmroute_publisher_state{pod="p", rank="1", state="cold", why="hole", ${ON_A}}`]: '1x25 _x30',
      [`warmroute_publisher_state{pod="p", rank="1", state="live", ${ON_A}}`]: '_x25 1x30',
    },
    fires: { at: '20m', labels: { pod: 'p', rank: '1', why: 'hole' } },
    pendingAt: '10m',
    clearAt: '35m',
    never: {
      // Nothing can be replayed, or the engine is older than its buffer.
      [`warmroute_publisher_state{pod="r", rank="0", state="cold", why="evicted", ${ON_A}}`]: '1x60',
      [`warmroute_publisher_state{pod="q", rank="0", state="cold", why="no_replay", ${ON_A}}`]: '1x60',
    },
  },
  WarmrouteEventGaps: {
    series: { [`warmroute_kv_messages_missed_total{pod="p", ${ON_A}}`]: growing(2, 60, 60) },
    fires: { at: '45m', labels: { pod: 'p' } },
    pendingAt: '20m',
    clearAt: '80m',
    never: { [`warmroute_kv_messages_missed_total{pod="q", ${ON_A}}`]: '0x5 7x115' },
  },
  WarmrouteEventLag: {
    series: {
      [`warmroute_publisher_lag_seconds{pod="p", rank="0", ${ON_A}}`]: '12x20 0.01x20',
      [`warmroute_kv_events_total{pod="p", outcome="stored", ${ON_A}}`]: '0+10x40',
    },
    fires: { at: '15m', labels: { pod: 'p', rank: '0' }, value: '12s' },
    pendingAt: '8m',
    clearAt: '25m',
    never: {
      // Its last batch was late, long ago.
      [`warmroute_publisher_lag_seconds{pod="q", rank="0", ${ON_A}}`]: '12x40',
      [`warmroute_kv_events_total{pod="q", outcome="stored", ${ON_A}}`]: '10x40',
    },
  },
  WarmrouteRestartStorm: {
    series: {
      [`warmroute_holders_forgotten_total{pod="p", why="restart", ${ON_A}}`]: '0x5 1x10 2x10 3x10 4x100',
    },
    fires: { at: '40m', labels: { pod: 'p', why: 'restart' } },
    pendingAt: '16m',
    clearAt: '110m',
    never: { [`warmroute_holders_forgotten_total{pod="q", why="restart", ${ON_A}}`]: '0x5 1x50 2x80' },
  },
  WarmrouteUnfollowedPods: {
    series: { [`warmroute_unfollowed_pods{${ON_A}}`]: '4x20 0x20' },
    fires: { at: '17m', labels: INSTANCE, value: '4' },
    pendingAt: '10m',
    clearAt: '23m',
  },
  WarmroutePodFailing: {
    series: {
      [`warmroute_pod_health{pod="p", state="failing", ${ON_A}}`]: '1x10 _x20',
      [`warmroute_pod_health{pod="p", state="healthy", ${ON_A}}`]: '_x10 1x20',
    },
    fires: { at: '7m', labels: { pod: 'p' } },
    pendingAt: '3m',
    clearAt: '17m',
  },
  WarmrouteAllPodsFailing: {
    series: {
      [`warmroute_decisions_total{model="m", strategy="prefix-cache", reason="all_failing", ${ON_A}}`]:
        growing(120, 12, 20),
    },
    fires: { at: '8m', labels: { model: 'm' }, value: '2' },
    pendingAt: '4m',
    clearAt: '20m',
    never: {
      'warmroute_decisions_total{model="n", strategy="prefix-cache", reason="prefix_match"}': '0+100x32',
    },
  },
  WarmrouteDiscoveryStale: {
    series: { [`warmroute_discovery_stale_seconds{source="file", ${ON_A}}`]: '0 0+60x10 0x20' },
    fires: { at: '10m', labels: { source: 'file' }, value: '9m 0s' },
    pendingAt: '5m',
    clearAt: '13m',
  },
  WarmrouteRestarts: {
    series: {
      [`process_start_time_seconds{${ON_A}}`]: '1000x5 1300x5 1600x5 1900x90',
      [`warmroute_build_info{version="1", node="24", ${ON_A}}`]: '1x110',
    },
    fires: { at: '20m', labels: INSTANCE, value: '3' },
    pendingAt: '10m',
    clearAt: '70m',
    never: {
      // Another program.
      'process_start_time_seconds{instance="b", job="prometheus"}': '1x5 2x5 3x5 4x90',
    },
  },
  WarmrouteCertificateExpires: {
    series: { [`warmroute_tls_certificate_seconds_left{${ON_A}}`]: '518400x90 5184000x20' },
    fires: { at: '75m', labels: INSTANCE, value: '6d 0h 0m 0s' },
    pendingAt: '30m',
    clearAt: '95m',
  },
  WarmrouteIndexNearCapacity: {
    series: {
      [`warmroute_index_bytes{${ON_A}}`]: '95x25 50x20',
      [`warmroute_index_capacity_bytes{${ON_A}}`]: '100x50',
    },
    fires: { at: '20m', labels: INSTANCE, value: '95%' },
    pendingAt: '10m',
    clearAt: '28m',
  },
  WarmrouteEventLoopLag: {
    series: {
      [`warmroute_event_loop_lag_seconds_bucket{le="0.1", ${ON_A}}`]: '0+900x25 22500+1000x25',
      [`warmroute_event_loop_lag_seconds_bucket{le="0.5", ${ON_A}}`]: '0+1000x50',
      [`warmroute_event_loop_lag_seconds_bucket{le="+Inf", ${ON_A}}`]: '0+1000x50',
    },
    fires: { at: '20m', labels: { instance: 'a' }, value: '460ms' },
    pendingAt: '8m',
    clearAt: '35m',
  },
  WarmrouteMemory: {
    series: {
      [`process_resident_memory_bytes{${ON_A}}`]: '95x20 60x20',
      [`warmroute_memory_limit_bytes{${ON_A}}`]: '100x40',
      [`warmroute_heap_bytes{${ON_A}}`]: '30x40',
      [`warmroute_heap_limit_bytes{${ON_A}}`]: '100x40',
    },
    fires: { at: '15m', labels: INSTANCE, value: '95%' },
    pendingAt: '8m',
    clearAt: '25m',
    never: { 'process_resident_memory_bytes{instance="other"}': '1000x40' },
  },
};
