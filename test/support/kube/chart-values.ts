/** Values of the chart that stand for how it is used. */
import type { ChartValues } from './helm.ts';

export const USES: Readonly<Record<string, ChartValues>> = {
  'as it comes': {},
  'with everything': {
    image: { repository: 'registry.example.com/warmroute', digest: `sha256:${'0'.repeat(64)}` },
    imagePullSecrets: [{ name: 'registry' }],
    fullnameOverride: 'router',
    autoscaling: { enabled: true, maxReplicas: 4 },
    networkPolicy: { enabled: true, apiServerCidrs: ['10.0.0.1/32'] },
    serviceMonitor: { enabled: true, labels: { release: 'prometheus' } },
    tls: { secretName: 'router-tls', clientCaKey: 'ca.crt' },
    envoyGateway: { enabled: true, gateway: 'llm', gatewayNamespace: 'gateways', caConfigMap: 'router-ca' },
    serviceAccount: { name: 'someone', annotations: { a: 'b' } },
    service: { annotations: { a: 'b' } },
    config: {
      WARMROUTE_HEALTH_ADDRESS: '0.0.0.0:50053',
      WARMROUTE_KUBERNETES_NAMESPACES: 'team-a, team-b',
      WARMROUTE_MAX_BODY_BYTES: 67108864,
      WARMROUTE_DRAIN_BODIES_MS: 60000,
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector.monitoring:4317',
    },
    extraEnv: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'a', key: 'b' } } }],
    extraEnvFrom: [{ configMapRef: { name: 'a', optional: true } }],
    extraVolumes: [{ name: 'keys', secret: { secretName: 'keys' } }],
    extraVolumeMounts: [{ name: 'keys', mountPath: '/keys', readOnly: true }],
    commonLabels: { team: 'inference' },
    zone: { podLabel: 'example.com/zone' },
    podLabels: { a: 'b' },
    podAnnotations: { a: 'b' },
    deploymentAnnotations: { a: 'b' },
    priorityClassName: 'system-cluster-critical',
    nodeSelector: { pool: 'cpu' },
    tolerations: [{ key: 'dedicated', operator: 'Exists' }],
    affinity: { podAntiAffinity: {} },
    topologySpreadConstraints: [
      { maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule', labelSelector: {} },
    ],
  },
  'with tokenizer files of its own': {
    tokenizers: {
      volume: { persistentVolumeClaim: { claimName: 'tokenizers', readOnly: true } },
      hub: true,
      hubCache: { persistentVolumeClaim: { claimName: 'hub' } },
      hubTokenSecretName: 'hub',
    },
    networkPolicy: { enabled: true },
    config: {
      AIBRIX_USE_REMOTE_TOKENIZER: false,
      WARMROUTE_TOKENIZER: 'auto',
      WARMROUTE_TOKENIZER_CHECK_PERCENT: 0.5,
    },
  },
  'as an endpoint picker': {
    inferencePool: { create: true, name: 'vllm', annotations: { a: 'b' }, targetPorts: [8000, 8001] },
    probes: { by: 'grpc' },
    config: { WARMROUTE_HEALTH_ADDRESS: '0.0.0.0:50053', WARMROUTE_ADMIN_ADDRESS: '127.0.0.1:8080' },
  },
  'with a pool of somebody else, and pods by label': {
    config: {
      WARMROUTE_DISCOVERY: 'kubernetes,inference-pool',
      WARMROUTE_INFERENCE_POOL: 'models/vllm',
      WARMROUTE_TLS: 'off',
    },
  },
  'for all namespaces': { config: { WARMROUTE_KUBERNETES_NAMESPACES: '*' } },
  'with pods from a file': {
    pods: [{ name: 'a', address: '10.0.0.1', port: 8000, model: 'm', kvEvents: { port: 5557 } }],
    zone: { podLabel: '' },
    service: { headless: true },
    podDisruptionBudget: { maxUnavailable: '50%' },
  },
  'with bodies that are streamed': {
    envoyGateway: { enabled: true, body: 'FullDuplexStreamed', failOpen: false },
  },
  'with alerts': {
    prometheusRule: {
      enabled: true,
      labels: { release: 'prometheus' },
      alertLabels: { team: 'inference' },
      disabled: ['WarmrouteAbsent'],
    },
  },
  'with dashboards': {
    grafanaDashboards: { enabled: true, annotations: { grafana_folder: 'Warmroute' } },
  },
  'without what others provide': {
    serviceAccount: { create: false, name: 'someone' },
    rbac: { create: false },
    podDisruptionBudget: { enabled: false },
  },
};
