/** Publishes KV-cache events as vLLM's ZmqEventPublisher does: PUB for the live stream, ROUTER for replay. */
import { Publisher, Router } from 'zeromq';
import { closeBound } from './bound-socket.ts';
import { type EventShape, encodeBatch } from './event-encoding.ts';
import type { CacheEvent } from './kv-cache.ts';

export interface EventPublisherOptions {
  readonly host: string;
  /** 0 lets the system choose; 'off' publishes nothing. */
  readonly port: number | 'off';
  /** 0 lets the system choose; 'off' is vLLM's default: no replay. */
  readonly replayPort: number | 'off';
  readonly topic: string;
  /** Batches kept for replay; vLLM's `buffer_steps`. */
  readonly bufferSteps: number;
  readonly shape: EventShape;
}

const SEND_HIGH_WATER_MARK = 100_000;
/** -1 as 8 bytes: the sequence number of the message that ends a replay. */
const END_OF_REPLAY = Buffer.alloc(8, 0xff);
const EMPTY = Buffer.alloc(0);

interface Step {
  readonly sequence: bigint;
  readonly payload: Buffer;
}

export class EventPublisher {
  readonly #options: EventPublisherOptions;
  readonly #publisher = new Publisher({ sendHighWaterMark: SEND_HIGH_WATER_MARK, linger: 0 });
  readonly #router = new Router({ sendHighWaterMark: SEND_HIGH_WATER_MARK, linger: 0 });
  readonly #topic: Buffer;
  #buffer: Step[] = [];
  #nextSequence = 0n;
  #sending: Promise<unknown> = Promise.resolve();
  #replaying: Promise<void> = Promise.resolve();
  #port: number | undefined;
  #replayPort: number | undefined;

  private constructor(options: EventPublisherOptions) {
    this.#options = options;
    this.#topic = Buffer.from(options.topic);
  }

  /** Binds both sockets. Rejects with zeromq's error if a port is taken. */
  static async start(options: EventPublisherOptions): Promise<EventPublisher> {
    const publisher = new EventPublisher(options);
    try {
      const { host, port, replayPort } = options;
      if (port !== 'off') publisher.#port = await bind(publisher.#publisher, host, port);
      if (replayPort !== 'off') {
        publisher.#replayPort = await bind(publisher.#router, host, replayPort);
        publisher.#replaying = publisher.#answerReplays();
      }
      return publisher;
    } catch (error) {
      await publisher.close();
      throw error;
    }
  }

  /** Undefined if switched off. */
  get port(): number | undefined {
    return this.#port;
  }

  get replayPort(): number | undefined {
    return this.#replayPort;
  }

  /** Sends one batch: frames `[topic, sequence u64 big-endian, payload]`. Nothing is sent for no events. */
  publish(timestampSeconds: number, events: readonly CacheEvent[]): void {
    if (events.length === 0 || this.#port === undefined) return;
    const payload = encodeBatch(this.#options.shape, timestampSeconds, events);
    const step: Step = { sequence: this.#nextSequence++, payload };
    this.#buffer.push(step);
    // Dropping the old half at once keeps this O(1) per batch; replay looks at the newest `bufferSteps` only.
    if (this.#buffer.length >= 2 * this.#options.bufferSteps) this.#buffer = this.#kept();
    // One send at a time, in order; a socket that was closed meanwhile has nobody left to tell.
    this.#sending = this.#sending
      .then(() => this.#publisher.send([this.#topic, sequenceFrame(step.sequence), payload]))
      .catch(() => {});
  }

  async close(): Promise<void> {
    await this.#sending;
    await Promise.all([closeBound(this.#publisher), closeBound(this.#router)]);
    await this.#replaying;
  }

  #kept(): Step[] {
    return this.#buffer.slice(Math.max(0, this.#buffer.length - this.#options.bufferSteps));
  }

  async #answerReplays(): Promise<void> {
    for await (const frames of this.#router) {
      const [peer, delimiter, start] = frames;
      // vLLM warns and does not answer anything but [identity, "", start].
      if (frames.length !== 3 || peer === undefined || start === undefined || delimiter?.length !== 0)
        continue;
      try {
        await this.#replay(peer, BigInt(`0x0${start.toString('hex')}`));
      } catch {
        // The peer has gone or the socket is closed; there is nobody to tell.
      }
    }
  }

  /** Since vLLM #45177 (0.26) each message carries the topic before the sequence number; earlier ones do not. */
  async #replay(peer: Buffer, start: bigint): Promise<void> {
    const withTopic = this.#options.shape.encoding === 'map';
    for (const { sequence, payload } of this.#kept()) {
      if (sequence < start) continue;
      const topic = withTopic ? [this.#topic] : [];
      await this.#router.send([peer, EMPTY, ...topic, sequenceFrame(sequence), payload]);
    }
    await this.#router.send([peer, EMPTY, ...(withTopic ? [EMPTY] : []), END_OF_REPLAY, EMPTY]);
  }
}

async function bind(socket: Publisher | Router, host: string, port: number): Promise<number> {
  await socket.bind(`tcp://${host}:${port === 0 ? '*' : port}`);
  return Number(socket.lastEndpoint!.slice(socket.lastEndpoint!.lastIndexOf(':') + 1));
}

function sequenceFrame(sequence: bigint): Buffer {
  const frame = Buffer.alloc(8);
  frame.writeBigUInt64BE(sequence);
  return frame;
}
