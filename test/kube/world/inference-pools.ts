/** InferencePools of a real API server: as much of their definition as is needed here. */
import type { KubeCluster } from './cluster.ts';
import { NAMESPACE } from './world.ts';

const GROUP = 'inference.networking.k8s.io';
const POOLS = `/apis/${GROUP}/v1/namespaces/${NAMESPACE}/inferencepools`;

const DEFINITION = {
  metadata: {
    name: `inferencepools.${GROUP}`,
    // The API server allows names of the community's groups only with it.
    annotations: {
      'api-approved.kubernetes.io':
        'https://github.com/kubernetes-sigs/gateway-api-inference-extension/pull/1173',
    },
  },
  spec: {
    group: GROUP,
    names: {
      kind: 'InferencePool',
      listKind: 'InferencePoolList',
      plural: 'inferencepools',
      singular: 'inferencepool',
    },
    scope: 'Namespaced',
    versions: [
      {
        ...{ name: 'v1', served: true, storage: true },
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: {
                type: 'object',
                required: ['selector', 'targetPorts'],
                properties: {
                  selector: {
                    type: 'object',
                    required: ['matchLabels'],
                    properties: { matchLabels: { type: 'object', additionalProperties: { type: 'string' } } },
                  },
                  targetPorts: {
                    ...{ type: 'array', minItems: 1, maxItems: 8 },
                    items: {
                      type: 'object',
                      required: ['number'],
                      properties: { number: { type: 'integer', minimum: 1, maximum: 65_535 } },
                    },
                  },
                },
              },
            },
          },
        },
      },
    ],
  },
} as const;

export async function defineInferencePools(cluster: KubeCluster): Promise<void> {
  await cluster.ask('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', DEFINITION);
}

export function poolOf(name: string, matchLabels: Record<string, string>, ports: readonly number[]) {
  return {
    apiVersion: `${GROUP}/v1`,
    kind: 'InferencePool',
    metadata: { name, namespace: NAMESPACE },
    spec: { selector: { matchLabels }, targetPorts: ports.map(number => ({ number })) },
  };
}

export async function deletePool(cluster: KubeCluster, name: string): Promise<void> {
  await cluster.ask('DELETE', `${POOLS}/${name}`);
}
