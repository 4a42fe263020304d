/** From the manifests of a deployment of AIBrix to Warmroute's values, and all that will differ. */
import { SETTINGS } from '../settings/settings.ts';
import { ALWAYS } from './always.ts';
import type { CacheSource } from './engine-events.ts';
import { readEngines } from './engines.ts';
import { readEnvoy } from './envoy.ts';
import { type Finding, finding } from './finding.ts';
import { findGateway, type Gateway } from './gateway.ts';
import { at, type Json, type KubeObject, textsAt, type Unreadable } from './kube-object.ts';
import { chartValues } from './values.ts';
import { takeVariables } from './variables.ts';

export interface Migration {
  readonly gateway: Gateway;
  /** Of Warmroute's chart. */
  readonly values: Json;
  readonly findings: readonly Finding[];
  /** Which patch turns which Service around. */
  readonly swap: { readonly service: string; readonly file: string };
}

export type Migrated =
  | { readonly kind: 'migrated'; readonly migration: Migration }
  | { readonly kind: 'problem'; readonly problem: Unreadable };

const SERVICE = 'aibrix-gateway-plugins';

export function migrate(objects: readonly KubeObject[]): Migrated {
  const found = findGateway(objects);
  if (found.kind === 'problem') return found;
  const { gateway } = found;
  const taken = takeVariables(gateway.variables);
  const envoy = readEnvoy(objects, gateway);
  const engines = readEngines(objects, sourceOf(taken.config));
  const chart = chartValues(gateway, taken, envoy.maxBodyBytes);
  const findings = [
    ...chart.findings,
    ...taken.findings,
    ...envoy.findings,
    ...strategyFindings(taken.config),
    ...engines.findings,
    ...(engines.engines.length === 0 ? [NO_ENGINES] : []),
    ...ALWAYS,
  ];
  return {
    kind: 'migrated',
    migration: { gateway, values: chart.values, findings, swap: swapOf(objects, gateway) },
  };
}

const NO_ENGINES = finding(
  'first',
  'engines',
  'no workload with the label model.aibrix.ai/name is in the input, so nothing is said of engines: add `kubectl get deployments,stormservices,rayclusterfleets -A -o yaml`',
);

function sourceOf(config: ReadonlyMap<string, string>): CacheSource {
  const { names, read } = SETTINGS.kvEventSync;
  return names.some(name => read.safeParse(config.get(name) ?? 'false').data) ? 'events' : 'history';
}

function strategyFindings(config: ReadonlyMap<string, string>): Finding[] {
  return config.has('ROUTING_ALGORITHM')
    ? []
    : [
        finding(
          'kept',
          'requests without a strategy',
          'go by AIBrix’s route per model (WARMROUTE_UNSET_STRATEGY=pass); `route` sends them to the warm pod',
        ),
      ];
}

/** Installed by manifests or by AIBrix's chart: the Service's selector tells, or the labels of the pods. */
function swapOf(objects: readonly KubeObject[], gateway: Gateway): Migration['swap'] {
  const service = objects.find(({ kind, name }) => kind === 'Service' && name.endsWith('gateway-plugins'));
  const selector = service === undefined ? gateway.labels : textsAt(at(service.raw, 'spec', 'selector'));
  return {
    service: service?.name ?? SERVICE,
    file: selector.app === undefined ? 'swap-helm.yaml' : 'swap.yaml',
  };
}
