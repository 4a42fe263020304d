import { logVerbosity, Server, ServerCredentials, setLogVerbosity } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import { EXTERNAL_PROCESSOR, loadExternalProcessor } from './protos.ts';
import { type OpenStream, type ProcessCall, type StreamOptions, serveStream } from './stream.ts';

/** What probes and Envoy ask for: AIBrix's name, the endpoint picker's, the protocol's, and the server as a whole. */
export const HEALTH_SERVICES = ['', 'gateway-plugin', 'liveness', 'readiness', EXTERNAL_PROCESSOR] as const;

/** Room for the framing around a body, so that one just over the limit is answered 413 and not refused by gRPC. */
const MESSAGE_OVERHEAD_BYTES = 1024 * 1024;

/**
 * nghttp2 inside Node ends a connection after 1,000 RST_STREAM and 33 more a second, and Envoy resets each ext_proc stream
 * unless `ext_proc_graceful_grpc_close` is on. Envoy is no attacker, so the budget is made large. grpc-js has no public
 * way to say so (grpc/grpc-node#2872); Node takes these two since 22.
 */
const STREAM_RESETS = { streamResetBurst: 1_000_000, streamResetRate: 100_000 };

export interface ExtProcServerOptions extends StreamOptions {
  /** `host:port`, IPv6 hosts in brackets; port 0 for any. */
  readonly address: string;
  /** The least size in bytes of a gRPC message that is accepted; raised to what the body limit needs. */
  readonly maxMessageBytes: number;
}

export interface ExtProcServer {
  readonly port: number;
  readonly openStreams: number;
  /** What the health service answers, for every name. */
  setHealth(status: 'SERVING' | 'NOT_SERVING'): void;
  /**
   * Leaves without harming a request: NOT_SERVING, `waitMs` for Envoy's health check to notice, no new streams, decisions
   * under way are answered, then streams end OK, so that generations in flight go on without us. Streams that carry a body
   * (FULL_DUPLEX_STREAMED) would cut it: they get up to `bodiesMs` to end by themselves.
   */
  drain(waitMs: number, bodiesMs?: number): Promise<void>;
}

/** Binds the ext_proc and health services. Starts NOT_SERVING. Rejects when the address cannot be bound. */
export async function startExtProcServer(options: ExtProcServerOptions): Promise<ExtProcServer> {
  const maxMessage = Math.max(
    options.maxMessageBytes,
    options.exchange.maxBodyBytes + MESSAGE_OVERHEAD_BYTES,
  );
  // What goes wrong is told by rejections and callbacks; grpc-js would write it to stderr as well.
  setLogVerbosity(logVerbosity.NONE);
  const server = new Server({
    'grpc.max_receive_message_length': maxMessage,
    'grpc.max_send_message_length': maxMessage,
  });
  Object.assign((server as unknown as { commonServerOptions: object }).commonServerOptions, STREAM_RESETS);

  const open = new Set<OpenStream>();
  server.addService(loadExternalProcessor(), {
    Process: (call: ProcessCall) => {
      const stream = serveStream(call, options, () => open.delete(stream));
      open.add(stream);
    },
  });
  const health = new HealthImplementation();
  const setHealth = (status: 'SERVING' | 'NOT_SERVING') => {
    for (const service of HEALTH_SERVICES) health.setStatus(service, status);
  };
  setHealth('NOT_SERVING');
  health.addToServer(server);

  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(options.address, ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });

  return {
    port,
    get openStreams() {
      return open.size;
    },
    setHealth,
    async drain(waitMs, bodiesMs = 0) {
      setHealth('NOT_SERVING');
      await new Promise(resolve => setTimeout(resolve, waitMs));
      const shutdown = new Promise<void>(resolve => server.tryShutdown(() => resolve()));
      await Promise.all([...open].map(stream => stream.idle()));
      for (const stream of open) if (!stream.carriesBody) stream.end();
      await within(bodiesMs, Promise.all([...open].map(stream => stream.closed)));
      for (const stream of open) stream.end();
      await within(LAST_FRAMES_MS, shutdown);
      server.forceShutdown();
    },
  };
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
