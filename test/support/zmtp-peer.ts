/** A publisher that speaks ZMTP by hand, so that it can do what libzmq never would. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { Inbox } from './inbox.ts';

const GREETING = Buffer.concat([
  Buffer.from('ff00000000000000017f0300', 'hex'),
  Buffer.from('NULL'.padEnd(20, '\0'), 'latin1'),
  Buffer.alloc(32),
]);

/** A frame as ZMTP 3.0 has it. Flags: 1 = more follow, 4 = command. */
export function zmtpFrame(body: Uint8Array, flags = 0, form: 'shortest' | 'long' = 'shortest'): Buffer {
  const head = form === 'shortest' && body.length < 256 ? [flags, body.length] : zmtpHead(body.length, flags);
  return Buffer.concat([Buffer.from(head), body]);
}

/** The long form of a frame's head, whose body may never come. */
export function zmtpHead(size: number, flags = 0): Buffer {
  const head = Buffer.alloc(9);
  head[0] = flags | 2;
  head.writeBigUInt64BE(BigInt(size), 1);
  return head;
}

export function zmtpCommand(name: string, body: Uint8Array = Buffer.alloc(0)): Buffer {
  return zmtpFrame(Buffer.concat([Buffer.from([name.length]), Buffer.from(name), body]), 4);
}

export const HANDSHAKE = Buffer.concat([
  GREETING,
  zmtpCommand('READY', Buffer.from('\x0bSocket-Type\0\0\0\x03PUB', 'latin1')),
]);

/** Listens on a port of its own; whoever connects is an entry of `connections`. */
export class ZmtpPeer {
  readonly connections = new Inbox<Socket>();
  readonly #server: Server;

  private constructor() {
    this.#server = createServer(socket => {
      socket.on('error', () => {});
      this.connections.push(socket);
    });
  }

  /** @param host `0.0.0.0`: it is there at all addresses of 127.0.0.0/8, as many publishers on one port */
  static async listen(host = '127.0.0.1'): Promise<ZmtpPeer> {
    const peer = new ZmtpPeer();
    peer.#server.listen(0, host);
    await once(peer.#server, 'listening');
    return peer;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The next connection, after the handshake. */
  async greeted(): Promise<Socket> {
    const socket = await this.connections.next();
    socket.write(HANDSHAKE);
    return socket;
  }

  async close(): Promise<void> {
    for (const socket of this.connections.all) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** Dials somebody who has bound, and shakes hands. */
export async function dialZmtp(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  // Its end is noticed by reading.
  socket.on('error', () => {}).resume();
  await once(socket, 'connect');
  socket.write(HANDSHAKE);
  return socket;
}
