/**
 * A forwarder of an event stream, with real sockets at both ends, that does to messages what networks and queues do: it
 * loses, repeats, delays and reorders them, and its far side can be cut off.
 */
import { Subscriber, XPublisher } from 'zeromq';
import { TcpSwitch } from './tcp-switch.ts';

/** Chances, of each message. */
export interface LinkRates {
  readonly lose: number;
  readonly repeat: number;
  /** With all that follow it, for a while; then all go on in order. */
  readonly delay: number;
  /** It alone is overtaken by others. */
  readonly reorder: number;
}

export const FAITHFUL: LinkRates = { lose: 0, repeat: 0, delay: 0, reorder: 0 };

export interface LossyLinkOptions {
  readonly rates: LinkRates;
  /** 0 up to 1. */
  readonly random: () => number;
  /** This message will not arrive, or not in its time. */
  readonly onDisturbed: (sequence: number) => void;
}

type Frames = readonly [topic: Buffer, sequence: Buffer, payload: Buffer];

/** Most messages that a delay lasts, or that overtake one. */
const MOST_LATE = 40;

export class LossyLink {
  readonly counts = { carried: 0, lost: 0, repeated: 0, delayed: 0, reordered: 0, cuts: 0 };
  readonly #options: LossyLinkOptions;
  readonly #far: XPublisher;
  readonly #wire: TcpSwitch;
  readonly #noticing: Promise<void>;
  readonly #reading = new Set<Promise<void>>();
  #near: Subscriber | undefined;
  #sending: Promise<unknown> = Promise.resolve();
  #rates: LinkRates;
  #state: 'cut' | 'through' = 'cut';
  /** A new one may come before the old one has gone. */
  #subscribers = 0;
  #changed = Promise.withResolvers<void>();
  #delayed: { left: number; readonly messages: Frames[] } | undefined;
  #overtaken: { left: number; readonly message: Frames }[] = [];

  private constructor(options: LossyLinkOptions, far: XPublisher, wire: TcpSwitch) {
    this.#options = options;
    this.#rates = options.rates;
    this.#far = far;
    this.#wire = wire;
    this.#noticing = this.#notice();
  }

  /** Nobody can connect before `join`. */
  static async start(options: LossyLinkOptions): Promise<LossyLink> {
    const far = new XPublisher({ linger: 0, sendHighWaterMark: 0, verbosity: 'allSubsUnsubs' });
    await far.bind('tcp://127.0.0.1:*');
    const wire = await TcpSwitch.listen(Number(far.lastEndpoint!.split(':').at(-1)));
    wire.set('refuse');
    return new LossyLink(options, far, wire);
  }

  /** Where the stream comes out. */
  get port(): number {
    return this.#wire.port;
  }

  /** Whether what is sent now has somebody to come to. */
  get joined(): boolean {
    return this.#state === 'through' && this.#subscribers > 0;
  }

  /** Resolves when that may have changed. */
  changed(): Promise<void> {
    return this.#changed.promise;
  }

  /** Listens to this port, from soon after this resolves; nothing is carried before `join`. */
  async attach(port: number): Promise<void> {
    const near = new Subscriber({ linger: 0, receiveHighWaterMark: 0, reconnectInterval: 10 });
    const shaken = new Promise<void>(resolve => near.events.on('handshake', () => resolve()));
    near.connect(`tcp://127.0.0.1:${port}`);
    near.subscribe('');
    this.#near = near;
    const reading = this.#read(near);
    this.#reading.add(reading);
    void reading.finally(() => this.#reading.delete(reading));
    await shaken;
  }

  /** As when the publisher dies: the far side loses its connection, too. */
  detach(): void {
    this.cut();
    this.#near?.close();
    this.#near = undefined;
  }

  /** Whatever is on its way is lost, and what comes until `join`. */
  cut(): void {
    this.#wire.set('refuse');
    this.#wire.sever();
    this.#become('cut');
    for (const message of this.#takeLate()) this.#lose(message);
  }

  join(): void {
    this.#wire.set('through');
    this.#become('through');
  }

  setRates(rates: LinkRates): void {
    this.#rates = rates;
  }

  /** From now on faithful; what was delayed goes out first. */
  heal(): void {
    this.#rates = FAITHFUL;
    for (const message of this.#takeLate()) this.#send(message);
  }

  async close(): Promise<void> {
    this.detach();
    await Promise.all(this.#reading);
    await this.#sending;
    await this.#wire.close();
    this.#far.close();
    await this.#noticing;
  }

  async #read(near: Subscriber): Promise<void> {
    for await (const frames of near) {
      if (near !== this.#near) return;
      this.#carry(frames as unknown as Frames);
    }
  }

  async #notice(): Promise<void> {
    for await (const [notice] of this.#far) {
      this.#subscribers += notice![0] === 1 ? 1 : -1;
      this.#tell();
    }
  }

  #become(state: 'cut' | 'through'): void {
    if (state === 'cut' && this.#state !== 'cut') this.counts.cuts++;
    this.#state = state;
    this.#tell();
  }

  #tell(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  #carry(message: Frames): void {
    const { lose, repeat, delay, reorder } = this.#rates;
    const { random } = this.#options;
    const soon = () => 1 + Math.floor(random() * MOST_LATE);
    if (this.#state === 'cut' || random() < lose) {
      this.#lose(message);
      return;
    }
    if (this.#delayed === undefined && random() < delay) this.#delayed = { left: soon(), messages: [] };
    if (this.#delayed !== undefined) {
      this.counts.delayed++;
      this.#options.onDisturbed(sequenceOf(message));
      this.#delayed.messages.push(message);
      if (--this.#delayed.left === 0) this.#release();
      return;
    }
    if (random() < reorder) {
      this.counts.reordered++;
      this.#options.onDisturbed(sequenceOf(message));
      this.#overtaken.push({ left: soon(), message });
      return;
    }
    this.#send(message);
    if (random() < repeat) {
      this.counts.repeated++;
      // At once, or when it has long been overtaken.
      if (random() < 0.8) this.#send(message);
      else this.#overtaken.push({ left: soon(), message });
    }
    for (const each of this.#overtaken) if (--each.left === 0) this.#send(each.message);
    this.#overtaken = this.#overtaken.filter(({ left }) => left > 0);
  }

  #release(): void {
    const { messages = [] } = this.#delayed ?? {};
    this.#delayed = undefined;
    for (const message of messages) this.#send(message);
  }

  #takeLate(): Frames[] {
    const late = [...this.#overtaken.map(({ message }) => message), ...(this.#delayed?.messages ?? [])];
    this.#overtaken = [];
    this.#delayed = undefined;
    return late;
  }

  #lose(message: Frames): void {
    this.counts.lost++;
    this.#options.onDisturbed(sequenceOf(message));
  }

  #send(message: Frames): void {
    this.counts.carried++;
    if (!this.joined) this.#options.onDisturbed(sequenceOf(message));
    // One at a time; a socket that was closed meanwhile has nobody left to tell.
    this.#sending = this.#sending.then(() => this.#far.send([...message])).catch(() => {});
  }
}

function sequenceOf([, sequence]: Frames): number {
  return Number(sequence.readBigUInt64BE());
}
