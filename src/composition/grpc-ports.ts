/** Composition of what Envoy and probes reach: the gRPC port, TLS on it, and health on a port of its own. */

import type { Config } from '../config.ts';
import type { Transport } from '../extproc/connections.ts';
import { GrpcHealth, type HealthStatus } from '../extproc/health.ts';
import { openHealthPort } from '../extproc/health-port.ts';
import { type ExtProcServer, type ExtProcServerOptions, startExtProcServer } from '../extproc/server.ts';
import type { GrpcReport } from '../ops/grpc-report.ts';
import { SETTINGS } from '../settings/settings.ts';
import { wallClock } from '../time.ts';
import { ownNames } from '../tls/own-names.ts';
import { createSelfSigned } from '../tls/self-signed.ts';
import {
  type FollowedIdentity,
  followIdentity,
  type IdentitySource,
  type PemFile,
} from '../tls/server-identity.ts';
import { binding, hostAndPort } from './addresses.ts';

export interface GrpcPortsOptions {
  readonly config: Config;
  readonly extProc: Omit<
    ExtProcServerOptions,
    | 'host'
    | 'port'
    | 'transport'
    | 'health'
    | 'maxConnections'
    | 'idleMs'
    | 'maxMessageBytes'
    | 'onRefused'
    | 'onFailed'
  >;
  readonly report: GrpcReport;
  readonly ending?: AbortSignal | undefined;
}

export interface GrpcPorts {
  readonly extProc: ExtProcServer;
  /** undefined where health has no port of its own. */
  readonly healthPort: number | undefined;
  /** What the names of readiness are answered. */
  setReadiness(status: HealthStatus): void;
  /** Leaves without harming a request; nothing is left afterwards. */
  stop(): Promise<void>;
}

/** What is wrong with the files of TLS. Rejects with the reason of `ending` when that is aborted. */
export async function tlsProblem(config: Config, ending: AbortSignal): Promise<string | undefined> {
  if (config.tls === 'off') return undefined;
  try {
    const identity = await followIdentity({ source: await identitySource(config), onFact: () => {}, ending });
    await identity.stop();
    return undefined;
  } catch (error) {
    ending.throwIfAborted();
    return (error as Error).message;
  }
}

/** Rejects when an address cannot be bound, or the certificate cannot be served; then nothing is left. */
export async function openGrpcPorts(options: GrpcPortsOptions): Promise<GrpcPorts> {
  const { config, report } = options;
  const health = new GrpcHealth();
  const identity = await serverIdentity(options);
  const stops: (() => Promise<void>)[] = [async () => identity?.stop()];
  const stop = async () => {
    for (const each of stops.splice(0).reverse()) await each();
  };
  try {
    const healthPort =
      config.healthAddress === undefined
        ? undefined
        : await binding(
            SETTINGS.healthAddress,
            openHealthPort({
              ...hostAndPort(config.healthAddress),
              health,
              onFailed: report.failedOnHealthPort,
            }),
          );
    stops.push(async () => healthPort?.stop());
    const transport: Transport =
      identity === undefined ? { kind: 'plain_text' } : { kind: 'tls', identity: () => identity.current };
    const extProc = await binding(
      SETTINGS.grpcAddress,
      startExtProcServer({
        ...options.extProc,
        ...hostAndPort(config.grpcAddress),
        ...{ transport, health },
        maxMessageBytes: config.grpcMaxMessageBytes,
        idleMs: config.grpcIdleMs,
        maxConnections: config.grpcMaxConnections,
        onRefused: report.refused,
        onFailed: report.failed,
      }),
    );
    stops.push(() => extProc.drain(config.drainMs, config.drainBodiesMs));
    return {
      extProc,
      healthPort: healthPort?.port,
      setReadiness: status => health.setReadiness(status),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function serverIdentity({
  config,
  report,
  ending,
}: GrpcPortsOptions): Promise<FollowedIdentity | undefined> {
  if (config.tls === 'off') return undefined;
  const identity = await followIdentity({
    source: await identitySource(config),
    onFact: report.identity,
    ending,
  });
  report.serves(identity);
  return identity;
}

async function identitySource({
  tls,
  tlsCertFile,
  tlsKeyFile,
  tlsClientCaFile,
}: Config): Promise<IdentitySource> {
  const clientCa =
    tlsClientCaFile === undefined ? undefined : fileOf(SETTINGS.tlsClientCaFile, tlsClientCaFile);
  if (tls === 'files') {
    return {
      cert: fileOf(SETTINGS.tlsCertFile, tlsCertFile),
      key: fileOf(SETTINGS.tlsKeyFile, tlsKeyFile),
      clientCa,
    };
  }
  const own = await createSelfSigned(ownNames(), wallClock());
  const setting = SETTINGS.tls.names[0];
  return { cert: { setting, text: own.cert }, key: { setting, text: own.key }, clientCa };
}

/** That a path is there where one is needed is checked with the configuration. */
function fileOf({ names }: { readonly names: readonly [string, ...string[]] }, path = ''): PemFile {
  return { setting: names[0], path };
}
