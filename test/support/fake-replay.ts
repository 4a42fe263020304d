/** The ROUTER side of a replay, which answers as a test says. */
import { Router } from 'zeromq';
import { sequenceFrame } from './fake-publisher.ts';
import { Inbox } from './inbox.ts';

/** What a publisher of some version sends after the frame that names its peer. */
export const SHAPES = {
  'vLLM 0.23': {
    batch: (sequence: number, payload: Uint8Array) => ['', sequenceFrame(BigInt(sequence)), payload],
    end: ['', Buffer.alloc(8, 0xff), ''],
  },
  'vLLM 0.32': {
    batch: (sequence: number, payload: Uint8Array) => ['', 'topic', sequenceFrame(BigInt(sequence)), payload],
    end: ['', '', Buffer.alloc(8, 0xff), ''],
  },
  'the oldest vLLM': {
    batch: (sequence: number, payload: Uint8Array) => ['', sequenceFrame(BigInt(sequence)), payload],
    end: ['', ''],
  },
} as const;
export type Shape = (typeof SHAPES)[keyof typeof SHAPES];

export class FakeReplay {
  readonly port: number;
  readonly endpoint: string;
  readonly #socket: Router;
  /** Of each request: who asked, and the frames behind that. */
  readonly requests = new Inbox<{ readonly peer: Buffer; readonly frames: readonly Buffer[] }>();
  readonly #reading: Promise<void>;

  private constructor(socket: Router) {
    this.#socket = socket;
    this.endpoint = socket.lastEndpoint!;
    this.port = Number(this.endpoint.split(':').at(-1));
    this.#reading = this.#read();
  }

  /** Port 0 lets the system choose. */
  static async bind(port = 0): Promise<FakeReplay> {
    const socket = new Router({ linger: 0, sendHighWaterMark: 0 });
    await socket.bind(`tcp://127.0.0.1:${port === 0 ? '*' : port}`);
    return new FakeReplay(socket);
  }

  /** Resolves to the first sequence that the next request asks for, and the way to answer it. */
  async asked() {
    const { peer, frames } = await this.requests.next();
    return {
      from: Number(frames[1]!.readBigUInt64BE()),
      send: (answer: readonly (string | Uint8Array)[]) =>
        this.#socket.send([peer, ...answer.map(frame => Buffer.from(frame as Uint8Array))]),
    };
  }

  async close(): Promise<void> {
    const ended = new Promise<void>(resolve => this.#socket.events.on('end', () => resolve()));
    this.#socket.close();
    await Promise.all([ended, this.#reading]);
  }

  async #read(): Promise<void> {
    for await (const [peer, ...frames] of this.#socket) this.requests.push({ peer: peer!, frames });
  }
}
