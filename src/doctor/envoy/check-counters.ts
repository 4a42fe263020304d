/** What Envoy's own counters say: whether requests have passed by the router, and whether Envoy reaches it now. */
import { printable } from '../../printable.ts';
import { type Finding, ok } from '../finding.ts';
import { routerClusterOf } from './check-router-cluster.ts';
import type { EnvoyConfig } from './envoy-config.ts';
import { field, list, number, text } from './json.ts';
import { envoyProblem } from './problems.ts';

/** By name, as `/stats?format=json` has them; those that {@link COUNTERS_LOOKED_AT} names. */
export type Counters = ReadonlyMap<string, number>;

/** For `filter` of `/stats`: there is a page of them for each cluster. */
export const COUNTERS_LOOKED_AT =
  'ext_proc|\\.membership_(healthy|total)$|\\.upstream_cx_(total|connect_fail)$';

/** They say that the filter did not do its work. */
const FAULTS = /\.(failure_mode_allowed|message_timeouts|spurious_msgs_received|rejected_header_mutations)$/;
const MAX_SHOWN = 8;

export function countersIn(stats: unknown): Counters {
  return new Map(
    list(stats, 'stats').flatMap(each => {
      const [name, value] = [text(each, 'name'), number(each, 'value')];
      return name === undefined || value === undefined ? [] : [[name, value] as const];
    }),
  );
}

export function checkPassedBy(counters: Counters): Finding[] {
  if (counters.size === 0) return [];
  const faults = [...counters].flatMap(([name, value]) =>
    value > 0 && FAULTS.test(name) ? [`${printable(name, 100)} ${value}`] : [],
  );
  return faults.length === 0
    ? [ok('counters', 'nothing has passed by the router')]
    : [envoyProblem('failing_open', faults.slice(0, MAX_SHOWN).join(', '))];
}

export function checkReached({ filters, clusters }: EnvoyConfig, counters: Counters): Finding[] {
  const names = new Set(filters.flatMap(filter => routerClusterOf(filter) ?? []));
  return [...names].flatMap(name => {
    const of = (counter: string) => counters.get(`cluster.${name}.${counter}`) ?? 0;
    const total = counters.get(`cluster.${name}.membership_total`);
    if (total === undefined) return [];
    const [healthy, tried, failed] = [
      of('membership_healthy'),
      of('upstream_cx_total'),
      of('upstream_cx_connect_fail'),
    ];
    const saw = `cluster ${printable(name, 80)}: ${healthy} of ${total} healthy, ${failed} of ${tried} connections failed${addressesOf(clusters.get(name))}`;
    const isReached = healthy > 0 && (tried === 0 || failed < tried);
    return [isReached ? ok('reach', saw) : envoyProblem('router_unreached', saw)];
  });
}

/** Where it dials, if its configuration says so. */
function addressesOf(cluster: unknown): string {
  const endpoints = list(cluster, 'load_assignment', 'endpoints').flatMap(each => list(each, 'lb_endpoints'));
  const addresses = endpoints.flatMap(each => {
    const socket = field(field(field(each, 'endpoint'), 'address'), 'socket_address');
    const address = text(socket, 'address');
    return address === undefined ? [] : [`${printable(address, 80)}:${number(socket, 'port_value') ?? '?'}`];
  });
  return addresses.length === 0 ? '' : `; it dials ${addresses.slice(0, MAX_SHOWN).join(', ')}`;
}
