import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { EventEncoding } from '../../src/simulator/event-encoding.ts';
import type { FromPublisher, ToPublisher } from './publisher.ts';

export class PublisherProcess {
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  static async start(encoding: EventEncoding): Promise<PublisherProcess> {
    const child = fork(new URL('./publisher.ts', import.meta.url), [encoding]);
    const [{ port }] = (await once(child, 'message')) as [FromPublisher];
    return new PublisherProcess(child, port);
  }

  publish(order: ToPublisher): void {
    this.#child.send(order);
  }

  async stop(): Promise<void> {
    const gone = once(this.#child, 'exit');
    this.#child.disconnect();
    await gone;
  }
}
