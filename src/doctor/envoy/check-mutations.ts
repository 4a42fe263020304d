/** Whether Envoy takes what the router answers: headers, a new route, metadata. */
import {
  DESTINATION_ENDPOINT,
  FORGEABLE,
  ROUTING_STRATEGY,
  TARGET_POD,
  UPSTREAM_ADDRESS,
} from '../../extproc/headers.ts';
import { printable } from '../../printable.ts';
import { type Finding, ok } from '../finding.ts';
import { pickedClusters } from './check-routes.ts';
import type { EnvoyConfig, RouterFilter } from './envoy-config.ts';
import { maySet } from './header-rules.ts';
import { field, isTrue, list, text } from './json.ts';
import { envoyProblem } from './problems.ts';

const SET: readonly string[] = [TARGET_POD, DESTINATION_ENDPOINT, ROUTING_STRATEGY];

export function checkMutationRules({ config }: RouterFilter): Finding[] {
  const rules = field(config, 'mutation_rules');
  const refused = [...new Set([...SET, ...FORGEABLE])].filter(name => !maySet(rules, name));
  if (refused.length === 0) return [ok('mutation_rules', 'the router’s headers are taken')];
  return [envoyProblem('mutation_refused', `not allowed: ${refused.join(', ')}`)];
}

export function checkRouteCache({ config, routes }: RouterFilter): Finding[] {
  const isKept =
    text(config, 'route_cache_action') === 'RETAIN' || isTrue(config, 'disable_clear_route_cache');
  if (!isKept) return [ok('route_cache', 'the route is chosen again after the router’s answer')];
  const matching = routes.filter(({ route }) =>
    list(route, 'match', 'headers').some(header => SET.includes(text(header, 'name')?.toLowerCase() ?? '')),
  );
  return [
    matching.length === 0
      ? envoyProblem('route_cache_kept', 'the route is not chosen again')
      : envoyProblem(
          'route_not_chosen_again',
          `routes that match on the router’s headers: ${matching.map(({ name }) => printable(name, 80)).join(', ')}`,
        ),
  ];
}

export function checkMetadata(filter: RouterFilter, envoy: EnvoyConfig): Finding[] {
  const { config } = filter;
  const received = list(config, 'metadata_options', 'receiving_namespaces', 'untyped');
  const clusters = pickedClusters(filter, envoy);
  const dropped = clusters.filter(({ sources }) =>
    sources.some(source => source.kind === 'metadata' && !received.includes(source.namespace)),
  );
  const findings: Finding[] = [];
  if (dropped.length > 0)
    findings.push(
      envoyProblem(
        'namespace_dropped',
        dropped
          .map(({ name, sources }) => `cluster ${printable(name, 80)} goes by ${namespacesOf(sources)}`)
          .join(', '),
      ),
    );
  else if (!received.includes('warmroute'))
    findings.push(
      envoyProblem('metadata_dropped', 'warmroute is not among the namespaces that are received'),
    );
  const isTold =
    list(config, 'response_attributes').includes(UPSTREAM_ADDRESS) ||
    list(config, 'metadata_options', 'forwarding_namespaces', 'untyped').includes('envoy.lb');
  if (!isTold) findings.push(envoyProblem('server_unsaid', `response_attributes has no ${UPSTREAM_ADDRESS}`));
  return findings.length > 0 ? findings : [ok('metadata', `received: ${received.map(String).join(', ')}`)];
}

function namespacesOf(sources: readonly { readonly kind: string; readonly namespace?: string }[]): string {
  return [...new Set(sources.flatMap(({ namespace }) => namespace ?? []))].join(', ');
}
