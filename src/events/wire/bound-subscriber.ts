import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { canonicalAddress } from './address.ts';
import { accept, type Connection } from './connection.ts';
import { endpointParts } from './endpoint.ts';
import { type Published, readPublished, type UnreadableMessage } from './published.ts';
import { ITEM_BYTES, Lane, MAX_LIVE_BYTES } from './turns.ts';
import type { Wire } from './wire.ts';
import { isFault } from './wire-reader.ts';
import { subscription } from './zmtp.ts';

export interface BoundSubscriptionOptions {
  /** `tcp://*:5557`, or an address of this machine; port `*` lets the system choose. */
  readonly endpoint: string;
  /** Prefix of the topics wanted; '' for all. */
  readonly topic: string;
  readonly wire: Wire;
  /** @param from the sender's address, as `canonicalAddress` writes it */
  readonly onMessage: (topic: string, message: Published, from: string, caller: Caller) => void;
  readonly onUnreadable: (why: UnreadableMessage, from: string) => void;
  /** The connection has ended, and all that it brought was handed over. */
  readonly onEnd?: (caller: Caller) => void;
}

/** One connection of a publisher. */
export interface Caller {
  /** In the order of their coming, of all ports. */
  readonly number: number;
}

let callers = 0;

export interface BoundSubscription {
  readonly port: number;
  /** Nothing is handed over after this is called; the port is free when it resolves. */
  stop(): Promise<void>;
}

/** Above it connections are closed at once. */
const MAX_CONNECTIONS = 4_096;
/** Topics are names; longer ones are nobody's. */
const MAX_TOPIC_BYTES = 1_024;

/** Lets publishers dial us, many on one port, distinguished by their topics. Rejects with the system's error if the port is taken. */
export async function bindSubscriber(options: BoundSubscriptionOptions): Promise<BoundSubscription> {
  const { host, port } = endpointParts(options.endpoint);
  const open = new Set<{ close(): void }>();
  const server = createServer(socket => {
    const publisher = follow(socket, options, () => open.delete(publisher));
    open.add(publisher);
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.listen({ port, ...(host !== '*' && { host }) });
  await once(server, 'listening');
  let stopped: Promise<unknown> | undefined;
  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      stopped ??= once(server.close(), 'close');
      for (const publisher of open) publisher.close();
      open.clear();
      await stopped;
    },
  };
}

function follow(socket: Socket, options: BoundSubscriptionOptions, onEnd: () => void): { close(): void } {
  const { topic, wire, onMessage, onUnreadable } = options;
  const caller = { number: callers++ };
  const from = canonicalAddress(socket.remoteAddress ?? '');
  const lane = new Lane<() => void>(wire.turns, {
    maxBytes: MAX_LIVE_BYTES,
    onRoom: () => connection.resume(),
    handle: item => item(),
  });
  const connection: Connection = accept(socket, {
    ...{ socketType: 'SUB', limits: wire.limits, budget: wire.budget },
    onReady: () => connection.send(subscription(topic)),
    onMessage(frames, bytes) {
      const message = readPublished(frames, lane.length > 0);
      const name = frames[0]!.length <= MAX_TOPIC_BYTES ? Buffer.from(frames[0]!).toString() : undefined;
      lane.push(
        message === undefined || name === undefined
          ? () => onUnreadable('unexpected_frames', from)
          : () => onMessage(name, message, from, caller),
        bytes + ITEM_BYTES,
      );
      if (!lane.hasRoom) connection.pause();
    },
    onEnd(why) {
      if (isFault(why)) lane.push(() => onUnreadable(why, from), ITEM_BYTES);
      // Behind what it has sent: until then a stop has to close the lane.
      lane.push(() => {
        onEnd();
        options.onEnd?.(caller);
      }, ITEM_BYTES);
    },
  });
  return {
    close() {
      connection.close();
      lane.close();
    },
  };
}
