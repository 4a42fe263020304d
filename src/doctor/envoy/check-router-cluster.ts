/** Whether Envoy reaches the router, stays in touch with it, and notices when it is gone. */
import { LIVENESS_SERVICES, READINESS_SERVICES } from '../../extproc/health.ts';
import { printable } from '../../printable.ts';
import { type Finding, ok, skip } from '../finding.ts';
import type { EnvoyConfig, RouterFilter } from './envoy-config.ts';
import type { EnvoyExpectations } from './expectations.ts';
import { at, field, isPresent, list, milliseconds, number, text } from './json.ts';
import { envoyProblem } from './problems.ts';

const PROTOCOL_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const GRACEFUL_CLOSE = 'envoy.reloadable_features.ext_proc_graceful_grpc_close';
/** Resets that Node's HTTP/2 server takes on one connection at once. */
const MAX_RESETS = 1_000;
/** Envoy's. */
const DEFAULT_MAX_REQUESTS = 1_024;
const DEFAULT_IDLE_MS = 3_600_000;
const DEFAULT_PANIC_PERCENT = 50;
const DEFAULT_HEALTH_INTERVAL_MS = 0;
const LEAST_STREAMS = 4_096;

interface RouterCluster {
  readonly name: string;
  readonly cluster: unknown;
  /** `HttpProtocolOptions` */
  readonly options: unknown;
}

export function checkRouterCluster(
  filter: RouterFilter,
  envoy: EnvoyConfig,
  { tls, grpcIdleMs }: EnvoyExpectations,
): Finding[] {
  const found = clusterOf(filter, envoy);
  if (found === 'google_grpc') return [skip('router_cluster', 'google_grpc: not looked at')];
  if (typeof found === 'string') return [envoyProblem('router_cluster_missing', printable(found, 120))];
  const { name, cluster, options } = found;
  const findings: Finding[] = [];
  if (!speaksHttp2(cluster, options))
    findings.push(envoyProblem('router_not_http2', `cluster ${printable(name, 80)}`));
  const dialsTls =
    isPresent(cluster, 'transport_socket') || list(cluster, 'transport_socket_matches').length > 0;
  if (dialsTls !== (tls !== 'off'))
    findings.push(
      envoyProblem(
        'tls_mismatch',
        `the cluster speaks ${dialsTls ? 'TLS' : 'plain text'}, and WARMROUTE_TLS is ${tls}`,
      ),
    );
  const [limits] = list(cluster, 'circuit_breakers', 'thresholds');
  const streams = number(limits, 'max_requests') ?? DEFAULT_MAX_REQUESTS;
  if (streams < LEAST_STREAMS) findings.push(envoyProblem('few_streams', `max_requests is ${streams}`));
  const idleMs = milliseconds(options, 'common_http_protocol_options', 'idle_timeout') ?? DEFAULT_IDLE_MS;
  if (idleMs === 0 || idleMs >= grpcIdleMs)
    findings.push(
      envoyProblem(
        'idle_timeout_long',
        `${idleMs === 0 ? 'never' : `${idleMs} ms`}; the router ends them after ${grpcIdleMs} ms`,
      ),
    );
  return findings.length > 0
    ? findings
    : [
        ok(
          'router_cluster',
          `${printable(name, 80)}, ${dialsTls ? 'TLS' : 'plain text'}, ${streams} streams`,
        ),
      ];
}

