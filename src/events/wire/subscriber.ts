import { Backoff } from '../../time.ts';
import { type Connection, type ConnectionEnd, dial } from './connection.ts';
import { endpointParts } from './endpoint.ts';
import { type Published, readPublished, type UnreadableMessage } from './published.ts';
import { ITEM_BYTES, Lane, MAX_LIVE_BYTES } from './turns.ts';
import type { Wire } from './wire.ts';
import { isFault } from './wire-reader.ts';
import { subscription } from './zmtp.ts';

/** `lost` follows `connected`; then it is tried again. */
export type LinkEvent = 'connected' | 'lost';

export interface SubscriptionOptions {
  /** `tcp://host:port`, IPv6 hosts in brackets. */
  readonly endpoint: string;
  /** Prefix of the topics wanted; '' for all. */
  readonly topic: string;
  readonly wire: Wire;
  readonly onMessage: (message: Published) => void;
  readonly onUnreadable: (why: UnreadableMessage) => void;
  readonly onLink?: (event: LinkEvent) => void;
  /** There is no connection, and another one will be tried. */
  readonly onRetry?: (why: ConnectionEnd) => void;
}

export interface Subscription {
  /** Nothing is handed over after this is called. */
  stop(): void;
}

/** The first and the longest pause before another try. */
const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 5_000;
/** Timers of equal length cost Node next to nothing, and a thousand different ones a tenth of a millisecond each to clear. */
const ROUNDED_MS = 50;

type Item =
  | { readonly kind: 'dial' }
  | { readonly kind: 'message'; readonly message: Published }
  | { readonly kind: 'unreadable'; readonly why: UnreadableMessage }
  | { readonly kind: 'link'; readonly event: LinkEvent }
  | { readonly kind: 'retry'; readonly why: ConnectionEnd };

/**
 * Follows one publisher. The first connection need not succeed: another one is tried after 0.1 s to 5 s, doubling and with jitter.
 * Whatever happens is handed over in the order of the wire.
 */
export function subscribe(options: SubscriptionOptions): Subscription {
  const { topic, onMessage, onUnreadable, onLink, onRetry } = options;
  const { host, port } = endpointParts(options.endpoint);
  let connection: Connection | undefined;
  let retry: NodeJS.Timeout | undefined;
  const backoff = new Backoff({ firstMs: FIRST_RETRY_MS, maxMs: LAST_RETRY_MS });
  const lane = new Lane<Item>(options.wire.turns, {
    maxBytes: MAX_LIVE_BYTES,
    onRoom: () => connection?.resume(),
    handle: item => {
      switch (item.kind) {
        case 'dial':
          connect();
          break;
        case 'message':
          onMessage(item.message);
          break;
        case 'unreadable':
          onUnreadable(item.why);
          break;
        case 'link':
          onLink?.(item.event);
          break;
        case 'retry':
          onRetry?.(item.why);
      }
    },
  });
  const add = (item: Item, bytes = 0) => lane.push(item, bytes + ITEM_BYTES);

  function connect(): void {
    let isReady = false;
    connection = dial(host, port, {
      ...{ socketType: 'SUB', limits: options.wire.limits, budget: options.wire.budget },
      onReady() {
        isReady = true;
        connection?.send(subscription(topic));
        add({ kind: 'link', event: 'connected' });
      },
      onMessage(frames, bytes) {
        const message = readPublished(frames, lane.length > 0);
        if (message === undefined) add({ kind: 'unreadable', why: 'unexpected_frames' }, bytes);
        else add({ kind: 'message', message }, bytes);
        backoff.reset();
        if (!lane.hasRoom) connection?.pause();
      },
      onEnd(why) {
        connection = undefined;
        if (isFault(why)) add({ kind: 'unreadable', why });
        if (isReady) add({ kind: 'link', event: 'lost' });
        add({ kind: 'retry', why });
        retry = setTimeout(() => add({ kind: 'dial' }), Math.ceil(backoff.next() / ROUNDED_MS) * ROUNDED_MS);
      },
    });
  }
  // Thousands of publishers are not dialled in one turn.
  add({ kind: 'dial' });
  return {
    stop() {
      clearTimeout(retry);
      connection?.close();
      lane.close();
    },
  };
}
