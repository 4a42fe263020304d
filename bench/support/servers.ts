/** Servers in processes of their own, so that their CPU time is theirs alone. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { ForkedProgram } from './forked-program.ts';

type FromServer = { readonly port: number } | { readonly cpuMicroseconds: number };

/** In the forked process: says which port it listens on, and its CPU time so far whenever it is asked. */
export function answerBench(port: number): void {
  const send = (message: FromServer) => process.send!(message);
  process.on('message', () => {
    const { user, system } = process.cpuUsage();
    send({ cpuMicroseconds: user + system });
  });
  process.on('disconnect', () => process.exit());
  send({ port });
}

/** One that calls `answerBench`. */
export class ForkedServer {
  readonly #program: ForkedProgram;

  private constructor(program: ForkedProgram) {
    this.#program = program;
  }

  static async start(program: URL, args: readonly string[] = []): Promise<ForkedServer> {
    return new ForkedServer(await ForkedProgram.start(program, args));
  }

  get port(): number {
    return this.#program.port;
  }

  async cpuMicroseconds(): Promise<number> {
    const answer = this.#program.answer<{ readonly cpuMicroseconds: number }>();
    this.#program.send('cpu');
    return (await answer).cpuMicroseconds;
  }

  stop(): Promise<void> {
    return this.#program.stop();
  }
}

/** A program that takes `floor -addr HOST:PORT -target HOST:PORT`, stays the process that it was started as, and answers as ours does. */
export class PeerServer {
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  /** @param target `host:port` of the pod that it always picks */
  static async start(program: string, target: string): Promise<PeerServer> {
    const port = await freePort();
    const args = ['floor', '-addr', `127.0.0.1:${port}`, '-target', target, '-parse', 'any'];
    const child = spawn(program, args, { stdio: 'ignore' });
    while (!(await accepts(port))) {
      if (child.exitCode !== null) throw new Error(`${program} has ended with ${child.exitCode}`);
      await setTimeout(100);
    }
    return new PeerServer(child, port);
  }

  async cpuMicroseconds(): Promise<number> {
    const stat = readFileSync(`/proc/${this.#child.pid}/stat`, 'utf8');
    // After the name in brackets, user and system time are the 12th and 13th field; see proc_pid_stat(5).
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * TICK_MICROSECONDS;
  }

  async stop(): Promise<void> {
    const gone = once(this.#child, 'exit');
    this.#child.kill();
    await gone;
  }
}

const TICK_MICROSECONDS = 10_000;

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { readonly port: number };
  server.close();
  await once(server, 'close');
  return port;
}

function accepts(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
