import { parse } from 'yaml';

/** A piece of Envoy configuration that is carried along unread. */
export type EnvoyMessage = Record<string, unknown>;

interface Address {
  socket_address: { address: string; port_value: number };
}

export interface EnvoyCluster extends EnvoyMessage {
  name: string;
  load_assignment?: { endpoints: { lb_endpoints: { endpoint: { address: Address } }[] }[] };
}

interface Listener extends EnvoyMessage {
  name: string;
  address: Address;
  filter_chains: { filters: { typed_config: EnvoyMessage }[] }[];
}

/** `envoy.config.bootstrap.v3.Bootstrap` in its JSON form, typed as far as wiring needs it. */
export interface Bootstrap extends EnvoyMessage {
  admin: { address: Address };
  layered_runtime?: { layers: { name: string; static_layer?: EnvoyMessage }[] };
  static_resources: { listeners: Listener[]; clusters: EnvoyCluster[] };
}

/** What a file of envoy/ is connected to. Addresses are `ip:port` or `name:port`, IPv6 in brackets. */
export interface Wiring {
  /** The replicas of the router. Without any, every request fails open. */
  readonly routers: readonly string[];
  /** The pods that Envoy knows: all that it may choose from, or its fallback. */
  readonly pods: readonly string[];
  /** Where spans go by OTLP/gRPC. Without it there is no tracing. */
  readonly collector?: string;
  /** The last hand on the result. */
  readonly edit?: (bootstrap: Bootstrap) => void;
}

const ROUTER_CLUSTER = 'warmroute_ext_proc';
const COLLECTOR_CLUSTER = 'otel_collector';
/** Both lead to the admin interface's fixed port, which is a free one here. */
const [STATS_LISTENER, ADMIN_CLUSTER] = ['stats', 'envoy_admin'];

/**
 * The bootstrap in `template` (YAML) with its addresses replaced: the listener and admin on free ports of 127.0.0.1, the
 * clusters on what `wiring` names; without the listener for statistics, which admin stands for. Throws on YAML errors and on addresses without a port.
 */
export function renderBootstrap(template: string, wiring: Wiring): Bootstrap {
  const bootstrap = parse(template) as Bootstrap;
  bootstrap.admin.address = addressOf('127.0.0.1:0');
  const { static_resources } = bootstrap;
  static_resources.listeners = static_resources.listeners.filter(({ name }) => name !== STATS_LISTENER);
  static_resources.clusters = static_resources.clusters.filter(({ name }) => name !== ADMIN_CLUSTER);
  for (const listener of bootstrap.static_resources.listeners) listener.address = addressOf('127.0.0.1:0');

  const { collector } = wiring;
  if (collector === undefined) {
    delete connectionManagerOf(bootstrap).tracing;
    static_resources.clusters = static_resources.clusters.filter(({ name }) => name !== COLLECTOR_CLUSTER);
  }
  for (const cluster of bootstrap.static_resources.clusters) {
    if (cluster.load_assignment === undefined) continue;
    const hosts =
      cluster.name === ROUTER_CLUSTER
        ? wiring.routers
        : cluster.name === COLLECTOR_CLUSTER && collector !== undefined
          ? [collector]
          : wiring.pods;
    const lb_endpoints = hosts.map(host => ({ endpoint: { address: addressOf(host) } }));
    cluster.load_assignment = { ...cluster.load_assignment, endpoints: [{ lb_endpoints }] };
  }
  wiring.edit?.(bootstrap);
  return bootstrap;
}

/** The HTTP connection manager's configuration, to be changed in place. */
export function connectionManagerOf(bootstrap: Bootstrap): EnvoyMessage {
  const config = bootstrap.static_resources.listeners[0]?.filter_chains[0]?.filters[0]?.typed_config;
  if (config === undefined) throw new Error('the bootstrap has no HTTP connection manager');
  return config;
}

/** The ext_proc filter's configuration, to be changed in place. */
export function extProcOf(bootstrap: Bootstrap): EnvoyMessage {
  const filters = connectionManagerOf(bootstrap).http_filters as {
    name: string;
    typed_config: EnvoyMessage;
  }[];
  const filter = filters.find(({ name }) => name === 'envoy.filters.http.ext_proc');
  if (filter === undefined) throw new Error('the bootstrap has no ext_proc filter');
  return filter.typed_config;
}

/** The static layer of the runtime, where feature guards stand; made if there is none. To be changed in place. */
export function runtimeOf(bootstrap: Bootstrap): EnvoyMessage {
  bootstrap.layered_runtime ??= { layers: [] };
  const { layers } = bootstrap.layered_runtime;
  let layer = layers.find(({ static_layer }) => static_layer !== undefined);
  if (layer === undefined) {
    layer = { name: 'static', static_layer: {} };
    layers.push(layer);
  }
  layer.static_layer ??= {};
  return layer.static_layer;
}

function addressOf(hostAndPort: string): Address {
  const [, host, port] = /^(.+):(\d+)$/.exec(hostAndPort) ?? [];
  if (host === undefined) throw new Error(`not an address with a port: ${hostAndPort}`);
  return { socket_address: { address: host.replace(/^\[(.+)\]$/, '$1'), port_value: Number(port) } };
}
