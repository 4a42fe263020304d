import { readFile } from 'node:fs/promises';
import {
  type Bootstrap,
  findEnvoy,
  type RunningEnvoy,
  renderBootstrap,
  type StartEnvoyOptions,
  startEnvoy,
} from '../../demo/envoy.ts';

/** The configurations that the project ships. */
export type EnvoyFile = 'warmroute.yaml' | 'original-dst.yaml' | 'endpoint-picker.yaml' | 'aibrix.yaml';

export function envoyFile(file: EnvoyFile): URL {
  return new URL(`../../envoy/${file}`, import.meta.url);
}

/** The first call on a machine may fetch 36 MB: give such tests this timeout. */
export const ENVOY_TEST_TIMEOUT_MS = 120_000;

let binary: Promise<string> | undefined;

/** The Envoy binary for all tests of this process; rejects with EnvoyUnavailable. */
export function envoyForTests(): Promise<string> {
  binary ??= findEnvoy({ env: process.env, onProgress: line => console.error(line) });
  return binary;
}

export interface WithEnvoyOptions {
  readonly file: EnvoyFile;
  /** `ip:port` of each router replica; none: every request fails open. */
  readonly routers: readonly string[];
  /** `ip:port` of each pod that Envoy knows. */
  readonly pods: readonly string[];
  readonly collector?: string;
  readonly edit?: (bootstrap: Bootstrap) => void;
  readonly concurrency?: number;
  readonly logLevel?: NonNullable<StartEnvoyOptions['logLevel']>;
}

/** Runs `use` with a real Envoy and stops it. What Envoy wrote is printed only when `use` fails. */
export async function withEnvoy<T>(
  options: WithEnvoyOptions,
  use: (envoy: RunningEnvoy) => Promise<T>,
): Promise<T> {
  const { file, concurrency, logLevel, ...wiring } = options;
  const envoy = await startEnvoy({
    binary: await envoyForTests(),
    bootstrap: renderBootstrap(await readFile(envoyFile(file), 'utf8'), wiring),
    ...(concurrency !== undefined && { concurrency }),
    ...(logLevel !== undefined && { logLevel }),
  });
  try {
    return await use(envoy);
  } catch (error) {
    console.error(`Envoy (${file}) wrote:\n${envoy.output()}`);
    for (const entry of envoy.accessLog()) console.error(JSON.stringify(entry));
    throw error;
  } finally {
    await envoy.stop();
  }
}

/** Gives a cluster other hosts, `ip:port` each. */
export function setHosts({ static_resources }: Bootstrap, name: string, addresses: readonly string[]): void {
  const cluster = static_resources.clusters.find(each => each.name === name);
  if (cluster?.load_assignment === undefined) throw new Error(`no cluster ${name} with hosts`);
  const lb_endpoints = addresses.map(hostAndPort => {
    const [address, port] = hostAndPort.split(':') as [string, string];
    return { endpoint: { address: { socket_address: { address, port_value: Number(port) } } } };
  });
  cluster.load_assignment.endpoints = [{ lb_endpoints }];
}
