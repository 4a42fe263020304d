import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { EnvoyMessage } from './envoy-bootstrap.ts';

export { ENVOY_VERSION, EnvoyUnavailable, findEnvoy } from './envoy-binary.ts';
export {
  type Bootstrap,
  connectionManagerOf,
  type EnvoyMessage,
  extProcOf,
  renderBootstrap,
  runtimeOf,
  type Wiring,
} from './envoy-bootstrap.ts';

/** Envoy could not be started, or does not answer. `output` is all that it wrote. */
export class EnvoyFailed extends Error {
  override readonly name = 'EnvoyFailed';
  readonly output: string;
  constructor(reason: string, output: string) {
    super(`${reason}\n${output.slice(-4000)}`.trim());
    this.output = output;
  }
}

/** How Envoy ended: an exit code, or the signal that killed it. */
export interface EnvoyExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface StartEnvoyOptions {
  readonly binary: string;
  /** Listeners and admin on port 0, as `renderBootstrap` makes them. */
  readonly bootstrap: EnvoyMessage;
  /** Worker threads; each keeps connections of its own to the router. */
  readonly concurrency?: number;
  readonly logLevel?: 'trace' | 'debug' | 'info' | 'warning' | 'error' | 'critical' | 'off';
  /** Called if Envoy ends after it was ready and without being stopped. */
  readonly onExit?: (exit: EnvoyExit) => void;
  readonly readyTimeoutMs?: number;
  /** How long `stop` waits after SIGTERM before SIGKILL. */
  readonly stopTimeoutMs?: number;
  readonly sleep?: (ms: number) => Promise<unknown>;
  readonly now?: () => number;
}

/** One line of the access log, with the keys of `json_format`. */
export type AccessLogEntry = Readonly<Record<string, unknown>>;

export interface RunningEnvoy {
  readonly pid: number;
  readonly listenerPort: number;
  readonly adminPort: number;
  /** `http://127.0.0.1:<listenerPort>` */
  readonly url: string;
  /** Counters and gauges whose names match the regular expression. */
  stats(filter: string): Promise<Map<string, number>>;
  /** What has been logged so far; Envoy writes within 50 ms. */
  accessLog(): readonly AccessLogEntry[];
  /** The first entry that matches, logged already or in time to come. Rejects when Envoy ends before. */
  accessLogged(matches: (entry: AccessLogEntry) => boolean): Promise<AccessLogEntry>;
  /** Envoy's own log and other output so far, without the access log. */
  output(): string;
  /** Idempotent. Resolves when the process is gone and its files are removed. */
  stop(): Promise<void>;
}

/**
 * Starts Envoy and resolves when it is live. Throws {@link EnvoyFailed}; then nothing is left behind. However this process
 * ends, Envoy does not outlive it.
 */
export async function startEnvoy(options: StartEnvoyOptions): Promise<RunningEnvoy> {
  const { sleep = delay, now = () => performance.now() } = options;
  const folder = await mkdtemp(join(tmpdir(), 'warmroute-envoy-'));
  const adminAddressFile = join(folder, 'admin-address');
  const configFile = join(folder, 'bootstrap.json');
  let child: EnvoyProcess | undefined;
  const stop = async () => {
    await child?.stop(options.stopTimeoutMs ?? 5_000);
    await rm(folder, { recursive: true, force: true });
  };

  try {
    await writeFile(configFile, JSON.stringify(options.bootstrap));
    child = new EnvoyProcess(folder, options.binary, [
      ...['-c', configFile, '--admin-address-path', adminAddressFile, '--use-dynamic-base-id'],
      ...['--concurrency', String(options.concurrency ?? 1), '--log-level', options.logLevel ?? 'warning'],
      // Ten seconds by default, which a reader of the access log does not want to wait.
      ...['--file-flush-interval-msec', '50'],
    ]);
    const { readyTimeoutMs = 30_000 } = options;
    const deadline = now() + readyTimeoutMs;
    let admin: string | undefined;
    while (admin === undefined) {
      if (child.exit !== undefined) {
        throw new EnvoyFailed(`Envoy ended before it was ready: ${describeExit(child.exit)}`, child.output);
      }
      if (now() > deadline) {
        throw new EnvoyFailed(`Envoy was not ready after ${readyTimeoutMs} ms`, child.output);
      }
      admin = await liveAdmin(adminAddressFile);
      if (admin === undefined) await sleep(25);
    }
    return runningEnvoy(child, admin, await listenerPortOf(admin), stop, options.onExit);
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Runs `envoy --mode validate` on a file. Throws {@link EnvoyFailed} with Envoy's complaint. */
export async function validateBootstrap(binary: string, file: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const args = ['--mode', 'validate', '--log-level', 'warning', '-c', file];
    execFile(binary, args, { timeout: 60_000 }, (error, stdout, stderr) => {
      if (error === null) resolve();
      else reject(new EnvoyFailed(`Envoy does not accept ${file}`, `${stdout}${stderr}`));
    });
  });
}

