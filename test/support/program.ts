/** The real program, in this process or in one of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Environment } from '../../src/config.ts';
import type { Pod } from '../../src/domain.ts';
import type { TraceSink } from '../../src/ops/telemetry.ts';
import { serve } from '../../src/serve.ts';
import { aConfig, type LogLine, recordingLog } from './builders.ts';

export interface Program {
  readonly grpcPort: number;
  readonly adminPort: number;
  /** What it has logged so far. */
  readonly logLines: readonly LogLine[];
  metrics(): Promise<Metrics>;
  stop(): Promise<void>;
}

/** The sum of all series of this name whose labels include `labels`; 0 if there is none. */
export type Metrics = (name: string, labels?: Readonly<Record<string, string>>) => number;

export interface ProgramOptions {
  /** undefined: it knows them from elsewhere. */
  readonly pods?: readonly Pod[];
  readonly environment?: Environment;
  /** In process only. */
  readonly traces?: TraceSink;
}

const FREE_PORTS = {
  WARMROUTE_GRPC_ADDRESS: '127.0.0.1:0',
  WARMROUTE_ADMIN_ADDRESS: '127.0.0.1:0',
  WARMROUTE_LOG_LEVEL: 'debug',
  WARMROUTE_METRICS_INTERVAL_MS: '0',
  WARMROUTE_ANSWER_SAMPLE_PERCENT: '0',
};

/** `serve()` in this process. Its drain does not wait for health checks: nobody is left to notice. */
export async function startProgram(options: ProgramOptions): Promise<Program> {
  const podsFile = await writePodsFile(options.pods);
  const { log, lines } = recordingLog();
  const config = aConfig({ ...FREE_PORTS, WARMROUTE_DRAIN_MS: '0', ...options.environment });
  try {
    const server = await serve(
      { ...config, ...(podsFile.path !== undefined && { podsFile: podsFile.path }) },
      { log, ...(options.traces && { traces: options.traces }) },
    );
    return {
      grpcPort: server.grpcPort,
      adminPort: server.adminPort,
      logLines: lines,
      metrics: () => scrape(server.adminPort),
      async stop() {
        await server.stop();
        await podsFile.remove();
      },
    };
  } catch (error) {
    await podsFile.remove();
    throw error;
  }
}

export interface ProgramExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ProgramProcess extends Program {
  kill(signal: 'SIGTERM' | 'SIGKILL'): void;
  readonly exited: Promise<ProgramExit>;
}

/** `node src/main.ts serve`, when it has said that it is ready. `stop` kills it, if it still runs. */
export async function startProgramProcess(options: ProgramOptions): Promise<ProgramProcess> {
  const podsFile = await writePodsFile(options.pods);
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL('../../src/main.ts', import.meta.url)), 'serve'],
    {
      env: {
        ...process.env,
        ...FREE_PORTS,
        WARMROUTE_PODS_FILE: podsFile.path ?? '',
        ...options.environment,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const exited = exitOf(child);
  const logLines: LogLine[] = [];
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  const ready = new Promise<LogLine>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', text => {
      const { level, msg, ...fields } = JSON.parse(text) as LogLine['fields'];
      const line = { level: level as LogLine['level'], message: String(msg), fields };
      logLines.push(line);
      if (line.message === 'ready') resolve(line);
    });
    void exited.then(({ code }) => reject(new Error(`the program ended with ${code}: ${errors}`)));
  });
  const stop = async () => {
    child.kill('SIGKILL');
    await exited;
    await podsFile.remove();
  };
  try {
    const { fields } = await ready;
    const adminPort = Number(fields.adminPort);
    return {
      grpcPort: Number(fields.grpcPort),
      adminPort,
      logLines,
      metrics: () => scrape(adminPort),
      kill: signal => child.kill(signal),
      exited,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function exitOf(child: ChildProcess): Promise<ProgramExit> {
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { code, signal };
}

async function writePodsFile(
  pods: readonly Pod[] | undefined,
): Promise<{ readonly path: string | undefined; remove(): Promise<void> }> {
  if (pods === undefined) return { path: undefined, remove: async () => {} };
  const folder = await mkdtemp(join(tmpdir(), 'warmroute-pods-'));
  const path = join(folder, 'pods.json');
  const entries = pods.map(({ name, ip, port, model, aliases, labels, kvEvents }) => ({
    ...{ name, address: ip, port, model, aliases, labels },
    ...(kvEvents.kind === 'zmq' && {
      kvEvents: {
        port: kvEvents.port,
        ...(kvEvents.replayPort !== undefined && { replayPort: kvEvents.replayPort }),
        ranks: kvEvents.ranks,
      },
    }),
  }));
  await writeFile(path, JSON.stringify({ pods: entries }));
  return { path, remove: () => rm(folder, { recursive: true, force: true }) };
}

async function scrape(adminPort: number): Promise<Metrics> {
  const response = await fetch(`http://127.0.0.1:${adminPort}/metrics`);
  const series = Array.from((await response.text()).matchAll(/^(\w+)(?:\{(.*)\})? (\S+)/gm), match => ({
    name: match[1]!,
    labels: new Map(
      Array.from((match[2] ?? '').matchAll(/(\w+)="([^"]*)"/g), ([, key, value]) => [key!, value!]),
    ),
    value: Number(match[3]),
  }));
  return (name, labels = {}) =>
    series
      .filter(each => each.name === name)
      .filter(each => Object.entries(labels).every(([key, value]) => each.labels.get(key) === value))
      .reduce((sum, { value }) => sum + value, 0);
}
