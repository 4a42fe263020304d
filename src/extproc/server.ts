import type { Http2Server } from 'node:http2';
import { logVerbosity, Server, ServerCredentials, setLogVerbosity } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import { BodyMemory } from './body-memory.ts';
import { listenForConnections } from './connections.ts';
import { endIdleSessions } from './idle-sessions.ts';
import { EXTERNAL_PROCESSOR, loadExternalProcessor } from './protos.ts';
import { type OpenStream, type ProcessCall, type StreamOptions, serveStream } from './stream.ts';

/** What liveness probes ask for: AIBrix's Deployment the server as a whole, the endpoint picker's by its name. */
export const LIVENESS_SERVICES = ['', 'liveness'] as const;
/** What readiness probes and Envoy's health checks ask for: AIBrix's name, the endpoint picker's, and the protocol's. */
export const READINESS_SERVICES = ['gateway-plugin', 'readiness', EXTERNAL_PROCESSOR] as const;

/** Room for the framing around a body, so that one just over the limit is answered 413 and not refused by gRPC. */
const MESSAGE_OVERHEAD_BYTES = 1024 * 1024;

/**
 * nghttp2 inside Node ends a connection after 1,000 RST_STREAM and 33 more a second, and Envoy resets each ext_proc stream
 * unless `ext_proc_graceful_grpc_close` is on. Envoy is no attacker, so the budget is made large. grpc-js has no public
 * way to say so (grpc/grpc-node#2872); Node takes these two since 22.
 */
const STREAM_RESETS = { streamResetBurst: 1_000_000, streamResetRate: 100_000 };

/** Per connection. Envoy opens another one when it needs more. */
const MAX_CONCURRENT_STREAMS = 1024;
const PATIENCE: Patience = {
  ...{ prefaceMs: 10_000, lingerMs: 5_000, firstMessageMs: 30_000 },
  ...{ pingEveryMs: 60_000, pingTimeoutMs: 20_000 },
};

export interface ExtProcServerOptions extends Omit<StreamOptions, 'firstMessageMs' | 'bodyMemory'> {
  /** A name, or an address without brackets. */
  readonly host: string;
  /** 0 for any. */
  readonly port: number;
  /** The least size in bytes of a gRPC message that is accepted; raised to what the body limit needs. */
  readonly maxMessageBytes: number;
  /** Most bytes of bodies that are gathered at the same time, over all streams. */
  readonly maxBufferedBytes: number;
  /** A connection without streams is ended after this long. */
  readonly idleMs: number;
  readonly maxConnections: number;
  /** A connection was refused for `maxConnections`. */
  readonly onRefused: () => void;
  /** For tests. */
  readonly patience?: Patience;
}

/** How long a peer is waited for that may be no Envoy, or no longer be there. */
export interface Patience {
  /** For the HTTP/2 connection preface. */
  readonly prefaceMs: number;
  /** For the end of a connection that we have ended. */
  readonly lingerMs: number;
  /** For the first message of a stream. */
  readonly firstMessageMs: number;
  /** A peer that does not answer a ping is gone, and its requests with it. */
  readonly pingEveryMs: number;
  readonly pingTimeoutMs: number;
}

export interface ExtProcServer {
  readonly port: number;
  readonly openStreams: number;
  /** Memory of the bodies that are held, in bytes. */
  readonly bufferedBytes: number;
  /** What the health service answers for the names of readiness. Those of liveness are SERVING until `drain`. */
  setReadiness(status: HealthStatus): void;
  /**
   * Leaves without harming a request: NOT_SERVING, `waitMs` for Envoy's health check to notice, no new streams, decisions
   * under way are answered, then streams end OK, so that generations in flight go on without us. Streams that carry a body
   * (FULL_DUPLEX_STREAMED) would cut it: they get up to `bodiesMs` to end by themselves.
   */
  drain(waitMs: number, bodiesMs?: number): Promise<void>;
}

type HealthStatus = 'SERVING' | 'NOT_SERVING';

