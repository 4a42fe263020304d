/** A forwarder of replays, with real sockets at both ends, that leaves out messages and end markers as a full queue does. */
import { Dealer, Router } from 'zeromq';
import { TcpSwitch, type Wire } from './tcp-switch.ts';

export interface LossyReplayOptions {
  /** 0 up to 1. */
  readonly random: () => number;
}

export class LossyReplay {
  readonly counts = { lostOfReplays: 0 };
  readonly #random: () => number;
  readonly #far: Router;
  readonly #wire: TcpSwitch;
  readonly #answering: Promise<void>;
  readonly #forwarding = new Set<Promise<void>>();
  #lose = 0;
  #sending: Promise<unknown> = Promise.resolve();
  #port: number | undefined;
  #near: Dealer | undefined;

  private constructor({ random }: LossyReplayOptions, far: Router, wire: TcpSwitch) {
    this.#random = random;
    this.#far = far;
    this.#wire = wire;
    this.#answering = this.#answer();
  }

  static async start(options: LossyReplayOptions): Promise<LossyReplay> {
    const far = new Router({ linger: 0, sendHighWaterMark: 0 });
    await far.bind('tcp://127.0.0.1:*');
    const wire = await TcpSwitch.listen(Number(far.lastEndpoint!.split(':').at(-1)));
    return new LossyReplay(options, far, wire);
  }

  /** Where replays are asked for. */
  get port(): number {
    return this.#wire.port;
  }

  /** Replays come from this port from now on; without one there is no answer. Those under way do not end. */
  lead(port: number | undefined): void {
    this.#port = port;
    this.#near?.close();
  }

  /** Chance of each message. */
  setLoss(lose: number): void {
    this.#lose = lose;
  }

  /** Those under way break off. */
  set(wire: Wire): void {
    this.#wire.set(wire);
    this.#wire.sever();
  }

  async close(): Promise<void> {
    this.lead(undefined);
    await Promise.all(this.#forwarding);
    await this.#sending;
    await this.#wire.close();
    this.#far.close();
    await this.#answering;
  }

  async #answer(): Promise<void> {
    for await (const [peer, ...request] of this.#far) {
      // One replay at a time: the one before was evicted, and its publisher learns of it as if it had been asked directly.
      this.#near?.close();
      if (this.#port === undefined) continue;
      const near = new Dealer({ linger: 0, receiveHighWaterMark: 0 });
      near.connect(`tcp://127.0.0.1:${this.#port}`);
      this.#near = near;
      const forwarding = this.#forward(near, peer!, request);
      this.#forwarding.add(forwarding);
      void forwarding.finally(() => this.#forwarding.delete(forwarding));
    }
  }

  async #forward(near: Dealer, peer: Buffer, request: readonly Buffer[]): Promise<void> {
    await near.send([...request]);
    let first = true;
    for await (const frames of near) {
      // A queue that fills up has room for the first one.
      if (!first && this.#random() < this.#lose) this.counts.lostOfReplays++;
      // One at a time; a peer that has gone has nobody left to tell.
      else this.#sending = this.#sending.then(() => this.#far.send([peer, ...frames])).catch(() => {});
      first = false;
      // Only an end marker has an empty last frame.
      if (frames.at(-1)!.length > 0) continue;
      near.close();
    }
  }
}
