/** What can be wrong with Envoy's configuration, as `envoy/` and docs/configuration.md say what it has to be. */
import { findingsOf, type Problem } from '../finding.ts';

export const ENVOY_PROBLEMS = {
  envoy_unreadable: {
    status: 'fail',
    check: 'envoy',
    means: 'Envoy’s admin port does not answer, or what was given is no dump of its configuration.',
    advice:
      'give --envoy the admin port (http://127.0.0.1:9901), or --envoy-config-dump a file with what GET /config_dump answers',
  },
  no_filter: {
    status: 'fail',
    check: 'filter',
    means: 'No chain of HTTP filters has an ext_proc filter: the router is never asked.',
    advice:
      'add the filter as in envoy/warmroute.yaml; with Envoy Gateway an EnvoyExtensionPolicy (docs/deploying.md)',
  },
  filter_off: {
    status: 'fail',
    check: 'filter',
    means: 'The filter is disabled, and no route turns it on.',
    advice: 'take `disabled` away, or turn the filter on in typed_per_filter_config of the route',
  },
  filter_after_router: {
    status: 'fail',
    check: 'filter',
    means: 'The filter stands behind the router filter: requests have left before it is asked.',
    advice: 'put it before envoy.filters.http.router',
  },
  auth_after_filter: {
    status: 'warn',
    check: 'filter',
    means: 'Requests are routed, and their prompts tokenized, before it is checked who sends them.',
    advice: 'put authentication and rate limits before ext_proc',
  },
  shadow_mode: {
    status: 'fail',
    check: 'filter',
    means: '`observability_mode`: what the router answers is ignored.',
    advice: 'take observability_mode away',
  },
  fails_closed: {
    status: 'warn',
    check: 'failure_mode',
    means:
      'Without a router requests are refused, and when one dies the generations that run through it are reset.',
    advice: 'set failure_mode_allow: true, unless no request may go where the router has not sent it',
  },
  message_timeout_short: {
    status: 'fail',
    check: 'message_timeout',
    means:
      'Envoy gives up before the router decides: the request goes anywhere, and its load is not counted.',
    advice: 'set message_timeout above WARMROUTE_DECISION_TIMEOUT_MS (Envoy’s default is 0.2 s)',
  },
  body_not_sent: {
    status: 'fail',
    check: 'processing_mode',
    means: 'The router does not get the headers, or not the whole body, before Envoy has chosen a pod.',
    advice:
      'set request_header_mode SEND and request_body_mode BUFFERED (or FULL_DUPLEX_STREAMED with request_trailer_mode SEND)',
  },
  end_unseen: {
    status: 'warn',
    check: 'processing_mode',
    means:
      'The stream ends with the decision: the router does not see when a request ends, and counts no load in flight.',
    advice: 'set response_trailer_mode SEND, or response_header_mode SEND where that cannot be had',
  },
  override_not_allowed: {
    status: 'warn',
    check: 'mode_override',
    means: 'Envoy drops a mode that the router asks for. What is lost by it is said.',
    advice:
      'set allow_mode_override: true, with the modes of envoy/warmroute.yaml in allowed_override_modes, or without that list',
  },
  buffer_small: {
    status: 'fail',
    check: 'buffer_limit',
    means: 'Envoy answers 413 to bodies that the router would take.',
    advice:
      'set per_connection_buffer_limit_bytes of the listener to WARMROUTE_MAX_BODY_BYTES, or lower that',
  },
  mutation_refused: {
    status: 'fail',
    check: 'mutation_rules',
    means: 'Envoy does not let the router set or remove the headers that name the pod.',
    advice: 'let mutation_rules allow them, as in envoy/warmroute.yaml',
  },
  route_cache_kept: {
    status: 'warn',
    check: 'route_cache',
    means:
      'Envoy does not choose the route again after the router’s answer. No route that was seen looks at what the router sets.',
    advice:
      'take route_cache_action: RETAIN (disable_clear_route_cache) away: a route that looks at the router’s headers would never match',
  },
  route_not_chosen_again: {
    status: 'fail',
    check: 'route_cache',
    means:
      'Routes match on headers that the router sets, and Envoy does not choose the route again after its answer.',
    advice: 'take route_cache_action: RETAIN (disable_clear_route_cache) away',
  },
  namespace_dropped: {
    status: 'fail',
    check: 'metadata',
    means: 'A cluster goes by dynamic metadata of the router that the filter does not take.',
    advice: 'add the namespace to metadata_options.receiving_namespaces.untyped',
  },
  metadata_dropped: {
    status: 'warn',
    check: 'metadata',
    means:
      'The filter does not take the router’s metadata: retries know no other pod, and access logs no reason.',
    advice: 'add warmroute (and envoy.lb) to metadata_options.receiving_namespaces.untyped',
  },
  server_unsaid: {
    status: 'warn',
    check: 'metadata',
    means: 'The router is not told who answered: after a retry the wrong pod gets the credit, or the blame.',
    advice: 'set response_attributes: [ upstream.address ]',
  },
  pick_ignored: {
    status: 'fail',
    check: 'target',
    means: 'No route leads to a cluster that goes where the router says: its picks change nothing.',
    advice: 'give the cluster override_host sources, or ORIGINAL_DST by the header target-pod, as in envoy/',
  },
  cluster_unknown: {
    status: 'warn',
    check: 'target',
    means: 'A route leads to a cluster that the dump does not have.',
    advice: 'dump the whole configuration (GET /config_dump without a mask), or add the cluster',
  },
  no_retries: {
    status: 'warn',
    check: 'retries',
    means: 'What a pod does not answer is not sent to another one.',
    advice: 'give the route the retry_policy of envoy/warmroute.yaml',
  },
  route_timeout_short: {
    status: 'warn',
    check: 'retries',
    means: 'The route’s time-out cuts generations (Envoy’s default is 15 s).',
    advice: 'set timeout: 0s on the route, and an idle_timeout',
  },
  forgeable_headers: {
    status: 'warn',
    check: 'forged_headers',
    means:
      'Clients can send headers that are the router’s word, which count whenever the router is not asked.',
    advice: 'remove them in early_header_mutation_extensions, as in envoy/warmroute.yaml',
  },
  open_proxy: {
    status: 'fail',
    check: 'forged_headers',
    means:
      'A cluster dials whatever a client writes into a header, at any address, whenever the router is not asked.',
    advice: 'remove the header in early_header_mutation_extensions, as in envoy/original-dst.yaml',
  },
  router_cluster_missing: {
    status: 'fail',
    check: 'router_cluster',
    means: 'The filter’s gRPC service is a cluster that Envoy does not have.',
    advice: 'add the cluster, or name the right one in grpc_service',
  },
  router_not_http2: {
    status: 'fail',
    check: 'router_cluster',
    means: 'The router’s cluster does not speak HTTP/2, which gRPC needs.',
    advice: 'set http2_protocol_options in its HttpProtocolOptions',
  },
  tls_mismatch: {
    status: 'fail',
    check: 'router_cluster',
    means: 'One of Envoy and the router speaks TLS, and the other one plain text.',
    advice: 'give the cluster a transport_socket, or none, as WARMROUTE_TLS says',
  },
  few_streams: {
    status: 'warn',
    check: 'router_cluster',
    means:
      'A stream is held for each request in flight; above max_requests of the cluster’s circuit breakers requests pass by the router.',
    advice: 'set circuit_breakers with max_requests: 65536',
  },
  idle_timeout_long: {
    status: 'warn',
    check: 'router_cluster',
    means:
      'The router ends idle connections before Envoy does: a request that is sent at that moment is refused.',
    advice: 'set idle_timeout of the cluster below WARMROUTE_GRPC_IDLE_MS',
  },
  health_unnamed: {
    status: 'warn',
    check: 'health_check',
    means:
      'The health check asks for no service, and so whether the router lives and not whether it is ready.',
    advice: 'set grpc_health_check.service_name: envoy.service.ext_proc.v3.ExternalProcessor',
  },
  health_service_unknown: {
    status: 'fail',
    check: 'health_check',
    means: 'The health check asks for a service that the router does not know: no router is ever healthy.',
    advice: 'set grpc_health_check.service_name: envoy.service.ext_proc.v3.ExternalProcessor',
  },
  health_authority: {
    status: 'fail',
    check: 'health_check',
    means:
      'The name of the cluster, which stands in for the host of health checks, has a `/`: every one of them fails.',
    advice: 'set grpc_health_check.authority, or leave the check out and use outlier_detection',
  },
  unhealthy_used: {
    status: 'warn',
    check: 'health_check',
    means:
      'Nothing takes a dead router out: neither a health check nor outlier detection, or a panic threshold brings it back.',
    advice:
      'set a gRPC health check with healthy_panic_threshold 0, or outlier_detection, as in envoy/warmroute.yaml',
  },
  drain_short: {
    status: 'warn',
    check: 'health_check',
    means: 'A router that stops is gone before Envoy’s health check notices.',
    advice: 'keep interval × unhealthy_threshold of the health check below WARMROUTE_DRAIN_MS',
  },
  resets_unguarded: {
    status: 'warn',
    check: 'runtime',
    means:
      'Envoy ends each stream with a reset, and never renews the connection: Node drops one with too many resets.',
    advice:
      'set the runtime guard envoy.reloadable_features.ext_proc_graceful_grpc_close: true, or max_requests_per_connection: 900 on the router’s cluster',
  },
  envoy_old: {
    status: 'warn',
    check: 'envoy_version',
    means:
      'This Envoy is older than what is tested, and lacks fixes of ext_proc (CVE-2026-47207 before 1.39).',
    advice: 'upgrade to Envoy 1.40; before 1.34 also set WARMROUTE_UNSAID_BODY_MODE as the filter’s mode',
  },
  router_unreached: {
    status: 'fail',
    check: 'reach',
    means: 'Envoy has no router that it reaches: requests pass by it, or are refused.',
    advice:
      'compare the address with WARMROUTE_GRPC_ADDRESS; look at the Service, NetworkPolicies, TLS on one side only, and whether the router is ready',
  },
  failing_open: {
    status: 'warn',
    check: 'counters',
    means: 'Since Envoy started, requests have passed by the router, or its answers were not taken.',
    advice: 'see the section of the router, message_timeout, and docs/runbook.md',
  },
} as const satisfies Record<string, Problem>;

export const envoyProblem = findingsOf(ENVOY_PROBLEMS);
