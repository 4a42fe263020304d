import type { EventEncoding } from '../../src/simulator/event-encoding.ts';
import { ForkedProgram } from '../support/forked-program.ts';
import { cpuSeconds, secondsNow } from './clock.ts';
import type { ToPublisher } from './publisher.ts';
import type { Workload } from './workload.ts';

export interface Received {
  /** From when the first batch was visible to when the last one was. */
  readonly seconds: number;
  /** Of each batch, in milliseconds: from right before it was sent until it was visible. */
  readonly lags: Float64Array;
}

export interface Receiving {
  /** Resolves when the next `batches` are visible; rejects if anything is lost or not understood. */
  receive(batches: number): Promise<Received>;
  stop(): Promise<void>;
}

export interface Run extends Received {
  /** Of CPU time of this process, all its threads. */
  readonly cpuSeconds: number;
}

const PUBLISHER = new URL('./publisher.ts', import.meta.url);

/** Somebody who receives, and an engine in a process of its own that publishes to them. */
export class Session<R extends Receiving> {
  readonly receiver: R;
  readonly #publisher: ForkedProgram;

  private constructor(receiver: R, publisher: ForkedProgram) {
    this.receiver = receiver;
    this.#publisher = publisher;
  }

  /** The cache is full when this resolves. */
  static async start<R extends Receiving>(
    encoding: EventEncoding,
    { fill }: Workload,
    receiverAt: (port: number) => R,
  ): Promise<Session<R>> {
    const publisher = await ForkedProgram.start(PUBLISHER, [encoding]);
    const receiver = receiverAt(publisher.port);
    await receiver.receive(fill.length);
    return new Session(receiver, publisher);
  }

  /** What is published next, and what receiving it costs. */
  async run(order: ToPublisher): Promise<Run> {
    const before = cpuSeconds();
    const received = this.receiver.receive(order.batches);
    this.#publisher.send(order);
    return { ...(await received), cpuSeconds: cpuSeconds() - before };
  }

  async stop(): Promise<void> {
    await this.receiver.stop();
    await this.#publisher.stop();
  }
}

/** Counts what becomes visible. */
export class Arrivals {
  #batches = 0;
  #firstAt = 0;
  #lags = new Float64Array(0);
  #all = Promise.withResolvers<void>();

  async next(batches: number): Promise<Received> {
    this.#batches = 0;
    this.#lags = new Float64Array(batches);
    this.#all = Promise.withResolvers();
    await this.#all.promise;
    return { seconds: secondsNow() - this.#firstAt, lags: this.#lags };
  }

  add(lagSeconds: number): void {
    if (this.#batches === 0) this.#firstAt = secondsNow();
    this.#lags[this.#batches++] = 1_000 * lagSeconds;
    if (this.#batches === this.#lags.length) this.#all.resolve();
  }

  fail(why: string): void {
    this.#all.reject(new Error(why));
  }
}
