import type { ConnectionFailure } from './connections.ts';
import { openGrpcPort } from './grpc-port.ts';
import type { GrpcHealth } from './health.ts';

export interface HealthPortOptions {
  /** A name, or an address without brackets. */
  readonly host: string;
  /** 0 for any. */
  readonly port: number;
  readonly health: GrpcHealth;
  readonly onFailed: (failure: ConnectionFailure) => void;
  /** For tests. */
  readonly maxConnections?: number;
}

export interface HealthPort {
  readonly port: number;
  stop(): Promise<void>;
}

/** A probe says a few bytes and goes. */
const LIMITS = {
  whenFull: 'replace',
  ...{ maxConnections: 64, prefaceMs: 5_000, lingerMs: 1_000, idleMs: 60_000 },
  ...{ pingEveryMs: 60_000, pingTimeoutMs: 20_000, maxMessageBytes: 1_024 },
} as const;

/**
 * The health service alone, in plain text, whatever the port of the external processor speaks: the kubelet's probes know no TLS.
 * However many connections a stranger has, a probe finds room. Rejects when the address cannot be bound.
 */
export async function openHealthPort(options: HealthPortOptions): Promise<HealthPort> {
  const { health, ...given } = options;
  const port = await openGrpcPort({
    ...LIMITS,
    ...given,
    transport: { kind: 'plain_text' },
    addServices: server => health.addTo(server),
    onRefused: () => {},
  });
  return {
    port: port.port,
    async stop() {
      const closed = port.close();
      // Watchers know by now, and may stay for ever.
      port.cut();
      await closed;
    },
  };
}
