/** Finds in a dump of Envoy's configuration what the checks look at: https://www.envoyproxy.io/docs/envoy/latest/operations/admin#get--config_dump */
import { at, field, isTrue, type Json, list, number, text, typeOf } from './json.ts';

export interface EnvoyConfig {
  /** Minor version of Envoy 1.x; undefined: it is not said. */
  readonly minorVersion: number | undefined;
  /** Runtime guards and values by name. */
  readonly runtime: ReadonlyMap<string, string>;
  readonly clusters: ReadonlyMap<string, unknown>;
  /** One for each ext_proc filter of each chain of HTTP filters that may be the router's. */
  readonly filters: readonly RouterFilter[];
}

/** An ext_proc filter where it stands. */
export interface RouterFilter {
  /** For people: listener and filter. */
  readonly name: string;
  /** Its own name, by which routes configure it. */
  readonly filterName: string;
  /** `ExternalProcessor` */
  readonly config: unknown;
  readonly listener: unknown;
  /** `HttpConnectionManager` */
  readonly manager: unknown;
  /** Filters of the chain, and which of them it is. */
  readonly chain: readonly unknown[];
  readonly position: number;
  /** Routes whose requests pass through it. */
  readonly routes: readonly RouteFacts[];
}

export interface RouteFacts {
  readonly name: string;
  /** `Route` */
  readonly route: unknown;
  readonly clusters: readonly string[];
}

const MAX_DEPTH = 4;
const OURS = /warmroute|aibrix|epp|endpoint-?picker|inference/i;

/** undefined: it is no dump of Envoy's configuration. @param runtime what `/runtime` says, where it could be asked */
export function readEnvoyConfig(dump: unknown, runtime?: unknown): EnvoyConfig | undefined {
  const configs = configsIn(dump, MAX_DEPTH);
  const of = (type: string) => configs.filter(config => typeOf(config) === type);
  const [bootstrap] = of('BootstrapConfigDump').map(config => field(config, 'bootstrap'));
  const listeners = of('ListenersConfigDump').flatMap(listenersIn);
  if (bootstrap === undefined && listeners.length === 0) return undefined;
  const clusters = of('ClustersConfigDump').flatMap(clustersIn);
  const routes = of('RoutesConfigDump').flatMap(routesIn);
  const discovered = of('EcdsConfigDump').flatMap(config =>
    list(config, 'ecds_filters').map(each => field(each, 'ecds_filter')),
  );
  const statics = field(bootstrap, 'static_resources');
  const all = (listeners.length > 0 ? listeners : list(statics, 'listeners')).flatMap(listener =>
    filtersIn(listener, byName(routes), byName(discovered)),
  );
  const ours = all.filter(({ config, name }) =>
    OURS.test(
      `${name} ${JSON.stringify(field(config, 'grpc_service') ?? '')} ${text(config, 'stat_prefix')}`,
    ),
  );
  return {
    minorVersion: number(bootstrap, 'node', 'user_agent_build_version', 'version', 'minor_number'),
    runtime: runtimeOf(bootstrap, runtime),
    clusters: byName(clusters.length > 0 ? clusters : list(statics, 'clusters')),
    filters: ours.length > 0 ? ours : all,
  };
}

/** Tools for gateways wrap the dump of each proxy: the first one is taken. */
function configsIn(dump: unknown, depth: number): readonly unknown[] {
  const own = list(dump, 'configs');
  if (own.length > 0 || depth === 0 || typeof dump !== 'object' || dump === null) return own;
  return (
    Object.values(dump)
      .map(each => configsIn(each, depth - 1))
      .find(({ length }) => length > 0) ?? []
  );
}

function listenersIn(config: unknown): unknown[] {
  return [
    ...list(config, 'static_listeners').map(each => field(each, 'listener')),
    ...list(config, 'dynamic_listeners').map(each => at(each, 'active_state', 'listener')),
  ].filter(listener => listener !== undefined);
}

function clustersIn(config: unknown): unknown[] {
  return ['static_clusters', 'dynamic_active_clusters'].flatMap(name =>
    list(config, name).map(each => field(each, 'cluster')),
  );
}

function routesIn(config: unknown): unknown[] {
  return ['static_route_configs', 'dynamic_route_configs'].flatMap(name =>
    list(config, name).map(each => field(each, 'route_config')),
  );
}

function byName(resources: readonly unknown[]): ReadonlyMap<string, unknown> {
  return new Map(resources.map(resource => [text(resource, 'name') ?? '', resource]));
}

function filtersIn(
  listener: unknown,
  routes: ReadonlyMap<string, unknown>,
  discovered: ReadonlyMap<string, unknown>,
): RouterFilter[] {
  const chains = [...list(listener, 'filter_chains'), field(listener, 'default_filter_chain')];
  return chains.flatMap(filterChain =>
    list(filterChain, 'filters').flatMap(filter => {
      const manager = field(filter, 'typed_config');
      if (typeOf(manager) !== 'HttpConnectionManager') return [];
      const chain = list(manager, 'http_filters');
      const table =
        field(manager, 'route_config') ?? routes.get(text(manager, 'rds', 'route_config_name') ?? '');
      return chain.flatMap((each, position) => {
        const filterName = text(each, 'name') ?? '';
        const config = field(each, 'typed_config') ?? field(discovered.get(filterName), 'typed_config');
        if (typeOf(config) !== 'ExternalProcessor') return [];
        const name = `${text(listener, 'name') ?? 'a listener'}, filter ${filterName}`;
        const passing = routesThrough(table, filterName, isTrue(each, 'disabled') ? 'off' : 'on');
        return [{ name, filterName, config, listener, manager, chain, position, routes: passing }];
      });
    }),
  );
}

/** @param unlessSaid whether the filter is on where nothing is said of it */
function routesThrough(table: unknown, filter: string, unlessSaid: 'on' | 'off'): RouteFacts[] {
  return list(table, 'virtual_hosts').flatMap(host => {
    const ofHost = switchOf(host, filter) ?? switchOf(table, filter) ?? unlessSaid;
    return list(host, 'routes').flatMap(route => {
      const action = field(route, 'route');
      if (action === undefined || (switchOf(route, filter) ?? ofHost) === 'off') return [];
      const weighted = list(action, 'weighted_clusters', 'clusters').map(each => text(each, 'name'));
      const clusters = [text(action, 'cluster'), ...weighted].filter(each => each !== undefined);
      return [{ name: text(route, 'name') ?? JSON.stringify(field(route, 'match')), route, clusters }];
    });
  });
}

/** What `ExtProcPerRoute`, or the `FilterConfig` around it, says. */
function switchOf(message: unknown, filter: string): 'on' | 'off' | undefined {
  const own = field(field(message, 'typed_per_filter_config'), filter);
  if (own === undefined) return undefined;
  return isTrue(own, 'disabled') || isTrue(own, 'config', 'disabled') ? 'off' : 'on';
}

function runtimeOf(bootstrap: unknown, asked: unknown): ReadonlyMap<string, string> {
  const entries = field(asked, 'entries');
  if (typeof entries === 'object' && entries !== null)
    return new Map(
      Object.entries(entries as Json).map(([name, entry]) => [name, String(field(entry, 'final_value'))]),
    );
  const layers = list(bootstrap, 'layered_runtime', 'layers').map(layer => field(layer, 'static_layer'));
  return new Map(
    layers.flatMap(layer =>
      Object.entries((layer ?? {}) as Json).map(([name, value]) => [name, String(value)] as const),
    ),
  );
}
