import { Subscriber } from 'zeromq';
import { secondsNow } from './clock.ts';
import { Arrivals, type Received, type Receiving } from './session.ts';
import { TIME_OFFSET } from './workload.ts';

/** Takes messages from a socket, and does nothing with them but to look at their time. */
export class BareSubscriber implements Receiving {
  readonly #socket = new Subscriber({ receiveHighWaterMark: 0, linger: 0 });
  readonly #arrivals = new Arrivals();
  readonly #reading: Promise<void>;

  constructor(port: number) {
    this.#socket.connect(`tcp://127.0.0.1:${port}`);
    this.#socket.subscribe('');
    this.#reading = this.#read();
  }

  receive(batches: number): Promise<Received> {
    return this.#arrivals.next(batches);
  }

  async stop(): Promise<void> {
    this.#socket.close();
    await this.#reading;
  }

  async #read(): Promise<void> {
    // Ends when the socket is closed.
    for await (const [, , payload] of this.#socket) {
      this.#arrivals.add(secondsNow() - payload!.readDoubleBE(TIME_OFFSET));
    }
  }
}
