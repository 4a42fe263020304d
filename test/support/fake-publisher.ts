/** The PUB side of an engine's event stream, which knows when somebody has joined or left. */
import { XPublisher } from 'zeromq';
import { closeBound } from '../../src/simulator/bound-socket.ts';
import { freePort } from './free-port.ts';

export class FakePublisher {
  /** Its own, or the one that it dialled. */
  readonly port: number;
  readonly #socket: XPublisher;
  readonly #release: (socket: XPublisher) => unknown;
  #sequence = 0n;

  private constructor(socket: XPublisher, release: (socket: XPublisher) => unknown) {
    this.#socket = socket;
    this.#release = release;
    this.port = Number(socket.lastEndpoint!.split(':').at(-1));
  }

  /**
   * As an engine whose endpoint names a host: it connects to the subscriber.
   * @param from an address of this machine
   */
  static dial(port: number, from: '127.0.0.1' | '127.0.0.2' | '::1' = '127.0.0.1'): FakePublisher {
    const socket = new XPublisher({ linger: 0, sendHighWaterMark: 0, ipv6: from === '::1' });
    socket.connect(from === '::1' ? `tcp://[::1]:${port}` : `tcp://${from}:0;127.0.0.1:${port}`);
    return new FakePublisher(socket, () => socket.close());
  }

  /** On a port that is still free when it comes back to it. Rejects if the given one is taken. */
  static async bind(port?: number): Promise<FakePublisher> {
    port ??= await freePort();
    const socket = new XPublisher({ linger: 0, sendHighWaterMark: 0 });
    try {
      await socket.bind(`tcp://127.0.0.1:${port}`);
    } catch (error) {
      socket.close();
      throw error;
    }
    return new FakePublisher(socket, closeBound);
  }

  /** Publishers on consecutive ports, as the data-parallel ranks of one engine. */
  static async bindRanks(ranks: number): Promise<FakePublisher[]> {
    for (;;) {
      const bound = [await FakePublisher.bind()];
      try {
        while (bound.length < ranks) bound.push(await FakePublisher.bind(bound[0]!.port + bound.length));
        return bound;
      } catch {
        for (const publisher of bound) await publisher.close();
      }
    }
  }

  /** Resolves to the topic when somebody has subscribed to a topic that nobody else had. */
  async joined(): Promise<string> {
    return this.#notice(1);
  }

  /** Resolves to the topic when its last subscriber has gone. */
  async left(): Promise<string> {
    return this.#notice(0);
  }

  /** Sends one message with the next sequence number, or the one given, from where it goes on. */
  async publish(payload: Uint8Array, { sequence = this.#sequence, topic = '' } = {}): Promise<void> {
    this.#sequence = sequence + 1n;
    await this.send([topic, sequenceFrame(sequence), payload]);
  }

  async send(frames: (string | Uint8Array)[]): Promise<void> {
    await this.#socket.send(frames.map(frame => Buffer.from(frame as Uint8Array)));
  }

  /** Resolves when its own port, if it has one, is free again. */
  async close(): Promise<void> {
    await this.#release(this.#socket);
  }

  async #notice(kind: 0 | 1): Promise<string> {
    for (;;) {
      const [notice] = await this.#socket.receive();
      if (notice![0] === kind) return notice!.subarray(1).toString();
    }
  }
}

export function sequenceFrame(sequence: bigint): Buffer {
  const frame = Buffer.alloc(8);
  frame.writeBigUInt64BE(sequence);
  return frame;
}
