/** A cluster with engines in its pods, routers that know them from it, and a real Envoy in front. */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { type RunningEnvoy, renderBootstrap, startEnvoy } from '../../../demo/envoy.ts';
import type { Environment } from '../../../src/config.ts';
import { type EngineOptions, type SimulatedEngine, startEngine } from '../../../src/simulator/engine.ts';
import { envoyFile, envoyForTests } from '../../support/envoy.ts';
import { eventually } from '../../support/eventually.ts';
import { MODEL, NO_COST, WITH_EVENTS } from '../../support/fleet.ts';
import { kubeconfigText } from '../../support/kube-access.ts';
import { type KubePodOptions, kubePod } from '../../support/kube-pods.ts';
import { createLlmClient, type LlmClient } from '../../support/llm-client.ts';
import { type ProgramProcess, startProgramProcess } from '../../support/program.ts';
import { TcpSwitch } from '../../support/tcp-switch.ts';
import { KubeCluster, Refused } from './cluster.ts';

/** Of the manifests in the documentation. */
export const NAMESPACE = 'llm';
const DOCUMENTATION = new URL('../../../docs/kubernetes.md', import.meta.url);
const TOKEN_SECONDS = 3_600;

export interface ShownPod {
  readonly pod: string;
  readonly unready?: true;
}

export class KubeWorld {
  readonly cluster: KubeCluster;
  /** Between the routers and the API server. */
  readonly wire: TcpSwitch;
  readonly #stops: (() => unknown)[] = [];
  #engines = 0;

  private constructor(cluster: KubeCluster, wire: TcpSwitch) {
    this.cluster = cluster;
    this.wire = wire;
  }

  static async open(): Promise<KubeWorld> {
    const cluster = await KubeCluster.start();
    const wire = await TcpSwitch.listen(cluster.port);
    const world = new KubeWorld(cluster, wire);
    await cluster.ask('POST', '/api/v1/namespaces', { metadata: { name: NAMESPACE } });
    await world.grant();
    return world;
  }

