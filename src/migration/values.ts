/** The values of Warmroute's chart that stand for a gateway plugin of AIBrix. */
import { SETTINGS, type Setting } from '../settings/settings.ts';
import { type Finding, finding } from './finding.ts';
import type { Gateway } from './gateway.ts';
import { bytesOf, isRecord, type Json, listAt, recordAt, textAt } from './kube-object.ts';
import type { TakenVariables } from './variables.ts';

export interface ChartValues {
  readonly values: Json;
  readonly findings: readonly Finding[];
}

const MIN_REPLICAS = 2;
/** What the chart's default has room for; see its `resources`. */
const MIN_MEMORY_BYTES = 2 ** 31;

/** By which AIBrix's Service finds these pods once it is patched (deploy/aibrix). */
const POD_LABELS = { app: 'warmroute', 'app.kubernetes.io/component': 'aibrix-gateway-plugin' };

export function chartValues(
  gateway: Gateway,
  taken: TakenVariables,
  maxBodyBytes: number | undefined,
): ChartValues {
  const { podSpec, replicas, variablesFrom } = gateway;
  const findings: Finding[] = [];
  const bodyLimit =
    maxBodyBytes === undefined
      ? 'no ClientTrafficPolicy is given: Envoy’s own limit counts'
      : 'as bufferLimit of the ClientTrafficPolicy';
  findings.push(finding('kept', 'WARMROUTE_MAX_BODY_BYTES', bodyLimit));
  if (replicas < MIN_REPLICAS) {
    findings.push(
      finding(
        'differs',
        'replicaCount',
        `${MIN_REPLICAS} instead of ${replicas}: one can go without a request failing`,
      ),
    );
  }
  if (gateway.sidecars.length > 0) {
    findings.push(
      finding(
        'first',
        `${gateway.namespace}/${gateway.name}`,
        `has other containers in its pods (${gateway.sidecars.join(', ')}), which these values do not bring: with Envoy as a sidecar use envoy/aibrix.yaml (docs/migrating-from-aibrix.md)`,
      ),
    );
  }
  if (variablesFrom.length > 0) {
    findings.push(
      finding(
        'first',
        'envFrom',
        'variables of ConfigMaps and Secrets are not in the manifests: AIBRIX_AUTH_BEARER_TOKEN among them keeps Warmroute from starting',
      ),
    );
  }
  const values = {
    fullnameOverride: 'warmroute',
    config: {
      WARMROUTE_DISCOVERY: 'kubernetes',
      WARMROUTE_KUBERNETES_NAMESPACES: '*',
      ...(!taken.config.has(SETTINGS.strategy.names[0]) && { WARMROUTE_UNSET_STRATEGY: 'pass' }),
      WARMROUTE_TARGET_HEADERS: 'aibrix',
      ...(maxBodyBytes !== undefined && { WARMROUTE_MAX_BODY_BYTES: maxBodyBytes }),
      ...modeOf(taken.config),
    },
    replicaCount: Math.max(MIN_REPLICAS, replicas),
    podLabels: POD_LABELS,
    ...resourcesOf(gateway, findings),
    ...given('imagePullSecrets', listAt(podSpec, 'imagePullSecrets')),
    ...given('tolerations', listAt(podSpec, 'tolerations')),
    ...given('nodeSelector', recordAt(podSpec, 'nodeSelector')),
    ...given('affinity', nodeAffinity(podSpec)),
    ...given('podAnnotations', ownAnnotations(gateway.annotations)),
    ...given('extraEnv', taken.extraEnv),
    ...given('extraEnvFrom', variablesFrom),
    ...(textAt(podSpec, 'priorityClassName') && { priorityClassName: textAt(podSpec, 'priorityClassName') }),
  };
  return { values, findings };
}

/** Both switches in any case: the chart's own default for them is on. */
function modeOf(config: ReadonlyMap<string, string>): Json {
  const switches = [SETTINGS.useRemoteTokenizer, SETTINGS.kvEventSync];
  const off = switches.flatMap(({ names }) =>
    names.some(name => config.has(name)) ? [] : [[names[0], 'false'] as const],
  );
  const renamed = [...config].map(([name, text]) => {
    const same = switches.find(({ names }) => names.some(each => each === name));
    return [same?.names[0] ?? name, text] as const;
  });
  return Object.fromEntries([...off, ...renamed].map(([name, text]) => [name, nativeValue(name, text)]));
}

/** As the chart's schema wants it: numbers and switches without quotes. */
function nativeValue(name: string, text: string): string | number | boolean {
  const setting = Object.values<Setting<unknown>>(SETTINGS).find(({ names }) => names.includes(name));
  const value = setting?.read.safeParse(text).data;
  if (typeof value === 'boolean') return value;
  const number = Number(text);
  return /^\d+$/.test(text) && Number.isSafeInteger(number) ? number : text;
}

function resourcesOf({ container }: Gateway, findings: Finding[]): Json {
  const resources = recordAt(container, 'resources');
  if (Object.keys(resources).length === 0) return {};
  const memory = textAt(resources, 'limits', 'memory');
  const bytes = bytesOf(memory);
  if (memory !== undefined && (bytes === undefined || bytes < MIN_MEMORY_BYTES)) {
    findings.push(
      finding(
        'differs',
        'resources',
        `a limit of ${memory} is less than the index and bodies may take: the chart’s own is used (docs/helm.md)`,
      ),
    );
    return {};
  }
  return { resources };
}

/** The replicas are spread by the chart itself. */
function nodeAffinity(podSpec: Json): Json {
  const affinity = recordAt(podSpec, 'affinity', 'nodeAffinity');
  return Object.keys(affinity).length === 0 ? {} : { nodeAffinity: affinity };
}

function ownAnnotations(annotations: Readonly<Record<string, string>>): Json {
  return Object.fromEntries(
    Object.entries(annotations).filter(([key]) => !key.startsWith('kubectl.kubernetes.io/')),
  );
}

function given(name: string, value: unknown): Json {
  const isEmpty = Array.isArray(value)
    ? value.length === 0
    : isRecord(value) && Object.keys(value).length === 0;
  return isEmpty ? {} : { [name]: value };
}
