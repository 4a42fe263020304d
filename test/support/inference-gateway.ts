/** Changes to endpoint-picker.yaml that make it the gateway of somebody else: what it tells the router, and what it goes by. */
import { type Bootstrap, connectionManagerOf, type EnvoyMessage, extProcOf } from '../../demo/envoy.ts';

/** The subset hint comes from the header `x-hint`, as one text. */
export function withHint(bootstrap: Bootstrap): void {
  const { http_filters } = connectionManagerOf(bootstrap) as { http_filters: unknown[] };
  http_filters.unshift({
    name: 'envoy.filters.http.header_to_metadata',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.http.header_to_metadata.v3.Config',
      request_rules: [
        {
          header: 'x-hint',
          on_header_present: {
            metadata_namespace: 'envoy.lb.subset_hint',
            key: 'x-gateway-destination-endpoint-subset',
            type: 'STRING',
          },
        },
      ],
    },
  });
}

/** Where a gateway finds the pods that a request may go to: nothing of the router's own namespace. */
export function goingBy(bootstrap: Bootstrap, source: 'header' | 'metadata'): void {
  const key = 'x-gateway-destination-endpoint';
  overrideHostOf(bootstrap).override_host_sources = [
    source === 'header' ? { header: key } : { metadata: { key: 'envoy.lb', path: [{ key }] } },
  ];
}

/** By what a gateway tells who has answered. */
export function telling(bootstrap: Bootstrap, by: 'attribute' | 'metadata'): void {
  if (by === 'attribute') delete overrideHostOf(bootstrap).selected_host_key;
  else delete extProcOf(bootstrap).response_attributes;
}

function overrideHostOf({ static_resources }: Bootstrap): EnvoyMessage {
  const cluster = static_resources.clusters.find(({ name }) => name === 'llm_pods') as unknown as {
    load_balancing_policy: {
      policies: { typed_extension_config: { typed_config: EnvoyMessage } }[];
    };
  };
  return cluster.load_balancing_policy.policies[0]!.typed_extension_config.typed_config;
}
