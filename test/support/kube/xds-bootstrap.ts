/** Envoy Gateway's configuration for one Envoy that is started with it: its listener, route and clusters, with hosts that are here. */
import { type Bootstrap, connectionManagerOf } from '../../../demo/envoy-bootstrap.ts';
import { type Resource, theResource } from './xds.ts';

const LISTENER = 'llm/llm/http';
/** Cluster of Envoy Gateway → that of envoy/warmroute.yaml, whose hosts and name in statistics it gets. */
const CLUSTERS = {
  'envoyextensionpolicy/llm/warmroute/extproc/0': 'warmroute_ext_proc',
  'httproute/llm/llm/rule/0': 'llm_pods',
} as const;

/**
 * Makes the bootstrap of envoy/warmroute.yaml, which is wired already, one that does what Envoy Gateway says. Addresses, the access log
 * and what the client is told stay, since tests read them.
 */
export function useXds(bootstrap: Bootstrap, xds: Resource): void {
  const { static_resources: resources } = bootstrap;
  const [ours] = resources.listeners;
  const listener = theResource('Listener', xds, LISTENER);
  const { rds: _, ...manager } = theResource('HttpConnectionManager', listener);
  const own = connectionManagerOf(bootstrap) as Resource;
  const routes = bare(theResource('RouteConfiguration', xds));
  const [route] = routes.virtualHosts[0].routes;
  route.responseHeadersToAdd = own.route_config.virtual_hosts[0].routes[0].response_headers_to_add;
  const [filter] = ours!.filter_chains[0]!.filters;
  const typed_config = { ...manager, routeConfig: routes, accessLog: own.access_log };
  resources.listeners = [
    {
      ...{ name: ours!.name, address: ours!.address },
      per_connection_buffer_limit_bytes: listener.perConnectionBufferLimitBytes,
      filter_chains: [{ filters: [{ ...filter!, typed_config }] }],
    },
  ];
  resources.clusters = Object.entries(CLUSTERS).map(([name, stat]) => {
    const { edsClusterConfig: _, ...cluster } = bare(theResource('Cluster', xds, name));
    const { endpoints } = resources.clusters.find(each => each.name === stat)!.load_assignment!;
    return {
      ...cluster,
      type: 'STATIC',
      altStatName: stat,
      loadAssignment: { clusterName: name, endpoints },
    };
  });
}

/** What stands in its own place has no type beside it. */
function bare({ '@type': _, ...resource }: Resource): Resource {
  return resource;
}
