import { Subscriber } from 'zeromq';
import { readSequence } from './sequence.ts';

/** One PUB message: `[topic, sequence as 8 bytes big-endian, payload]`. */
export interface Published {
  readonly sequence: number;
  readonly payload: Uint8Array;
  /** Whether it lay in our queue: if not, we are not behind. */
  readonly waited: boolean;
}

/** `lost` follows `connected`; libzmq then connects again by itself. */
export type LinkEvent = 'connected' | 'lost';

export interface SubscriptionOptions {
  /** `tcp://host:port`, IPv6 hosts in brackets. */
  readonly endpoint: string;
  /** Prefix of the topics wanted; '' for all. */
  readonly topic: string;
  readonly onMessage: (message: Published) => void;
  /** A message that is not one of ours. Not terminal: it is skipped. */
  readonly onMalformed: () => void;
  readonly onLink?: (event: LinkEvent) => void;
  /** libzmq tries to connect again. */
  readonly onRetry?: () => void;
}

export interface Subscription {
  /** Nothing is handed over after this is called. */
  stop(): Promise<void>;
}

/**
 * ZMQ_RCVHWM, messages per publisher: what vLLM's own send side is set to (`hwm`). Above it libzmq drops silently, which
 * shows as a gap; the default of 1000 would be a second of one busy engine.
 */
const RECEIVE_HIGH_WATER_MARK = 100_000;

const SOCKET_OPTIONS = {
  receiveHighWaterMark: RECEIVE_HIGH_WATER_MARK,
  linger: 0,
  ipv6: true,
  tcpKeepalive: 1,
  // A publisher whose machine is gone says nothing, and neither does one with nothing to say: 10 s + 3 × 5 s tell.
  tcpKeepaliveIdle: 10,
  tcpKeepaliveInterval: 5,
  tcpKeepaliveCount: 3,
};

/**
 * Follows one publisher. libzmq connects, and connects again, by itself, after 0.1 s to 5 s, doubling and with jitter; the
 * first connection need not succeed.
 */
export function subscribe(options: SubscriptionOptions): Subscription {
  const { onMessage, onMalformed, onLink, onRetry } = options;
  const socket = new Subscriber({ ...SOCKET_OPTIONS, reconnectInterval: 100, reconnectMaxInterval: 5_000 });
  let stopped = false;
  if (onLink !== undefined) {
    let connected = false;
    const link = (now: boolean) => {
      if (stopped || now === connected) return;
      connected = now;
      onLink(now ? 'connected' : 'lost');
    };
    socket.events.on('handshake', () => link(true));
    socket.events.on('disconnect', () => link(false));
  }
  if (onRetry !== undefined) {
    socket.events.on('connect:retry', () => {
      if (!stopped) onRetry();
    });
  }
  socket.connect(options.endpoint);
  socket.subscribe(options.topic);
  const reading = read(
    socket,
    () => stopped,
    (_topic, message) => {
      if (message === undefined) onMalformed();
      else onMessage(message);
    },
  );
  return {
    async stop() {
      stopped = true;
      socket.close();
      await reading;
    },
  };
}

export interface BoundSubscriptionOptions {
  /** `tcp://*:5557`; port `*` lets the system choose. */
  readonly address: string;
  /** Prefix of the topics wanted; '' for all. */
  readonly topic: string;
  readonly onMessage: (topic: string, message: Published) => void;
  readonly onMalformed: () => void;
}

export interface BoundSubscription extends Subscription {
  readonly port: number;
}

/** Lets publishers dial us: many on one socket, told apart by their topics. Rejects if the port is taken. */
export async function bindSubscriber(options: BoundSubscriptionOptions): Promise<BoundSubscription> {
  const { onMessage, onMalformed } = options;
  const socket = new Subscriber(SOCKET_OPTIONS);
  try {
    await socket.bind(options.address);
  } catch (error) {
    socket.close();
    throw error;
  }
  socket.subscribe(options.topic);
  let stopped: Promise<void> | undefined;
  const endpoint = socket.lastEndpoint!;
  const reading = read(
    socket,
    () => stopped !== undefined,
    (topic, message) => {
      if (message === undefined) onMalformed();
      else onMessage(topic, message);
    },
  );
  const release = async () => {
    // The port is free only then. Not by `unbind`: libzmq 4.3.5 aborts the process if a peer disconnects meanwhile.
    const ended = new Promise<void>(resolve => socket.events.on('end', () => resolve()));
    socket.close();
    await Promise.all([ended, reading]);
  };
  return {
    port: Number(endpoint.slice(endpoint.lastIndexOf(':') + 1)),
    stop() {
      stopped ??= release();
      return stopped;
    },
  };
}

/**
 * Gives the memory of a payload back to libzmq. Left to the garbage collector, payloads pile up beside its heap, where they make
 * it run often, and for milliseconds.
 */
export function giveBack({ buffer, byteLength }: Uint8Array): void {
  // A small payload was copied, perhaps into memory that it shares with others.
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}

async function read(
  socket: Subscriber,
  isOver: () => boolean,
  onFrames: (topic: string, message: Published | undefined) => void,
): Promise<void> {
  for (;;) {
    const waited = !socket.closed && socket.readable;
    const frames = await receive(socket);
    if (frames === undefined || isOver()) return;
    const [topic, sequenceFrame, payload, ...more] = frames;
    const sequence = readSequence(sequenceFrame);
    onFrames(
      topic!.toString(),
      sequence === undefined || payload === undefined || more.length > 0
        ? undefined
        : { sequence, payload, waited },
    );
  }
}

/** undefined: the socket is closed. */
async function receive(socket: Subscriber): Promise<Buffer[] | undefined> {
  try {
    return await socket.receive();
  } catch (error) {
    if (socket.closed) return undefined;
    throw error;
  }
}
