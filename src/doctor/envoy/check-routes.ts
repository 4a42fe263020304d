/** Whether routes lead to where the router says, and what becomes of requests that a pod does not answer. */
import { DESTINATION_ENDPOINT, TARGET_POD } from '../../extproc/headers.ts';
import { printable } from '../../printable.ts';
import { type Finding, ok, skip } from '../finding.ts';
import type { EnvoyConfig, RouterFilter } from './envoy-config.ts';
import { at, field, isPresent, isTrue, list, milliseconds, text, typeOf } from './json.ts';
import { envoyProblem } from './problems.ts';

/** How a cluster finds out where the router wants the request to go. */
export type PickSource =
  | { readonly kind: 'header'; readonly name: string }
  | { readonly kind: 'metadata'; readonly namespace: string };

export interface PickedCluster {
  readonly name: string;
  readonly cluster: unknown;
  readonly sources: readonly PickSource[];
}

const OUR_HEADERS: ReadonlySet<string> = new Set([TARGET_POD, DESTINATION_ENDPOINT]);
const OUR_NAMESPACES: ReadonlySet<string> = new Set(['warmroute', 'envoy.lb']);
/** Envoy's. */
const DEFAULT_TIMEOUT_MS = 15_000;
const LEAST_TIMEOUT_MS = 60_000;

/** Clusters behind the filter's routes, those of composite clusters among them. */
export function pickedClusters({ routes }: RouterFilter, { clusters }: EnvoyConfig): PickedCluster[] {
  const names = new Set(routes.flatMap(route => route.clusters));
  // A set that grows is iterated to its end.
  for (const name of names)
    for (const member of list(clusters.get(name), 'cluster_type', 'typed_config', 'clusters')) {
      const ofComposite = text(member, 'name');
      if (
        ofComposite !== undefined &&
        typeOf(at(clusters.get(name), 'cluster_type', 'typed_config')) === 'ClusterConfig'
      )
        names.add(ofComposite);
    }
  return [...names].flatMap(name => {
    const cluster = clusters.get(name);
    return cluster === undefined ? [] : [{ name, cluster, sources: sourcesOf(cluster) }];
  });
}

/** Of the router's word alone. */
function sourcesOf(cluster: unknown): PickSource[] {
  const policies = list(cluster, 'load_balancing_policy', 'policies').map(each =>
    at(each, 'typed_extension_config', 'typed_config'),
  );
  const overrides = policies
    .filter(policy => typeOf(policy) === 'OverrideHost')
    .flatMap(policy => list(policy, 'override_host_sources'));
  const original = field(cluster, 'original_dst_lb_config');
  const all = isTrue(original, 'use_http_header') ? [{ header: text(original, 'http_header_name') }] : [];
  return [...overrides, ...all, { metadata: field(original, 'metadata_key') }].flatMap(
    (source): PickSource[] => {
      const name = text(source, 'header')?.toLowerCase();
      if (name !== undefined) return OUR_HEADERS.has(name) ? [{ kind: 'header', name }] : [];
      const namespace = text(source, 'metadata', 'key');
      return namespace !== undefined && OUR_NAMESPACES.has(namespace)
        ? [{ kind: 'metadata', namespace }]
        : [];
    },
  );
}

export function checkTarget(filter: RouterFilter, config: EnvoyConfig): Finding[] {
  if (filter.routes.length === 0) return [];
  const names = [...new Set(filter.routes.flatMap(({ clusters }) => clusters))];
  const unknown = names.filter(name => !config.clusters.has(name));
  if (names.length === 0) return [skip('target', 'the routes name their cluster by a header')];
  const findings: Finding[] = [];
  if (unknown.length > 0) findings.push(envoyProblem('cluster_unknown', shown(unknown)));
  const clusters = pickedClusters(filter, config);
  const picked = clusters.filter(({ sources }) => sources.length > 0);
  const astray = clusters.filter(
    ({ cluster, sources }) =>
      isTrue(cluster, 'original_dst_lb_config', 'use_http_header') && sources.length === 0,
  );
  if (astray.length > 0)
    findings.push(
      envoyProblem(
        'pick_ignored',
        `ORIGINAL_DST by a header that the router does not set: ${shown(astray.map(({ name }) => name))}`,
      ),
    );
  else if (picked.length === 0 && unknown.length === 0)
    findings.push(envoyProblem('pick_ignored', `the routes lead to ${shown(names)}`));
  return findings.length > 0
    ? findings
    : [
        ok(
          'target',
          `${shown(picked.map(({ name }) => name))} ${picked.length === 1 ? 'goes' : 'go'} where the router says`,
        ),
      ];
}

export function checkRetries({ routes }: RouterFilter, _: EnvoyConfig): Finding[] {
  if (routes.length === 0) return [];
  const without = routes.filter(({ route }) => !isPresent(route, 'route', 'retry_policy'));
  const short = routes.flatMap(({ name, route }) => {
    const timeoutMs = milliseconds(route, 'route', 'timeout') ?? DEFAULT_TIMEOUT_MS;
    return timeoutMs > 0 && timeoutMs < LEAST_TIMEOUT_MS ? [`${name}: ${timeoutMs} ms`] : [];
  });
  const findings: Finding[] = [];
  if (without.length > 0)
    findings.push(envoyProblem('no_retries', `no retry_policy: ${shown(without.map(({ name }) => name))}`));
  if (short.length > 0) findings.push(envoyProblem('route_timeout_short', shown(short)));
  return findings.length > 0 ? findings : [ok('retries', 'what a pod does not answer is tried again')];
}

function shown(names: readonly string[]): string {
  const more = names.length - 6;
  return `${names
    .slice(0, 6)
    .map(name => printable(name, 80))
    .join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