  /** What a test has started ends with it. */
  async endTest(): Promise<void> {
    this.wire.set('through');
    this.cluster.resumeApiServer();
    for (const stop of this.#stops.splice(0).reverse()) await stop();
    const path = `/api/v1/namespaces/${NAMESPACE}/pods`;
    await this.cluster.ask('DELETE', `${path}?gracePeriodSeconds=0`);
  }

  async close(): Promise<void> {
    await this.wire.close();
    await this.cluster.stop();
  }

  // ---- rights ----------------------------------------------------------------------------------------------------

  /** The ServiceAccount and the rights of the documentation, and a token in a file. */
  async grant(): Promise<void> {
    for (const manifest of await documentedManifests()) await this.apply(manifest);
    await this.renewToken();
  }

  async renewToken(): Promise<void> {
    const { status } = await this.cluster.ask(
      'POST',
      `/api/v1/namespaces/${NAMESPACE}/serviceaccounts/warmroute/token`,
      {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        spec: { expirationSeconds: TOKEN_SECONDS },
      },
    );
    const { token } = status as { token: string };
    // As the kubelet does it: nobody sees half of it.
    await writeFile(`${this.#tokenFile}.new`, token);
    await rename(`${this.#tokenFile}.new`, this.#tokenFile);
  }

  /** The ServiceAccount is another one of the same name, so that tokens of the old one are worth nothing. */
  async revokeTokens(): Promise<void> {
    const accounts = `/api/v1/namespaces/${NAMESPACE}/serviceaccounts`;
    await this.cluster.ask('DELETE', `${accounts}/warmroute`);
    await this.cluster.ask('POST', accounts, { metadata: { name: 'warmroute' } });
  }

  async setVerbs(verbs: readonly string[]): Promise<void> {
    const path = `/apis/rbac.authorization.k8s.io/v1/namespaces/${NAMESPACE}/roles/warmroute`;
    const rules = [
      { apiGroups: [''], resources: ['pods'], verbs },
      { apiGroups: ['inference.networking.k8s.io'], resources: ['inferencepools'], verbs },
    ];
    await this.cluster.ask('PATCH', path, { rules });
  }

  get #tokenFile(): string {
    return join(this.cluster.folder, 'token');
  }

  /** Creates, or replaces what is there. */
  async apply(manifest: Manifest): Promise<void> {
    const path = collectionOf(manifest);
    await this.cluster.ask('POST', path, manifest).catch(async error => {
      if (!(error instanceof Refused) || error.status !== 409) throw error;
      await this.cluster.ask('PATCH', `${path}/${manifest.metadata.name}`, manifest);
    });
  }

  // ---- pods ------------------------------------------------------------------------------------------------------

  /** On an address of its own. */
  async startEngine(given: Partial<EngineOptions> = {}): Promise<SimulatedEngine> {
    const i = this.#engines++;
    const host = `127.0.1.${1 + (i % 250)}`;
    const engine = await startEngine({ name: `engine-${i}`, host, model: MODEL, cost: NO_COST, ...given });
    this.#stops.push(() => engine.stop());
    return engine;
  }

  /** Makes a pod with this engine in it, or tells how it is now. */
  async put(engine: SimulatedEngine, given: Partial<KubePodOptions> = {}): Promise<void> {
    const { name, httpPort, eventsPort, replayPort, options } = engine;
    const { metadata, spec, status } = kubePod({
      ...{ name, namespace: NAMESPACE, ip: options.host, labels: { 'model.aibrix.ai/name': MODEL } },
      annotations: {
        'warmroute.dev/port': String(httpPort),
        'warmroute.dev/kv-events-port': String(eventsPort),
        'warmroute.dev/replay-port': String(replayPort),
      },
      ...given,
    });
    const path = `/api/v1/namespaces/${NAMESPACE}/pods`;
    const { labels, annotations } = metadata;
    await this.cluster.ask('POST', path, { metadata, spec }).catch(async error => {
      if (!(error instanceof Refused) || error.status !== 409) throw error;
      await this.cluster.ask('PATCH', `${path}/${metadata.name}`, { metadata: { labels, annotations } });
    });
    await this.cluster.ask('PATCH', `${path}/${metadata.name}/status`, { status });
  }

  /** As a kubelet that drains it: it is being deleted, and is still there. */
  async terminate({ name }: { readonly name: string }): Promise<void> {
    await this.cluster.ask('DELETE', `/api/v1/namespaces/${NAMESPACE}/pods/${name}`, {
      gracePeriodSeconds: 30,
    });
  }

  async remove({ name }: { readonly name: string }): Promise<void> {
    await this.cluster.ask('DELETE', `/api/v1/namespaces/${NAMESPACE}/pods/${name}`, {
      gracePeriodSeconds: 0,
    });
  }

  // ---- routers ---------------------------------------------------------------------------------------------------

  /** A process of its own, with the rights of the documentation alone. */
  async startRouter(environment: Environment = {}): Promise<ProgramProcess> {
    const kubeconfig = join(this.cluster.folder, 'router.kubeconfig');
    await writeFile(
      kubeconfig,
      kubeconfigText({
        server: `https://127.0.0.1:${this.wire.port}`,
        cluster: { 'certificate-authority': this.cluster.caFile },
        user: { tokenFile: this.#tokenFile },
        context: { namespace: NAMESPACE },
      }),
    );
    const router = await startProgramProcess({
      environment: {
        ...WITH_EVENTS,
        KUBECONFIG: kubeconfig,
        WARMROUTE_DISCOVERY: 'kubernetes',
        WARMROUTE_DEBUG_HEADERS: 'true',
        WARMROUTE_TARGET_HEADERS: 'warmroute',
        // Events alone count.
        WARMROUTE_EXPECTED_BLOCKS_TTL_MS: '0',
        ...environment,
      },
    });
    this.#stops.push(() => router.stop());
    return router;
  }

  /** Dials whatever address a router names. */
  async startEnvoy(routers: readonly string[]): Promise<LlmClient & { readonly envoy: RunningEnvoy }> {
    const template = await readFile(envoyFile('original-dst.yaml'), 'utf8');
    // Where requests go without a router: nowhere.
    const bootstrap = renderBootstrap(template, { routers, pods: ['127.0.0.1:1'] });
    const envoy = await startEnvoy({ binary: await envoyForTests(), bootstrap });
    this.#stops.push(() => envoy.stop());
    const client = createLlmClient(envoy.url, { 'x-warmroute-debug': '1' });
    this.#stops.push(() => client.close());
    await eventually('Envoy finds a router healthy', async () => {
      const healthy = 'cluster.warmroute_ext_proc.membership_healthy';
      return ((await envoy.stats(healthy)).get(healthy) ?? 0) > 0;
    });
    return { ...client, envoy };
  }
}

/** Waits until a router knows exactly these pods; an unready one has ` unready` behind its name. */
export function knows(router: ProgramProcess, ...names: readonly string[]): Promise<void> {
  return knowsWithin(60_000, router, ...names);
}

export async function knowsWithin(
  timeoutMs: number,
  router: ProgramProcess,
  ...names: readonly string[]
): Promise<void> {
  let known: readonly string[] = [];
  const wanted = names.map(name => `${NAMESPACE}/${name}`);
  await eventually(
    'the pods are known',
    async () => {
      const { pods } = (await adminPage(router, '/debug/pods')) as { pods: readonly ShownPod[] };
      known = pods.map(({ pod, unready }) => (unready ? `${pod} unready` : pod));
      return known.join() === wanted.join();
    },
    timeoutMs,
  ).catch(error => {
    throw new Error(`${error.message}: ${wanted}, but ${known}`);
  });
}

export async function adminPage(router: ProgramProcess, path: string): Promise<unknown> {
  return (await fetch(`http://127.0.0.1:${router.adminPort}${path}`)).json();
}

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

/** Every YAML block of the documentation that has manifests in it. */
async function documentedManifests(): Promise<Manifest[]> {
  const text = await readFile(DOCUMENTATION, 'utf8');
  const blocks = Array.from(text.matchAll(/```yaml\n([\s\S]*?)```/g), ([, block]) => block!);
  return blocks
    .flatMap(block => parseAllDocuments(block))
    .map(document => document.toJS() as Manifest | null)
    .filter((manifest): manifest is Manifest =>
      /^(ServiceAccount|Role|RoleBinding)$/.test(manifest?.kind ?? ''),
    );
}

function collectionOf({ apiVersion, kind, metadata: { namespace } }: Manifest): string {
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const where = namespace === undefined ? '' : `/namespaces/${namespace}`;
  return `${root}${where}/${kind.toLowerCase()}s`;
}