function runningEnvoy(
  child: EnvoyProcess,
  admin: string,
  listenerPort: number,
  stop: () => Promise<void>,
  onExit: ((exit: EnvoyExit) => void) | undefined,
): RunningEnvoy {
  let stopped: Promise<void> | undefined;
  child.onExit(exit => {
    if (stopped === undefined) onExit?.(exit);
  });
  return {
    pid: child.pid,
    listenerPort,
    adminPort: Number(new URL(admin).port),
    url: `http://127.0.0.1:${listenerPort}`,
    stats: async filter => parseStats(await get(`${admin}/stats?filter=${encodeURIComponent(filter)}`)),
    accessLog: () => [...child.accessLog],
    accessLogged: matches => child.accessLogged(matches),
    output: () => child.output,
    stop: () => {
      stopped ??= stop();
      return stopped;
    },
  };
}

/** The process and what it writes: the access log on stdout, everything else on stderr. */
class EnvoyProcess {
  readonly accessLog: AccessLogEntry[] = [];
  output = '';
  exit: EnvoyExit | undefined;
  readonly #child: ChildProcess;
  readonly #closed: Promise<void>;
  readonly #exitListeners = new Set<(exit: EnvoyExit) => void>();
  readonly #logListeners = new Set<(entry: AccessLogEntry) => void>();

  constructor(folder: string, binary: string, args: readonly string[]) {
    const child = spawn(binary, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.output += text;
    });
    createInterface({ input: child.stdout }).on('line', line => this.#log(line));
    const guard = guardAgainstOrphans(child.pid, folder);
    this.#closed = new Promise(resolve => {
      // A binary that cannot be run makes an error and may make nothing else.
      child.once('error', error => {
        this.output += `${error.message}\n`;
        this.#ended({ code: null, signal: null }, guard);
        resolve();
      });
      child.once('close', (code, signal) => {
        this.#ended({ code, signal }, guard);
        resolve();
      });
    });
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  onExit(listener: (exit: EnvoyExit) => void): void {
    if (this.exit !== undefined) listener(this.exit);
    else this.#exitListeners.add(listener);
  }

  accessLogged(matches: (entry: AccessLogEntry) => boolean): Promise<AccessLogEntry> {
    const found = this.accessLog.find(matches);
    if (found !== undefined) return Promise.resolve(found);
    return new Promise((resolve, reject) => {
      const onLog = (entry: AccessLogEntry) => {
        if (!matches(entry)) return;
        this.#logListeners.delete(onLog);
        resolve(entry);
      };
      this.#logListeners.add(onLog);
      this.onExit(exit => reject(new EnvoyFailed(`Envoy ended: ${describeExit(exit)}`, this.output)));
    });
  }

  async stop(timeoutMs: number): Promise<void> {
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), timeoutMs);
    this.#child.kill('SIGTERM');
    await this.#closed;
    clearTimeout(timer);
  }

  #ended(exit: EnvoyExit, guard: ChildProcess | undefined): void {
    guard?.kill('SIGKILL');
    if (this.exit !== undefined) return;
    this.exit = exit;
    for (const listener of this.#exitListeners) listener(exit);
  }

  #log(line: string): void {
    let entry: AccessLogEntry;
    try {
      entry = JSON.parse(line) as AccessLogEntry;
    } catch {
      this.output += `${line}\n`;
      return;
    }
    this.accessLog.push(entry);
    for (const listener of this.#logListeners) listener(entry);
  }
}

/**
 * A shell that kills `pid` and removes `folder` when its input ends, which is when this process ends, were it by SIGKILL.
 * An 'exit' handler would not run then, nor on a signal without a handler.
 */
function guardAgainstOrphans(pid: number | undefined, folder: string): ChildProcess | undefined {
  if (pid === undefined) return undefined;
  const script = 'read -r _; kill -9 "$1" 2>/dev/null; rm -rf "$2"';
  const guard = spawn('/bin/sh', ['-c', script, 'envoy-guard', String(pid), folder], {
    stdio: ['pipe', 'ignore', 'ignore'],
    // A Ctrl-C in the terminal is for us; the guard must outlive it.
    detached: true,
  });
  // Without a shell there is no guard, and Envoy runs all the same.
  return guard.on('error', () => {});
}

/** The admin interface's URL once it is there and says LIVE. */
async function liveAdmin(addressFile: string): Promise<string | undefined> {
  try {
    const address = (await readFile(addressFile, 'utf8')).trim();
    if (address === '') return undefined;
    const admin = `http://${address}`;
    return (await get(`${admin}/ready`)).trim() === 'LIVE' ? admin : undefined;
  } catch {
    return undefined;
  }
}

async function listenerPortOf(admin: string): Promise<number> {
  const listeners = JSON.parse(await get(`${admin}/listeners?format=json`)) as {
    listener_statuses: { local_address: { socket_address: { port_value: number } } }[];
  };
  const port = listeners.listener_statuses[0]?.local_address.socket_address.port_value;
  if (port === undefined) throw new Error('Envoy has no listener');
  return port;
}

/** Lines are `name: value`; histograms have other values and are left out. */
function parseStats(text: string): Map<string, number> {
  const found = text.matchAll(/^(.+): (\d+)$/gm);
  return new Map(Array.from(found, ([, name, value]) => [name as string, Number(value)]));
}

async function get(url: string): Promise<string> {
  const response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${url}: ${response.status} ${text}`);
  return text;
}

function describeExit({ code, signal }: EnvoyExit): string {
  return signal === null ? `exit code ${code}` : `killed by ${signal}`;
}
