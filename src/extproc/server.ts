import { BodyMemory } from './body/body-memory.ts';
import type { ConnectionFailure, Transport } from './connections.ts';
import { openGrpcPort } from './grpc-port.ts';
import type { GrpcHealth } from './health.ts';
import { loadExternalProcessor } from './protos.ts';
import { type OpenStream, type ProcessCall, type StreamOptions, serveStream } from './stream.ts';

/** Room for the framing around a body, so that one just over the limit is answered 413 and not refused by gRPC. */
const MESSAGE_OVERHEAD_BYTES = 1024 * 1024;

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
  readonly transport: Transport;
  /** Served on this port, and NOT_SERVING from `drain` on. */
  readonly health: GrpcHealth;
  /** A connection was refused for `maxConnections`. */
  readonly onRefused: () => void;
  /** A connection came to nothing. */
  readonly onFailed: (failure: ConnectionFailure) => void;
  /** For tests. */
  readonly patience?: Patience;
}

/** How long a peer is waited for that may be no Envoy, or no longer be there. */
export interface Patience {
  /** For a TLS handshake, if any, and the HTTP/2 connection preface. */
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
  /**
   * Leaves without harming a request: NOT_SERVING, `waitMs` for Envoy's health check to notice, no new streams, decisions
   * under way are answered, then streams end OK, so that generations in flight go on without us. Streams that carry a body
   * (FULL_DUPLEX_STREAMED) would cut it: they get up to `bodiesMs` to end by themselves.
   */
  drain(waitMs: number, bodiesMs?: number): Promise<void>;
}

/** Binds the ext_proc and health services. Rejects when the address cannot be bound. */
export async function startExtProcServer(options: ExtProcServerOptions): Promise<ExtProcServer> {
  const maxMessage = Math.max(
    options.maxMessageBytes,
    options.exchange.maxBodyBytes + MESSAGE_OVERHEAD_BYTES,
  );
  const patience = options.patience ?? PATIENCE;
  const bodyMemory = new BodyMemory(options.maxBufferedBytes);
  const streamOptions: StreamOptions = { ...options, bodyMemory, firstMessageMs: patience.firstMessageMs };
  const open = new Set<OpenStream>();
  const grpc = await openGrpcPort({
    ...options,
    ...patience,
    maxMessageBytes: maxMessage,
    whenFull: 'refuse',
    addServices(server) {
      server.addService(loadExternalProcessor(), {
        Process: (call: ProcessCall) => {
          const stream = serveStream(call, streamOptions, () => open.delete(stream));
          open.add(stream);
        },
      });
      options.health.addTo(server);
    },
  });

  return {
    port: grpc.port,
    get bufferedBytes() {
      return bodyMemory.bytes;
    },
    get openStreams() {
      return open.size;
    },
    async drain(waitMs, bodiesMs = 0) {
      options.health.drain();
      await new Promise(resolve => setTimeout(resolve, waitMs));
      const shutdown = grpc.close();
      await Promise.all([...open].map(stream => stream.idle()));
      for (const stream of open) if (!stream.carriesBody) stream.end();
      await within(bodiesMs, Promise.all([...open].map(stream => stream.closed)));
      for (const stream of open) stream.end();
      await within(LAST_FRAMES_MS, shutdown);
      grpc.cut();
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
