import type { Socket } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';

/** What a server shows, and whose certificates it accepts. All PEM. */
export interface ServerIdentity {
  /** The certificate, then those between it and its authority. */
  readonly cert: string;
  readonly key: string;
  /** Authorities of clients' certificates. Without any, clients need none. */
  readonly clientCa: string | undefined;
}

/** Why a connection came to nothing before HTTP/2 was spoken on it. */
export interface HandshakeFailure {
  readonly why: 'no_client_certificate' | 'client_certificate' | 'handshake';
  /** OpenSSL's or Node's word for it. */
  readonly code: string;
}

export interface HandshakeParts {
  /** Asked for with each connection, so that a new one is shown from the next connection on. Those that are there keep theirs. */
  readonly identity: () => ServerIdentity;
  readonly maxMs: number;
  readonly onSecure: (socket: TLSSocket) => void;
  readonly onFailed: (failure: HandshakeFailure, socket: TLSSocket) => void;
}

/** HTTP/2. A client that offers others only is refused. */
const PROTOCOL = 'h2';

/** Returns what to do with a TCP connection on which a client has begun to speak TLS. */
export function tlsHandshakes(parts: HandshakeParts): (socket: Socket) => void {
  const { identity, maxMs, onSecure, onFailed } = parts;
  let shown = identity();
  const asksClients = shown.clientCa !== undefined;
  // It never listens: connections are accepted, counted and bounded by the caller.
  const server = createServer({
    ...contextOf(shown),
    ALPNProtocols: [PROTOCOL],
    minVersion: 'TLSv1.2',
    requestCert: asksClients,
    rejectUnauthorized: asksClients,
    handshakeTimeout: maxMs,
  });
  server.on('secureConnection', socket => {
    // What goes wrong later ends its streams.
    socket.on('error', () => {});
    // Envoy negotiates nothing unless it is configured to, and inference gateways do not configure it: kgateway's configuration has no
    // `alpn_protocols`. Node would speak HTTP/1 then, which nobody does who dials an external processor.
    if (socket.alpnProtocol === false) socket.alpnProtocol = PROTOCOL;
    onSecure(socket);
  });
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    onFailed(failureOf(error, socket), socket);
    // After a handshake that took too long Node leaves that to us.
    socket.destroy();
  });
  return socket => {
    const wanted = identity();
    if (wanted !== shown) {
      server.setSecureContext(contextOf(wanted));
      shown = wanted;
    }
    server.emit('connection', socket);
  };
}

function contextOf({ cert, key, clientCa }: ServerIdentity) {
  return { cert, key, ...(clientCa !== undefined && { ca: clientCa }) };
}

function failureOf(
  { code = 'UNKNOWN' }: NodeJS.ErrnoException,
  { authorizationError }: TLSSocket,
): HandshakeFailure {
  // OpenSSL's code, whatever its type says.
  const refused = authorizationError as unknown as string | null | undefined;
  if (code === 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE') return { why: 'no_client_certificate', code };
  return refused ? { why: 'client_certificate', code: refused } : { why: 'handshake', code };
}
