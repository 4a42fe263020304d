import type { Socket } from 'node:net';

/** What a client has begun to speak. */
export type Spoken = 'tls' | 'plain_text';

/** Of a TLS record that holds a handshake. HTTP/2 begins with a letter. */
const HANDSHAKE = 0x16;

/**
 * Calls `onSpoken` when the first byte of a connection is there, and leaves it there. A connection that ends without one is closed, and
 * not reported: load balancers and port scanners do so.
 */
export function readFirstByte(socket: Socket, onSpoken: (spoken: Spoken) => void): void {
  socket.once('readable', () => {
    const chunk = socket.read() as Buffer | null;
    if (chunk === null) {
      socket.destroy();
      return;
    }
    socket.unshift(chunk);
    onSpoken(chunk[0] === HANDSHAKE ? 'tls' : 'plain_text');
  });
}
