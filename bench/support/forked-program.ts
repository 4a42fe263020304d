import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

/** A module of ours in a process of its own. It says first which port it listens on, and ends when nobody listens to it. */
export class ForkedProgram {
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  /** @param flags of node */
  static async start(
    program: URL,
    args: readonly string[] = [],
    flags: readonly string[] = [],
  ): Promise<ForkedProgram> {
    const child = fork(program, args, { execArgv: [...flags] });
    const [{ port }] = (await once(child, 'message')) as [{ readonly port: number }];
    return new ForkedProgram(child, port);
  }

  send(message: object | string): void {
    this.#child.send(message);
  }

  /** What it says next. */
  async answer<T>(): Promise<T> {
    const [message] = (await once(this.#child, 'message')) as [T];
    return message;
  }

  async stop(): Promise<void> {
    const gone = once(this.#child, 'exit');
    this.#child.disconnect();
    await gone;
  }
}
