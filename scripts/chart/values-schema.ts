/**
 * The schema of the chart's values. Descriptions come from the comments in values.yaml. Warmroute's own settings keep their names there:
 * a second vocabulary would have to be learned, kept complete, and told apart.
 */
import { ALERTS } from '../alerts.ts';
import { configSchema, json } from './program.ts';
import {
  choice,
  flag,
  kubernetes,
  kubernetesList,
  labels,
  list,
  metricLabels,
  port,
  type Schema,
  strict,
  text,
  texts,
  wholeNumber,
} from './schema.ts';
import type { Described } from './values.ts';

const duration: Schema = { type: 'string', pattern: '^[0-9]+(ms|s|m|h)$' };

const VALUES: Readonly<Record<string, Schema>> = {
  config: configSchema(),
  pods: kubernetesList,
  zone: strict({
    podLabel: { type: 'string', pattern: '^([a-z0-9.-]+/)?[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$|^$' },
  }),
  image: strict({
    repository: { type: 'string', minLength: 1 },
    tag: text,
    digest: { type: 'string', pattern: '^(sha256:[0-9a-f]{64})?$' },
    pullPolicy: choice('Always', 'IfNotPresent', 'Never'),
  }),
  imagePullSecrets: list(strict({ name: text })),
  nameOverride: text,
  fullnameOverride: text,
  replicaCount: wholeNumber(0, 1000),
  autoscaling: strict({
    enabled: flag,
    minReplicas: wholeNumber(1, 1000),
    maxReplicas: wholeNumber(1, 1000),
    targetCPUUtilizationPercentage: wholeNumber(1, 100),
  }),
  podDisruptionBudget: strict({
    enabled: flag,
    maxUnavailable: { type: ['integer', 'string'], minimum: 0, pattern: '^[0-9]+%$' },
  }),
  resources: strict({ requests: kubernetes, limits: kubernetes, claims: kubernetesList }),
  terminationGracePeriodSeconds: { type: ['integer', 'null'], minimum: 1 },
  probes: strict({
    by: choice('http', 'grpc'),
    periodSeconds: wholeNumber(1, 3600),
    timeoutSeconds: wholeNumber(1, 3600),
    livenessFailureThreshold: wholeNumber(1, 1000),
    readinessFailureThreshold: wholeNumber(1, 1000),
    startupSeconds: wholeNumber(1, 3600),
  }),
  service: strict({
    type: choice('ClusterIP', 'NodePort', 'LoadBalancer'),
    headless: flag,
    grpcPort: port,
    adminPort: port,
    healthPort: port,
    annotations: texts,
  }),
  tls: strict({ secretName: text, clientCaKey: text }),
  tokenizers: strict({
    volume: kubernetes,
    hub: flag,
    hubCache: kubernetes,
    hubTokenSecretName: text,
    hubTokenSecretKey: { type: 'string', minLength: 1 },
  }),
  serviceAccount: strict({ create: flag, name: text, annotations: texts }),
  rbac: strict({ create: flag }),
  serviceMonitor: strict({ enabled: flag, interval: duration, scrapeTimeout: duration, labels }),
  prometheusRule: strict({
    enabled: flag,
    labels,
    alertLabels: metricLabels,
    disabled: list(choice(...ALERTS.map(({ name }) => name))),
  }),
  grafanaDashboards: strict({ enabled: flag, namespace: text, labels, annotations: texts }),
  networkPolicy: strict({
    enabled: flag,
    gateways: kubernetesList,
    monitoring: kubernetesList,
    engines: kubernetesList,
    enginePorts: list(strict({ port, endPort: port, protocol: choice('TCP', 'UDP', 'SCTP') })),
    apiServerPorts: list(port),
    apiServerCidrs: list(text),
    hubPorts: list(port),
    tracing: kubernetesList,
    tracingPorts: list(port),
  }),
  envoyGateway: strict({
    enabled: flag,
    targetRefs: {
      ...list(strict({ group: text, kind: choice('HTTPRoute', 'Gateway'), name: text, sectionName: text })),
      minItems: 1,
    },
    gateway: text,
    gatewayNamespace: text,
    body: choice('Buffered', 'FullDuplexStreamed'),
    failOpen: flag,
    caConfigMap: text,
  }),
  inferencePool: strict({
    create: flag,
    name: text,
    matchLabels: texts,
    targetPorts: { ...list(port), minItems: 1, maxItems: 8 },
    failureMode: choice('FailOpen', 'FailClose'),
    annotations: texts,
  }),
  extraEnv: kubernetesList,
  extraEnvFrom: kubernetesList,
  extraVolumes: kubernetesList,
  extraVolumeMounts: kubernetesList,
  commonLabels: labels,
  podLabels: labels,
  podAnnotations: texts,
  deploymentAnnotations: texts,
  podSecurityContext: kubernetes,
  securityContext: kubernetes,
  priorityClassName: text,
  nodeSelector: texts,
  tolerations: kubernetesList,
  affinity: kubernetes,
  topologySpreadConstraints: kubernetesList,
};

/** The text of values.schema.json. */
export function valuesSchemaJson(values: readonly Described[]): string {
  return json({
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Values of the Warmroute chart',
    ...describe(strict({ ...VALUES, global: kubernetes }), values),
  });
}

/** Adds the comments of values.yaml. Names in one and not in the other stay without one: a test finds them. */
function describe(schema: Schema, values: readonly Described[]): Schema {
  const properties = Object.entries(schema.properties ?? {}).map(([name, property]) => {
    const described = values.find(value => value.name === name);
    if (!described) return [name, property];
    return [name, { description: described.description, ...describe(property, described.members) }];
  });
  return properties.length > 0 ? { ...schema, properties: Object.fromEntries(properties) } : schema;
}
