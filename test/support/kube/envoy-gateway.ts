/**
 * Envoy Gateway's controller as a process of its own, against an API server. It makes Deployments for its Envoys there, which nobody runs.
 * It listens on ports that cannot be chosen, so there is one at a time; and it wants its certificates in /certs, which
 * is a mount that only it sees. That takes root.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, rmdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from './helm.ts';

const CERTIFICATES = '/certs';

/** Where it listens, whatever its configuration says. */
const PORTS = [8_080, 8_081, 9_443, 18_000, 19_000, 19_001];

/** Why the controller cannot run here; undefined where it can. */
export async function whyNoController(binary: string | undefined): Promise<string | undefined> {
  if (binary === undefined) return 'there is no envoy-gateway';
  if (process.getuid?.() !== 0) return 'only root can give it its certificates';
  for (const port of PORTS) if (!(await isFree(port))) return `port ${port} is taken, where it has to listen`;
  return undefined;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port);
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}

export interface Controller {
  /** What it has written so far, the end of it. */
  readonly log: string;
  stop(): Promise<void>;
}

export async function startController(binary: string, kubeconfig: string): Promise<Controller> {
  const folder = await mkdtemp(join(tmpdir(), 'warmroute-envoy-gateway-'));
  const { code, stderr } = await run(binary, ['certgen', '--local', '--config-home', folder]);
  if (code !== 0) throw new Error(`envoy-gateway certgen: ${stderr}`);
  const config = join(folder, 'config.json');
  await writeFile(config, JSON.stringify(CONFIG));
  const made = await mkdir(CERTIFICATES).then(
    () => true,
    () => false,
  );
  const script = `mount --bind "$1" ${CERTIFICATES} && exec "$2" server --config-path "$3"`;
  const certificates = join(folder, 'certs/envoy-gateway');
  const child = spawn('unshare', ['--mount', 'sh', '-c', script, 'sh', certificates, binary, config], {
    env: { ...process.env, KUBECONFIG: kubeconfig, ENVOY_GATEWAY_NAMESPACE: 'envoy-gateway-system' },
  });
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  let log = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', chunk => {
      log = `${log}${chunk}`.slice(-8_000);
    });
  return {
    get log() {
      return log;
    },
    async stop() {
      process.off('exit', kill);
      if (child.exitCode === null && child.signalCode === null) {
        const ended = once(child, 'exit');
        kill();
        await ended;
      }
      if (made) await rmdir(CERTIFICATES);
      await rm(folder, { recursive: true });
    },
  };
}

const CONFIG = {
  apiVersion: 'gateway.envoyproxy.io/v1alpha1',
  kind: 'EnvoyGateway',
  gateway: { controllerName: 'gateway.envoyproxy.io/gatewayclass-controller' },
  provider: { type: 'Kubernetes', kubernetes: { leaderElection: { disable: true } } },
};
