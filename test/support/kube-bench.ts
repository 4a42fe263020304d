/** `serve()` in this process, in a cluster that is faked: its API server, and pods whose engines are simulated. */
import type { Environment } from '../../src/config.ts';
import type { SimulatedEngine } from '../../src/simulator/engine.ts';
import { FakeKubeApi, INFERENCE_POOLS } from './fake-kube-api.ts';
import { kubeconfigText, kubeFolder } from './kube-access.ts';
import { inferencePool, type KubePodOptions, kubePod } from './kube-pods.ts';
import { MODEL, ServeBench, type Served } from './serve-bench.ts';

export const BY_LABEL: Environment = { WARMROUTE_DISCOVERY: 'kubernetes' };
export const OF_POOL: Environment = {
  WARMROUTE_DISCOVERY: 'inference-pool',
  WARMROUTE_INFERENCE_POOL: 'pool',
  WARMROUTE_TLS: 'off',
};

export class KubeBench {
  readonly bench: ServeBench;
  readonly api: FakeKubeApi;
  readonly #environment: Environment;

  private constructor(bench: ServeBench, api: FakeKubeApi, environment: Environment) {
    this.bench = bench;
    this.api = api;
    this.#environment = environment;
  }

  static async open(): Promise<KubeBench> {
    const bench = await ServeBench.open();
    const api = await FakeKubeApi.start();
    const folder = await kubeFolder();
    bench.atEnd(() => folder.remove());
    bench.atEnd(() => api.close());
    const KUBECONFIG = await folder.write('config', kubeconfigText({ server: api.url }));
    return new KubeBench(bench, api, { KUBECONFIG, WARMROUTE_HEALTH_INTERVAL_MS: '0' });
  }

  start(environment: Environment = BY_LABEL): Promise<Served> {
    return this.bench.start({ ...this.#environment, ...environment });
  }

  stop(): Promise<void> {
    return this.bench.stop();
  }

  /** A pod with this engine in it is there, or is so now. */
  put(
    engine: Pick<SimulatedEngine, 'name' | 'httpPort'> & Partial<SimulatedEngine>,
    given: Partial<KubePodOptions> = {},
  ): void {
    const { name, httpPort, eventsPort, replayPort } = engine;
    const { labels = { 'model.aibrix.ai/name': MODEL }, annotations = {}, ...options } = given;
    this.api.put(
      kubePod({
        ...{ name, ip: '127.0.0.1', labels },
        annotations: {
          'warmroute.dev/port': String(httpPort),
          ...(eventsPort !== undefined && { 'warmroute.dev/kv-events-port': String(eventsPort) }),
          ...(replayPort !== undefined && { 'warmroute.dev/replay-port': String(replayPort) }),
          ...annotations,
        },
        ...options,
      }),
    );
  }

  delete(name: string, namespace = 'default'): void {
    this.api.delete({ name, namespace });
  }

  putPool(matchLabels: Record<string, string>, ports: readonly number[]): void {
    this.api.put(inferencePool('pool', matchLabels, ports), INFERENCE_POOLS);
  }

  deletePool(): void {
    this.api.delete({ name: 'pool', namespace: 'default' }, INFERENCE_POOLS);
  }
}
