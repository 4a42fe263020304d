import {
  at,
  type Json,
  type KubeObject,
  listAt,
  recordAt,
  textAt,
  textsAt,
  type Unreadable,
} from './kube-object.ts';

/** AIBrix's gateway plugin as it is deployed. */
export interface Gateway {
  readonly namespace: string;
  readonly name: string;
  readonly image: string;
  readonly replicas: number;
  /** Labels of its pods. */
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly variables: readonly Variable[];
  /** ConfigMaps and Secrets with more variables, which manifests do not show. */
  readonly variablesFrom: readonly unknown[];
  readonly container: Json;
  readonly podSpec: Json;
  /** Containers beside it, as `envoy` where it is a sidecar. */
  readonly sidecars: readonly string[];
}

/** An environment variable. `reference`: its value is not in the manifest, and may be a secret. */
export type Variable =
  | { readonly kind: 'value'; readonly name: string; readonly value: string }
  | { readonly kind: 'reference'; readonly name: string; readonly from: unknown };

export type FoundGateway =
  | { readonly kind: 'found'; readonly gateway: Gateway }
  | { readonly kind: 'problem'; readonly problem: Unreadable };

const CONTAINER = 'gateway-plugin';
/** Where AIBrix is, if the manifests do not say it: those that Helm renders do not. */
const NAMESPACE = 'aibrix-system';
const WORKLOADS: readonly string[] = ['Deployment', 'StatefulSet', 'DaemonSet', 'Pod'];

/** The one gateway plugin among the objects: a workload with a container `gateway-plugin`; of Deployments and their pods the former. */
export function findGateway(objects: readonly KubeObject[]): FoundGateway {
  const found = objects.flatMap(object => {
    const gateway = WORKLOADS.includes(object.kind) ? gatewayIn(object) : undefined;
    return gateway === undefined ? [] : [{ kind: object.kind, gateway }];
  });
  const owners = found.filter(({ kind }) => kind !== 'Pod');
  const candidates = (owners.length > 0 ? owners : found.slice(0, 1)).map(({ gateway }) => gateway);
  const [gateway, ...more] = candidates;
  if (gateway === undefined) {
    const reason = `there is no Deployment with a container \`${CONTAINER}\` in it: give what \`kubectl -n aibrix-system get deployments,services -o yaml\` prints`;
    return { kind: 'problem', problem: { place: 'the input', reason } };
  }
  if (more.length > 0) {
    const names = candidates.map(({ namespace, name }) => `${namespace}/${name}`).join(', ');
    return {
      kind: 'problem',
      problem: {
        place: 'the input',
        reason: `there are several gateway plugins (${names}): give the manifests of one`,
      },
    };
  }
  return { kind: 'found', gateway };
}

function gatewayIn({ kind, name, raw }: KubeObject): Gateway | undefined {
  const template = kind === 'Pod' ? raw : recordAt(raw, 'spec', 'template');
  const podSpec = recordAt(template, 'spec');
  const containers = listAt(podSpec, 'containers');
  const container = containers.find(each => textAt(each, 'name') === CONTAINER);
  if (container === undefined) return undefined;
  return {
    ...{ name, podSpec },
    namespace: textAt(raw, 'metadata', 'namespace') ?? NAMESPACE,
    image: textAt(container, 'image') ?? '',
    replicas: Number(/^\d{1,4}$/.exec(textAt(raw, 'spec', 'replicas') ?? '')?.[0] ?? 1),
    labels: textsAt(template, 'metadata', 'labels'),
    annotations: textsAt(template, 'metadata', 'annotations'),
    variables: listAt(container, 'env').flatMap(variableOf),
    variablesFrom: listAt(container, 'envFrom'),
    container: recordAt(container),
    sidecars: containers.flatMap(each => textAt(each, 'name') ?? []).filter(each => each !== CONTAINER),
  };
}

function variableOf(raw: unknown): Variable[] {
  const name = textAt(raw, 'name');
  if (name === undefined) return [];
  const from = at(raw, 'valueFrom');
  return from === undefined
    ? [{ kind: 'value', name, value: textAt(raw, 'value') ?? '' }]
    : [{ kind: 'reference', name, from }];
}
