import { connect, type Socket } from 'node:net';
import {
  type PartialBudget,
  type WireFault,
  type WireItem,
  type WireLimits,
  WireReader,
} from './wire-reader.ts';
import { greeting, pong, ready, type SocketType } from './zmtp.ts';

/**
 * Why a connection ended: the system's error code (`ECONNREFUSED`, `EMFILE`), `ended` by the peer, `no_handshake` in time, or what
 * the peer did wrong.
 */
export type ConnectionEnd = WireFault | 'ended' | 'no_handshake' | (string & {});

export interface ConnectionOptions {
  readonly socketType: SocketType;
  readonly limits: WireLimits;
  readonly budget: PartialBudget;
  /** The handshake is done: what is sent from now on arrives. */
  readonly onReady: () => void;
  readonly onMessage: (frames: readonly Uint8Array[], bytes: number) => void;
  /** Once, unless it was closed by us. */
  readonly onEnd: (why: ConnectionEnd) => void;
}

export interface Connection {
  send(bytes: Uint8Array): void;
  /** Reads no more until `resume`; what is under way waits with the peer. */
  pause(): void;
  resume(): void;
  /** Nothing is handed over after this. */
  close(): void;
}

/** A peer whose machine is gone says nothing, and neither does one with nothing to say: the kernel asks after so much silence. */
const KEEP_ALIVE_MS = 10_000;
/** Answers that wait because the peer does not read. All that we ever say is shorter. */
const MAX_UNREAD_BYTES = 64 * 1024;
/**
 * One for all connections: what was read is copied out before the next read. A buffer for each read would be garbage beside the
 * heap, which makes the collector run for milliseconds.
 */
const READ_BUFFER = Buffer.allocUnsafeSlow(32 * 1024);

/** Connects to a publisher. Ends with an error code where there is none. */
export function dial(host: string, port: number, options: ConnectionOptions): Connection {
  let receive: (chunk: Uint8Array) => void = () => {};
  const callback = (length: number) => {
    receive(READ_BUFFER.subarray(0, length));
    return true;
  };
  const socket = connect({ host, port, noDelay: true, onread: { buffer: READ_BUFFER, callback } });
  return speak(socket, options, listener => {
    receive = listener;
  });
}

/** Speaks with a publisher that has connected to us. */
export function accept(socket: Socket, options: ConnectionOptions): Connection {
  socket.setNoDelay(true);
  return speak(socket, options, listener => socket.on('data', listener));
}

function speak(
  socket: Socket,
  { socketType, limits, budget, onReady, onMessage, onEnd }: ConnectionOptions,
  listen: (receive: (chunk: Uint8Array) => void) => void,
): Connection {
  const reader = new WireReader(limits, budget, take);
  const handshake = setTimeout(() => end('no_handshake'), limits.handshakeMs);
  let state: 'shaking_hands' | 'ready' | 'closed' = 'shaking_hands';

  function close(): void {
    state = 'closed';
    clearTimeout(handshake);
    reader.end();
    socket.destroy();
  }

  function end(why: ConnectionEnd): void {
    if (state === 'closed') return;
    close();
    onEnd(why);
  }

  function take(item: WireItem): void {
    switch (item.kind) {
      case 'greeting':
        socket.write(ready(socketType));
        break;
      case 'command':
        obey(item.name, item.body);
        break;
      case 'message':
        if (state === 'ready') onMessage(item.frames, item.bytes);
        else end('not_zmtp');
        break;
      case 'fault':
        end(item.why);
    }
  }

  function obey(name: string, body: Uint8Array): void {
    if (name === 'PING') {
      socket.write(pong(body));
      if (socket.writableLength > MAX_UNREAD_BYTES) end('not_zmtp');
    } else if (state === 'shaking_hands') {
      // ERROR among others: what we are is not what it serves.
      if (name === 'READY') {
        state = 'ready';
        clearTimeout(handshake);
        onReady();
      } else {
        end('not_zmtp');
      }
    }
  }

  socket.setKeepAlive(true, KEEP_ALIVE_MS);
  socket.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.name));
  socket.on('close', () => end('ended'));
  listen(chunk => reader.push(chunk));
  socket.write(greeting());
  return {
    send(bytes) {
      if (state !== 'closed') socket.write(bytes);
    },
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    close,
  };
}
