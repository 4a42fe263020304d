import { Subscriber } from 'zeromq';

/** One PUB message: `[topic, sequence as 8 bytes big-endian, payload]`. */
export interface Published {
  readonly sequence: bigint;
  readonly payload: Uint8Array;
}

export interface SubscriptionOptions {
  /** `tcp://host:port`, IPv6 hosts in brackets. */
  readonly endpoint: string;
  /** Prefix of the topics wanted; '' for all. */
  readonly topic: string;
  readonly onMessage: (message: Published) => void;
  /** A message that is not one of ours. Not terminal: it is skipped. */
  readonly onMalformed: () => void;
}

export interface Subscription {
  /** No message is handed over after this is called. */
  stop(): Promise<void>;
}

/** ZMQ_RCVHWM: unlimited. libzmq drops silently above it, and a dropped message costs the whole holder. */
const RECEIVE_HIGH_WATER_MARK = 0;

/** Follows one publisher. libzmq connects, and connects again, by itself; the first connection need not succeed. */
export function subscribe(options: SubscriptionOptions): Subscription {
  const socket = new Subscriber({
    receiveHighWaterMark: RECEIVE_HIGH_WATER_MARK,
    linger: 0,
    ipv6: true,
    reconnectInterval: 100,
    reconnectMaxInterval: 5_000,
    tcpKeepalive: 1,
  });
  socket.connect(options.endpoint);
  socket.subscribe(options.topic);

  let stopped = false;
  const reading = (async () => {
    for await (const [, sequence, payload, ...more] of socket) {
      if (stopped) return;
      if (sequence?.length !== 8 || payload === undefined || more.length > 0) options.onMalformed();
      else options.onMessage({ sequence: sequence.readBigUInt64BE(), payload });
    }
  })();

  return {
    async stop() {
      stopped = true;
      socket.close();
      await reading;
    },
  };
}
