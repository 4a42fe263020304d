/** Where pods are known from: which sources are configured, and how they are joined and stopped. */
import type { Config, Environment } from '../config.ts';
import { endpointOf } from '../domain.ts';
import { connectKubernetes, type KubeClient } from '../kubernetes/kubernetes.ts';
import { NamesOfEngines } from '../pods/kubernetes/engine-names.ts';
import { EnginePods } from '../pods/kubernetes/engine-pods.ts';
import { podsByLabel } from '../pods/kubernetes/pods-by-label.ts';
import { PodsOfPool } from '../pods/kubernetes/pods-of-pool.ts';
import type { KubernetesSource, OnWatchFact } from '../pods/kubernetes/source.ts';
import { PodSources } from '../pods/pod-sources.ts';
import { followPodsFile, type PodsFileFollower } from '../pods/pods-file-follower.ts';
import type { DiscoveryProblem } from '../pods/problem.ts';
import type { PodRegistry } from '../pods/registry.ts';
import { createEngineHttp, type EngineAccess } from '../prompt/engine/http.ts';
import { parseLabelSelector } from '../routing/label-selector.ts';
import { SETTINGS } from '../settings/settings.ts';
import { Slots } from '../slots.ts';
import { realSleep, untilAborted } from '../time.ts';

/** One source of pods, as it is configured. */
export type SourcePlan =
  | { readonly kind: 'file'; readonly path: string }
  /** `namespaces` undefined: Warmroute's own. */
  | {
      readonly kind: 'kubernetes';
      readonly selector: string;
      readonly namespaces: readonly string[] | undefined;
    }
  /** `namespace` undefined: Warmroute's own. */
  | { readonly kind: 'inference-pool'; readonly namespace: string | undefined; readonly name: string };

export type DiscoveryPlan =
  | { readonly kind: 'valid'; readonly sources: readonly SourcePlan[] }
  /** Every mistake there is, each naming the setting and what to write. */
  | { readonly kind: 'invalid'; readonly problems: readonly string[] };

type Planned = Pick<
  Config,
  'discovery' | 'podsFile' | 'kubernetesSelector' | 'kubernetesNamespaces' | 'inferencePool'
>;

const [DISCOVERY, PODS_FILE, SELECTOR, POOL] = [
  SETTINGS.discovery.names[0],
  SETTINGS.podsFile.names[0],
  SETTINGS.kubernetesSelector.names[0],
  SETTINGS.inferencePool.names[0],
];

const NO_SOURCE = `${PODS_FILE} is not set: give it the path of the pods file, or set ${DISCOVERY} to kubernetes or inference-pool`;

/** Which sources `config` names, in the order in which they have the say. Nothing is read or asked. */
export function planDiscovery(config: Planned): DiscoveryPlan {
  const { podsFile, inferencePool, kubernetesSelector, kubernetesNamespaces } = config;
  const kinds = config.discovery ?? (podsFile === undefined ? [] : (['file'] as const));
  const problems: string[] = [];
  const sources: SourcePlan[] = [];
  const asks = (kind: SourcePlan['kind']) => kinds.includes(kind);
  if (kinds.length === 0 && inferencePool === undefined) problems.push(NO_SOURCE);

  if (asks('file')) {
    if (podsFile === undefined) problems.push(`${PODS_FILE} is not set: give it the path of the pods file`);
    else sources.push({ kind: 'file', path: podsFile });
  } else if (podsFile !== undefined) {
    problems.push(
      `${PODS_FILE} is set, and ${DISCOVERY} does not name file: add it there, or unset the first`,
    );
  }
  if (asks('kubernetes')) {
    const selector = parseLabelSelector(kubernetesSelector);
    if (selector.kind === 'invalid') problems.push(`${SELECTOR}=${kubernetesSelector}: ${selector.reason}`);
    sources.push({ kind: 'kubernetes', selector: kubernetesSelector, namespaces: kubernetesNamespaces });
  }
  if (asks('inference-pool')) {
    if (inferencePool === undefined)
      problems.push(`${POOL} is not set: give it the InferencePool, as namespace/name`);
    else sources.push({ kind: 'inference-pool', ...inferencePool });
  } else if (inferencePool !== undefined) {
    problems.push(
      `${POOL} is set, and ${DISCOVERY} does not name inference-pool: add it there, or unset the first`,
    );
  }
  return problems.length > 0 ? { kind: 'invalid', problems } : { kind: 'valid', sources };
}

