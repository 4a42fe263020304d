import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { Duplex, Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';

export interface DoorLimits {
  /** At so many open connections a new one takes the place of another one. */
  readonly maxConnections: number;
  /** How much of what was received is parsed in one turn of the event loop. */
  readonly sliceBytes: number;
  /** Requests of a connection that wait for the answers before theirs; if there are more, it ends after these. */
  readonly maxWaiting: number;
  /** How long a connection may take to send a request, or to take an answer. */
  readonly patienceMs: number;
}

export interface DoorExchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The client's address; undefined when it has gone. */
  readonly from: string | undefined;
  /** The answer may take as long as it likes, and is cut off when the server stops. Bounding what waits for its reader is the caller's. */
  readonly holdOpen: () => void;
}

type Answer = (exchange: DoorExchange) => void;

interface Connection {
  readonly socket: Socket;
  readonly deadline: NodeJS.Timeout;
  readonly waiting: (() => void)[];
  answering: 'nothing' | 'in_time' | 'held_open';
  /** Ends after the answers that are owed. */
  isClosing: boolean;
}

/**
 * An HTTP/1.1 server whose clients cannot cost the rest of the process more than a share of its time: of all connections one is
 * accepted, or one slice of one parsed, per turn of the event loop, requests of a connection are answered one at a time, and who
 * neither sends nor reads loses the connection. Node's own parses all requests that have arrived, and answers them, in one turn.
 */
export class HttpDoor {
  readonly #answer: Answer;
  readonly #limits: DoorLimits;
  /** The one that has asked nothing for longest comes first. */
  readonly #open = new Set<Connection>();
  /** By what requests call their socket. */
  readonly #connections = new WeakMap<object, Connection>();
  readonly #turn = createTurnstile();
  readonly #http = createHttpServer((request, response) => this.#onRequest(request, response));
  // Half open: a client may have ended its side and still want its answer.
  readonly #listener = createServer(
    { pauseOnConnect: true, allowHalfOpen: true, noDelay: true },
    socket => void this.#accept(socket),
  );
  #stopped: Promise<void> | undefined;

  constructor(answer: Answer, limits: DoorLimits) {
    this.#answer = answer;
    this.#limits = limits;
  }

  /** Rejects with the system's error. */
  async listen(port: number, host: string): Promise<AddressInfo> {
    this.#listener.listen(port, host);
    await once(this.#listener, 'listening');
    return this.#listener.address() as AddressInfo;
  }

  /** Lets answers under way finish, for `graceMs` at most, and closes all connections. */
  stop(graceMs: number): Promise<void> {
    this.#stopped ??= this.#stop(graceMs);
    return this.#stopped;
  }

  async #stop(graceMs: number): Promise<void> {
    const closed = once(this.#listener, 'close');
    this.#listener.close();
    for (const { answering, socket } of this.#open) if (answering !== 'in_time') socket.destroy();
    const impatience = setTimeout(() => {
      for (const { socket } of this.#open) socket.destroy();
    }, graceMs);
    await closed;
    clearTimeout(impatience);
  }

  async #accept(socket: Socket): Promise<void> {
    const deadline = setTimeout(() => {
      if (connection.answering !== 'held_open') socket.destroy();
    }, this.#limits.patienceMs);
    const connection: Connection = { socket, deadline, waiting: [], answering: 'nothing', isClosing: false };
    this.#open.add(connection);
    socket.once('close', () => {
      clearTimeout(deadline);
      this.#open.delete(connection);
    });
    socket.on('error', () => socket.destroy());
    // After the last answer: the client need not close its side.
    socket.once('finish', () => socket.destroy());
    if (this.#open.size > this.#limits.maxConnections) this.#nextToEvict().socket.destroy();
    await this.#turn();
    if (socket.destroyed) return;
    const readable = Readable.from(this.#slicesOf(connection), { objectMode: false });
    const stream = Duplex.from({ readable, writable: socket });
    // Node listens only as long as it speaks HTTP on it, and destroys it after a CONNECT: nobody else may be left to hear that.
    stream.on('error', () => socket.destroy());
    this.#connections.set(stream, connection);
    this.#http.emit('connection', stream);
  }

  /** Of the address that has most connections, so that others get in while one client hoards. */
  #nextToEvict(): Connection {
    const byAddress = Map.groupBy(this.#open, ({ socket }) => socket.remoteAddress);
    const [most] = [...byAddress.values()].sort((a, b) => b.length - a.length);
    return most![0]!;
  }

  /** Ends when the connection has closed: at the end of a stream Node gives up what it has not answered. */
  async *#slicesOf(connection: Connection): AsyncGenerator<Buffer> {
    const { socket } = connection;
    const { sliceBytes } = this.#limits;
    const closed = new Promise(resolve => socket.once('close', resolve));
    for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      for (let start = 0; start < chunk.length; start += sliceBytes) {
        await this.#turn();
        if (connection.isClosing) await closed;
        if (socket.destroyed) return;
        yield chunk.subarray(start, start + sliceBytes);
      }
    }
    await this.#turn();
    connection.isClosing = true;
    if (connection.answering === 'nothing') socket.end();
    // Nobody waits for the end of an answer that has none.
    if (connection.answering === 'held_open') socket.destroy();
    await closed;
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    const connection = this.#connections.get(request.socket)!;
    this.#open.delete(connection);
    this.#open.add(connection);
    if (connection.isClosing) return;
    const begin = () => this.#begin(connection, request, response);
    if (connection.answering === 'nothing') begin();
    else if (connection.waiting.length < this.#limits.maxWaiting) connection.waiting.push(begin);
    else connection.isClosing = true;
  }

  #begin(connection: Connection, request: IncomingMessage, response: ServerResponse): void {
    const { socket, deadline, waiting } = connection;
    connection.answering = 'in_time';
    deadline.refresh();
    response.once('close', () => {
      connection.answering = 'nothing';
      deadline.refresh();
      if (this.#stopped !== undefined || socket.destroyed) socket.destroy();
      else if (waiting.length > 0) waiting.shift()!();
      else if (connection.isClosing) socket.end();
    });
    this.#answer({
      ...{ request, response, from: socket.remoteAddress },
      holdOpen() {
        connection.answering = 'held_open';
      },
    });
  }
}

/** Lets one caller pass per turn of the event loop, in the order in which they came. */
function createTurnstile(): () => Promise<void> {
  let last: Promise<void> = Promise.resolve();
  return () => {
    last = last.then(() => nextTurn());
    return last;
  };
}
