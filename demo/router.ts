/** Warmroute and Envoy on one machine, in front of engines on 127.0.0.1; for the demo and for scripts that do the same. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { EnvoyFailed, type RunningEnvoy, renderBootstrap, startEnvoy } from './envoy.ts';
import { type RunningCommand, runCommand } from './processes.ts';

const ENVOY_SEES_ROUTER_TIMEOUT_MS = 20_000;

/** An engine on 127.0.0.1: an entry of the pods file. */
export interface LocalEngine {
  readonly name: string;
  readonly port: number;
  readonly model: string;
  readonly kvEvents: { readonly port: number; readonly replayPort: number };
}

/** `warmroute serve` on free ports, following the engines' events. What is not set here is taken from `environment`. */
export async function startRouter(
  engines: readonly LocalEngine[],
  environment: NodeJS.ProcessEnv,
): Promise<RunningCommand> {
  const folder = await mkdtemp(join(tmpdir(), 'warmroute-router-'));
  const remove = () => rm(folder, { recursive: true, force: true });
  const podsFile = join(folder, 'pods.json');
  const pods = engines.map(engine => ({ ...engine, address: '127.0.0.1' }));
  try {
    await writeFile(podsFile, JSON.stringify({ pods }, undefined, 2));
    const router = await runCommand(
      ['serve'],
      {
        ...environment,
        WARMROUTE_PODS_FILE: podsFile,
        WARMROUTE_GRPC_ADDRESS: '127.0.0.1:0',
        WARMROUTE_ADMIN_ADDRESS: '127.0.0.1:0',
        WARMROUTE_DEBUG_HEADERS: 'true',
        WARMROUTE_TARGET_HEADERS: 'warmroute',
        WARMROUTE_DRAIN_MS: '0',
        AIBRIX_USE_REMOTE_TOKENIZER: 'true',
        AIBRIX_KV_EVENT_SYNC_ENABLED: 'true',
      },
      'ready',
    );
    return { ready: router.ready, stop: () => router.stop().finally(remove) };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** Envoy with `envoy/warmroute.yaml`; resolves when it sees the router as healthy. Throws EnvoyFailed. */
export async function startEnvoyFor(
  binary: string,
  router: RunningCommand,
  engines: readonly LocalEngine[],
): Promise<RunningEnvoy> {
  const template = await readFile(new URL('../envoy/warmroute.yaml', import.meta.url), 'utf8');
  const bootstrap = renderBootstrap(template, {
    routers: [`127.0.0.1:${router.ready.grpcPort}`],
    pods: engines.map(({ port }) => `127.0.0.1:${port}`),
  });
  const envoy = await startEnvoy({ binary, bootstrap });
  const deadline = Date.now() + ENVOY_SEES_ROUTER_TIMEOUT_MS;
  const healthy = 'cluster.warmroute_ext_proc.health_check.success';
  try {
    while (((await envoy.stats(healthy)).get(healthy) ?? 0) === 0) {
      if (Date.now() > deadline) {
        throw new EnvoyFailed('Envoy does not see Warmroute as healthy', envoy.output());
      }
      await delay(50);
    }
  } catch (error) {
    await envoy.stop();
    throw error;
  }
  return envoy;
}