/** The sources cannot be used as they are configured. Terminal; the message is for operators. */
export class DiscoveryPlanError extends Error {
  override readonly name = 'DiscoveryPlanError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

export interface DiscoveryParts {
  readonly registry: PodRegistry;
  /** How engines are asked for the names that they serve. */
  readonly scheme: 'http' | 'https';
  readonly access: EngineAccess;
  /** The process's: what leads to the Kubernetes API. */
  readonly environment: Environment;
  /** Ends the start, which rejects with its reason. Without effect afterwards. */
  readonly ending?: AbortSignal;
  readonly onProblem: (problem: DiscoveryProblem) => void;
  /** The pods file was read again. */
  readonly onReload: (count: number) => void;
  readonly onWatchFact: OnWatchFact;
  /** The InferencePool, which was missing, is there. */
  readonly onPoolFound: (pool: string) => void;
  /** `missing` may be another one. */
  readonly onProgress: () => void;
}

export interface Discovery {
  /** What is not known yet, in words; undefined: every source has said all that it knew at first. */
  readonly missing: string | undefined;
  /** Ready pods of which it is not known which model they serve. */
  readonly unnamed: number;
  /** How long the pods file, and host names in it, have not been usable; undefined: there is no pods file among the sources. */
  fileStaleness(): ReturnType<PodsFileFollower['stale']> | undefined;
  /** Afterwards no timer, watcher or connection is left, and the registry stays as it is. */
  stop(): Promise<void>;
}

/** Engines that are asked for their names at once. */
const MAX_ASKED = 16;
const MAX_PAGE_BYTES = 1024 * 1024;

/**
 * Keeps the registry equal to what all sources know. Rejects with DiscoveryPlanError, PodsFileError (no usable pods file) or
 * KubernetesError (no credentials); then nothing is left. An API server that is away is no reason: it is waited for.
 */
export async function startDiscovery(config: Config, parts: DiscoveryParts): Promise<Discovery> {
  const plan = planDiscovery(config);
  if (plan.kind === 'invalid') throw new DiscoveryPlanError(plan.problems);
  const { onProblem, onProgress } = parts;
  const stops: (() => Promise<unknown>)[] = [];
  const stop = async () => {
    for (const each of stops.reverse()) await each();
  };
  const sources = new PodSources(parts.registry, conflict =>
    onProblem({ kind: 'alias_of_two', ...conflict }),
  );
  let file: PodsFileFollower | undefined;
  const followed: KubernetesSource[] = [];
  const pods: EnginePods[] = [];
  try {
    const cluster = plan.sources.every(({ kind }) => kind === 'file') ? undefined : await openCluster();
    for (const source of plan.sources) {
      if (source.kind !== 'file') cluster!.follow(source);
      else {
        const { path } = source;
        const { ending, onReload } = parts;
        const sink = sources.add();
        const resolveEveryMs = config.dnsRefreshMs;
        const follower = await followPodsFile({
          ...{ path, sink, resolveEveryMs, onProblem, onReload },
          ...(ending && { ending }),
        });
        file = follower;
        stops.push(() => follower.stop());
      }
    }
  } catch (error) {
    await stop();
    throw error;
  }
  for (const source of followed) source.start();
  return {
    get missing() {
      return followed.map(({ missing }) => missing).find(missing => missing !== undefined);
    },
    get unnamed() {
      return pods.reduce((sum, { unnamed }) => sum + unnamed, 0);
    },
    fileStaleness: () => file?.stale(),
    stop,
  };

  async function openCluster() {
    // A plugin may take long to give credentials.
    const connecting = connectKubernetes({ environment: parts.environment });
    const client = await (parts.ending ? untilAborted(connecting, parts.ending) : connecting);
    stops.push(() => client.close());
    const http = createEngineHttp({
      ...{ maxConnectionsPerPod: 1, maxResponseBytes: MAX_PAGE_BYTES, access: parts.access },
    });
    stops.push(() => http.close());
    const slots = new Slots(MAX_ASKED);
    return {
      follow(source: Exclude<SourcePlan, { kind: 'file' }>) {
        const names = new NamesOfEngines({
          get: (pod, path, signal) => http.getJson(`${parts.scheme}://${endpointOf(pod)}${path}`, signal),
          refreshMs: config.modelsRefreshMs,
          ...{ sleep: realSleep, slots },
          onChange: () => enginePods.publish(),
        });
        const enginePods = new EnginePods({ sink: sources.add(), names, onProblem });
        const kubernetes = sourceOf(source, client, enginePods);
        pods.push(enginePods);
        followed.push(kubernetes);
        stops.push(
          () => names.stop(),
          () => kubernetes.stop(),
        );
      },
    };
  }

  function sourceOf(
    source: Exclude<SourcePlan, { kind: 'file' }>,
    client: KubeClient,
    enginePods: EnginePods,
  ): KubernetesSource {
    const shared = {
      client,
      pods: {
        update: (...given: Parameters<EnginePods['update']>) => {
          enginePods.update(...given);
          onProgress();
        },
      },
      onFact: parts.onWatchFact,
    };
    if (source.kind === 'kubernetes') {
      const { selector, namespaces = [client.namespace] } = source;
      return podsByLabel({ ...shared, selector, namespaces });
    }
    const { namespace = client.namespace, name } = source;
    return new PodsOfPool({
      ...{ ...shared, namespace, name },
      onPool(state) {
        const pool = `${namespace}/${name}`;
        if (state === 'missing') onProblem({ kind: 'missing_pool', pool });
        else parts.onPoolFound(pool);
      },
    });
  }
}