/** Binds the ext_proc and health services. Starts alive and not ready. Rejects when the address cannot be bound. */
export async function startExtProcServer(options: ExtProcServerOptions): Promise<ExtProcServer> {
  const maxMessage = Math.max(
    options.maxMessageBytes,
    options.exchange.maxBodyBytes + MESSAGE_OVERHEAD_BYTES,
  );
  const patience = options.patience ?? PATIENCE;
  // Failures are reported by rejections and callbacks; grpc-js would write it to stderr as well.
  setLogVerbosity(logVerbosity.NONE);
  const server = new Server({
    'grpc.max_receive_message_length': maxMessage,
    'grpc.max_send_message_length': maxMessage,
    'grpc.max_concurrent_streams': MAX_CONCURRENT_STREAMS,
    'grpc.keepalive_time_ms': patience.pingEveryMs,
    'grpc.keepalive_timeout_ms': patience.pingTimeoutMs,
  });
  Object.assign((server as unknown as Inside).commonServerOptions, STREAM_RESETS);

  const bodyMemory = new BodyMemory(options.maxBufferedBytes);
  const streamOptions: StreamOptions = { ...options, bodyMemory, firstMessageMs: patience.firstMessageMs };
  const open = new Set<OpenStream>();
  server.addService(loadExternalProcessor(), {
    Process: (call: ProcessCall) => {
      const stream = serveStream(call, streamOptions, () => open.delete(stream));
      open.add(stream);
    },
  });
  const health = new HealthImplementation();
  const setHealth = (services: readonly string[], status: HealthStatus) => {
    for (const service of services) health.setStatus(service, status);
  };
  setHealth(LIVENESS_SERVICES, 'SERVING');
  setHealth(READINESS_SERVICES, 'NOT_SERVING');
  health.addToServer(server);

  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const stopIdling = endIdleSessions(http2ServerOf(server), options.idleMs);
  const connections = await listenForConnections({
    host: options.host,
    port: options.port,
    prefaceMs: patience.prefaceMs,
    lingerMs: patience.lingerMs,
    maxConnections: options.maxConnections,
    onConnection: socket => injector.injectConnection(socket),
    onRefused: options.onRefused,
  }).catch(error => {
    stopIdling();
    server.forceShutdown();
    throw error;
  });

  return {
    port: connections.port,
    get bufferedBytes() {
      return bodyMemory.bytes;
    },
    get openStreams() {
      return open.size;
    },
    setReadiness: status => setHealth(READINESS_SERVICES, status),
    async drain(waitMs, bodiesMs = 0) {
      setHealth([...LIVENESS_SERVICES, ...READINESS_SERVICES], 'NOT_SERVING');
      await new Promise(resolve => setTimeout(resolve, waitMs));
      // grpc-js tells every peer to go; it does not know when connections that it did not accept itself have ended.
      server.tryShutdown(() => {});
      const shutdown = connections.close();
      await Promise.all([...open].map(stream => stream.idle()));
      for (const stream of open) if (!stream.carriesBody) stream.end();
      await within(bodiesMs, Promise.all([...open].map(stream => stream.closed)));
      for (const stream of open) stream.end();
      await within(LAST_FRAMES_MS, shutdown);
      stopIdling();
      server.forceShutdown();
    },
  };
}

/** What grpc-js gives no public way to. */
interface Inside {
  readonly commonServerOptions: object;
  readonly http2Servers: ReadonlyMap<Http2Server, unknown>;
}

/** The one that the injector has made. */
function http2ServerOf(server: Server): Http2Server {
  const [http2Server] = (server as unknown as Inside).http2Servers.keys();
  return http2Server!;
}

/** For the last replies and trailers to leave before connections are cut: health watchers may stay open for ever. */
const LAST_FRAMES_MS = 500;

/** Waits for `work`, but no longer than `ms`. */
async function within(ms: number, work: Promise<unknown>): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, ms);
  await Promise.race([work, late.promise]);
  clearTimeout(timer);
}
