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
    const { port } = await messageOf<{ readonly port: number }>(child);
    return new ForkedProgram(child, port);
  }

  send(message: object | string): void {
    this.#child.send(message);
  }

  /** What it says next. Rejects if it ends first. */
  answer<T>(): Promise<T> {
    return messageOf(this.#child);
  }

  async stop(): Promise<void> {
    const gone = once(this.#child, 'exit');
    this.#child.disconnect();
    await gone;
  }
}

async function messageOf<T>(child: ChildProcess): Promise<T> {
  const over = new AbortController();
  const ended = once(child, 'exit', over).then(([code]) => {
    throw new Error(`${child.spawnargs.at(-1)} has ended with ${code}`);
  });
  try {
    const [message] = (await Promise.race([once(child, 'message', over), ended])) as [T];
    return message;
  } finally {
    over.abort();
    ended.catch(() => {});
  }
}
