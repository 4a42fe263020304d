/**
 * The TCP side of a gRPC port. grpc-js ends connections that are idle or dead, but it can neither bound how many there are nor
 * get rid of a peer that does not close its half, that never says a word of HTTP/2, or that speaks TLS where it is not expected.
 */
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { readFirstByte, type Spoken } from './first-byte.ts';
import { type HandshakeFailure, type ServerIdentity, tlsHandshakes } from './tls-handshakes.ts';

export interface ConnectionLimits {
  readonly maxConnections: number;
  /** What happens at so many: a new one is closed, or an old one of the client that has most of them. */
  readonly whenFull: 'refuse' | 'replace';
  /** How long a peer may take for its TLS handshake, if any, and the HTTP/2 connection preface. */
  readonly prefaceMs: number;
  /** How long a connection that we have ended stays for its peer to end it, too. */
  readonly lingerMs: number;
}

/** How HTTP/2 is carried. */
export type Transport =
  | { readonly kind: 'plain_text' }
  /** Whether clients need a certificate is settled by the first identity that is asked for. */
  | { readonly kind: 'tls'; readonly identity: () => ServerIdentity };

/** A connection that came to nothing. */
export type ConnectionFailure = (HandshakeFailure | { readonly why: Spoken; readonly code: undefined }) & {
  /** The client's address; undefined when it has gone. */
  readonly from: string | undefined;
};

export interface Connections {
  readonly port: number;
  /** Takes no more, and ends those on which HTTP/2 has not begun. Resolves when those that are there have ended. */
  close(): Promise<void>;
}

export interface ConnectionParts extends ConnectionLimits {
  readonly host: string;
  readonly port: number;
  readonly transport: Transport;
  /** HTTP/2 is next. */
  readonly onConnection: (socket: Socket) => void;
  /** A connection was closed since there are as many as there may be. */
  readonly onRefused: () => void;
  readonly onFailed: (failure: ConnectionFailure) => void;
}

interface Connection {
  readonly tcp: Socket;
  readonly openedAt: number;
  /** On which HTTP/2 is spoken: the TCP connection, or TLS on it. */
  http2: Socket | undefined;
  endedAt: number | undefined;
}

/** Of the preface and of the head of the SETTINGS frame that ends it. */
const PREFACE_BYTES = 24 + 9;

/** Rejects when the address cannot be bound. */
export async function listenForConnections(parts: ConnectionParts): Promise<Connections> {
  const { transport } = parts;
  const connections = new Map<string, Connection>();
  let isClosing = false;
  const carry = (connection: Connection | undefined, http2: Socket) => {
    if (connection === undefined) {
      http2.destroy();
      return;
    }
    connection.http2 = http2;
    parts.onConnection(http2);
  };
  /** What we end ourselves when we leave is no failure. */
  const onFailed = (failure: ConnectionFailure) => {
    if (!isClosing) parts.onFailed(failure);
  };
  const takeTls =
    transport.kind === 'tls'
      ? tlsHandshakes({
          identity: transport.identity,
          maxMs: parts.prefaceMs,
          onSecure: socket => carry(connections.get(nameOf(socket)), socket),
          onFailed: (failure, socket) => onFailed({ ...failure, from: socket.remoteAddress }),
        })
      : undefined;

  const server = createServer({ noDelay: true }, tcp => {
    // Node destroys it, and where HTTP/2 is spoken its streams end.
    tcp.on('error', () => {});
    const name = nameOf(tcp);
    const connection: Connection = { tcp, openedAt: performance.now(), http2: undefined, endedAt: undefined };
    if (parts.whenFull === 'replace' && connections.size >= parts.maxConnections) {
      nextToReplace(connections)?.destroy();
    }
    connections.set(name, connection);
    // A client may have taken the same port again.
    tcp.once('close', () => connections.get(name) === connection && connections.delete(name));
    readFirstByte(tcp, spoken => {
      if (spoken !== transport.kind) {
        onFailed({ why: spoken, code: undefined, from: tcp.remoteAddress });
        tcp.destroy();
      } else if (takeTls === undefined) carry(connection, tcp);
      else takeTls(tcp);
    });
  });
  if (parts.whenFull === 'refuse') server.maxConnections = parts.maxConnections;
  server.on('drop', parts.onRefused);

  const look = () => {
    const now = performance.now();
    for (const connection of connections.values()) {
      const { tcp, openedAt, http2 } = connection;
      if (bytesHeard(connection) < PREFACE_BYTES && now - openedAt >= parts.prefaceMs) tcp.destroy();
      else if (http2?.writableEnded) {
        connection.endedAt ??= now;
        if (now - connection.endedAt >= parts.lingerMs) tcp.destroy();
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
        isClosing = true;
        server.close(() => {
          clearInterval(timer);
          resolve();
        });
        for (const { tcp, http2 } of connections.values()) if (http2 === undefined) tcp.destroy();
      }),
  };
}

/** Node does not say on which TCP connection a TLS socket is, but they have the same peer. */
function nameOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

/** Of HTTP/2, decrypted. */
function bytesHeard({ http2 }: Connection): number {
  return http2?.bytesRead ?? 0;
}

/** The oldest connection of the client that has most. */
function nextToReplace(connections: ReadonlyMap<string, Connection>): Socket | undefined {
  const byAddress = Map.groupBy(connections.values(), ({ tcp }) => tcp.remoteAddress);
  const [most] = [...byAddress.values()].sort((a, b) => b.length - a.length);
  return most?.[0]?.tcp;
}