export function checkHealthCheck(
  filter: RouterFilter,
  envoy: EnvoyConfig,
  { drainMs }: EnvoyExpectations,
): Finding[] {
  const found = clusterOf(filter, envoy);
  if (typeof found === 'string') return [];
  const { name, cluster } = found;
  const checks = list(cluster, 'health_checks');
  const panicPercent =
    number(cluster, 'common_lb_config', 'healthy_panic_threshold', 'value') ??
    (isPresent(cluster, 'common_lb_config', 'healthy_panic_threshold') ? 0 : DEFAULT_PANIC_PERCENT);
  const ejects = isPresent(cluster, 'outlier_detection');
  const findings = checks.flatMap(check => problemsOf(name, check, drainMs));
  if (checks.length === 0 && !ejects)
    findings.push(envoyProblem('unhealthy_used', 'no health check and no outlier detection'));
  if (checks.length > 0 && panicPercent > 0)
    findings.push(envoyProblem('unhealthy_used', `healthy_panic_threshold is ${panicPercent} %`));
  return findings.length > 0
    ? findings
    : [
        ok(
          'health_check',
          checks.length > 0
            ? 'asks whether the router is ready'
            : 'none; outlier detection takes a dead router out',
        ),
      ];
}

function problemsOf(cluster: string, check: unknown, drainMs: number): Finding[] {
  const grpc = field(check, 'grpc_health_check');
  const findings: Finding[] = [];
  if (grpc !== undefined) {
    const service = text(grpc, 'service_name') ?? '';
    if ((LIVENESS_SERVICES as readonly string[]).includes(service))
      findings.push(envoyProblem('health_unnamed', `service_name is ${JSON.stringify(service)}`));
    else if (!(READINESS_SERVICES as readonly string[]).includes(service))
      findings.push(envoyProblem('health_service_unknown', JSON.stringify(printable(service, 80))));
    if (cluster.includes('/') && !text(grpc, 'authority'))
      findings.push(envoyProblem('health_authority', `cluster ${printable(cluster, 80)}`));
  }
  const intervalMs = milliseconds(check, 'interval') ?? DEFAULT_HEALTH_INTERVAL_MS;
  const noticedMs = intervalMs * (number(check, 'unhealthy_threshold') ?? 1);
  if (noticedMs >= drainMs)
    findings.push(
      envoyProblem('drain_short', `noticed after ${noticedMs} ms; WARMROUTE_DRAIN_MS is ${drainMs}`),
    );
  return findings;
}

/** Whether streams are ended, or connections renewed, before Node takes the resets for an attack. */
export function checkResets(filter: RouterFilter, envoy: EnvoyConfig): Finding[] {
  if (envoy.runtime.get(GRACEFUL_CLOSE) === 'true') return [ok('runtime', 'streams are ended by half-close')];
  const found = clusterOf(filter, envoy);
  if (typeof found === 'string') return [];
  const perConnection =
    number(found.options, 'common_http_protocol_options', 'max_requests_per_connection') ??
    Number.POSITIVE_INFINITY;
  if (perConnection < MAX_RESETS)
    return [ok('runtime', `connections are renewed after ${perConnection} requests`)];
  return [
    envoyProblem('resets_unguarded', `${GRACEFUL_CLOSE} is not on, and max_requests_per_connection not set`),
  ];
}

/** The name of the cluster that the filter asks. */
export function routerClusterOf({ config }: RouterFilter): string | undefined {
  return text(config, 'grpc_service', 'envoy_grpc', 'cluster_name');
}

/** A text: why there is none. */
function clusterOf(filter: RouterFilter, { clusters }: EnvoyConfig): RouterCluster | string {
  if (isPresent(filter.config, 'grpc_service', 'google_grpc')) return 'google_grpc';
  const name = routerClusterOf(filter);
  if (name === undefined) return 'grpc_service names no cluster';
  const cluster = clusters.get(name);
  if (cluster === undefined) return `there is no cluster ${name}`;
  return {
    name,
    cluster,
    options: field(field(cluster, 'typed_extension_protocol_options'), PROTOCOL_OPTIONS),
  };
}

function speaksHttp2(cluster: unknown, options: unknown): boolean {
  return (
    isPresent(cluster, 'http2_protocol_options') ||
    ['explicit_http_config', 'use_downstream_protocol_config'].some(kind =>
      isPresent(at(options, kind), 'http2_protocol_options'),
    ) ||
    isPresent(options, 'auto_config')
  );
}
