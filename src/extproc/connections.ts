/**
 * The TCP side of the gRPC port. grpc-js ends connections that are idle or dead, but it can neither bound how many there are nor
 * get rid of a peer that does not close its half, or that never says a word of HTTP/2.
 */
import { type AddressInfo, createServer, type Socket } from 'node:net';

export interface ConnectionLimits {
  /** More are closed as they come. */
  readonly maxConnections: number;
  /** How long a peer may take for the HTTP/2 connection preface. */
  readonly prefaceMs: number;
  /** How long a connection that we have ended stays for its peer to end it, too. */
  readonly lingerMs: number;
}

export interface Connections {
  readonly port: number;
  /** Takes no more. Resolves when those that are there have ended. */
  close(): Promise<void>;
}

export interface ConnectionParts extends ConnectionLimits {
  readonly host: string;
  readonly port: number;
  readonly onConnection: (socket: Socket) => void;
  /** A connection was closed since there are as many as there may be. */
  readonly onRefused: () => void;
}

/** Of the preface and of the head of the SETTINGS frame that ends it. */
const PREFACE_BYTES = 24 + 9;

/** Rejects when the address cannot be bound. */
export async function listenForConnections(parts: ConnectionParts): Promise<Connections> {
  const sockets = new Map<Socket, { readonly openedAt: number; endedAt: number | undefined }>();
  const server = createServer({ noDelay: true }, socket => {
    sockets.set(socket, { openedAt: performance.now(), endedAt: undefined });
    socket.once('close', () => sockets.delete(socket));
    parts.onConnection(socket);
  });
  server.maxConnections = parts.maxConnections;
  server.on('drop', parts.onRefused);

  const look = () => {
    const now = performance.now();
    for (const [socket, seen] of sockets) {
      if (socket.bytesRead < PREFACE_BYTES && now - seen.openedAt >= parts.prefaceMs) socket.destroy();
      else if (socket.writableEnded) {
        seen.endedAt ??= now;
        if (now - seen.endedAt >= parts.lingerMs) socket.destroy();
      }
    }
  };
  const timer = setInterval(look, Math.min(parts.prefaceMs, parts.lingerMs) / 4).unref();

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: parts.host, port: parts.port }, resolve);
  }).catch(error => {
    clearInterval(timer);
    throw error;
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise(resolve => {
        server.close(() => {
          clearInterval(timer);
          resolve();
        });
      }),
  };
}
