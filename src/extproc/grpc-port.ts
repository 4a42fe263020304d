import type { Http2Server } from 'node:http2';
import { logVerbosity, Server, ServerCredentials, setLogVerbosity } from '@grpc/grpc-js';
import {
  type ConnectionFailure,
  type ConnectionLimits,
  listenForConnections,
  type Transport,
} from './connections.ts';
import { endIdleSessions } from './idle-sessions.ts';

/**
 * nghttp2 inside Node ends a connection after 1,000 RST_STREAM and 33 more a second, and Envoy resets each ext_proc stream
 * unless `ext_proc_graceful_grpc_close` is on. Envoy is no attacker, so the budget is made large. grpc-js has no public
 * way to say so (grpc/grpc-node#2872); Node takes these two since 22.
 */
const STREAM_RESETS = { streamResetBurst: 1_000_000, streamResetRate: 100_000 };

/** Per connection. Envoy opens another one when it needs more. */
const MAX_CONCURRENT_STREAMS = 1024;

export interface GrpcPortOptions extends ConnectionLimits {
  /** A name, or an address without brackets. */
  readonly host: string;
  /** 0 for any. */
  readonly port: number;
  readonly transport: Transport;
  /** Of one gRPC message. */
  readonly maxMessageBytes: number;
  /** A connection without streams is ended after this long. */
  readonly idleMs: number;
  /** A peer that does not answer a ping is gone, and its requests with it. */
  readonly pingEveryMs: number;
  readonly pingTimeoutMs: number;
  readonly addServices: (server: Server) => void;
  /** A connection was refused for `maxConnections`. */
  readonly onRefused: () => void;
  readonly onFailed: (failure: ConnectionFailure) => void;
}

export interface GrpcPort {
  readonly port: number;
  /** Tells every peer to go, and takes no new connections. Resolves when those that are there have ended. */
  close(): Promise<void>;
  /** Ends what is left. */
  cut(): void;
}

/** Rejects when the address cannot be bound. */
export async function openGrpcPort(options: GrpcPortOptions): Promise<GrpcPort> {
  // Failures are reported by rejections and callbacks; grpc-js would write them to stderr as well.
  setLogVerbosity(logVerbosity.NONE);
  const server = new Server({
    'grpc.max_receive_message_length': options.maxMessageBytes,
    'grpc.max_send_message_length': options.maxMessageBytes,
    'grpc.max_concurrent_streams': MAX_CONCURRENT_STREAMS,
    'grpc.keepalive_time_ms': options.pingEveryMs,
    'grpc.keepalive_timeout_ms': options.pingTimeoutMs,
  });
  Object.assign((server as unknown as Inside).commonServerOptions, STREAM_RESETS);
  options.addServices(server);

  // Whatever carries HTTP/2 is ready when a connection is injected.
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const stopIdling = endIdleSessions(http2ServerOf(server), options.idleMs);
  const cut = () => {
    stopIdling();
    server.forceShutdown();
  };
  const connections = await listenForConnections({
    ...options,
    onConnection: socket => injector.injectConnection(socket),
  }).catch(error => {
    cut();
    throw error;
  });
  return {
    port: connections.port,
    close() {
      // grpc-js does not know when connections that it did not accept itself have ended.
      server.tryShutdown(() => {});
      return connections.close();
    },
    cut,
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
