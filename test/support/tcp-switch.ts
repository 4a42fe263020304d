/** A wire that can be cut: what dials its port talks to another port, or to nobody. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** `refuse`: connections end at once. `swallow`: they stand, but nothing comes back. */
export type Wire = 'through' | 'refuse' | 'swallow';

export class TcpSwitch {
  readonly port: number;
  readonly #server: Server;
  readonly #target: number;
  readonly #sockets = new Set<Socket>();
  #wire: Wire = 'through';

  private constructor(server: Server, target: number) {
    this.#server = server;
    this.#target = target;
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', socket => this.#accept(socket));
  }

  /** Between a port of its own and `target`, both on this host. */
  static async listen(target: number): Promise<TcpSwitch> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new TcpSwitch(server, target);
  }

  /** For connections from now on. */
  set(wire: Wire): void {
    this.#wire = wire;
  }

  /** The connections stay, and nothing goes over them any more. */
  freeze(): void {
    for (const socket of this.#sockets) socket.unpipe().pause();
  }

  /** Ends the connections that stand. */
  sever(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.sever();
    await closed;
  }

  #accept(socket: Socket): void {
    this.#keep(socket);
    if (this.#wire === 'refuse') socket.destroy();
    else if (this.#wire === 'swallow') socket.resume();
    else {
      const target = connect(this.#target, '127.0.0.1');
      this.#keep(target);
      socket.pipe(target).pipe(socket);
      socket.on('close', () => target.destroy());
      target.on('close', () => socket.destroy());
    }
  }

  #keep(socket: Socket): void {
    socket.setNoDelay(true);
    this.#sockets.add(socket);
    // Whatever the error, the connection ends.
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
  }
}
