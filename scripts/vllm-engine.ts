import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { until } from './until.ts';

/** Where one vLLM serves: its OpenAI API, its KV-cache events and their replay, all on 127.0.0.1. */
export interface EnginePorts {
  readonly http: number;
  readonly events: number;
  readonly replay: number;
}

/** `8001:5557:5558` */
export function parsePorts(text: string): EnginePorts {
  const match = /^(\d+):(\d+):(\d+)$/.exec(text);
  if (!match) throw new Error(`${text}: an engine is written HTTP:EVENTS:REPLAY, as 8001:5557:5558`);
  return { http: Number(match[1]), events: Number(match[2]), replay: Number(match[3]) };
}

const START_TIMEOUT_MS = 300_000;

/** A vLLM that runs: ours, when it was started by a command, and then it can be restarted. */
export class Engine {
  readonly ports: EnginePorts;
  readonly #command: string | undefined;
  #child: ChildProcess | undefined;

  /** @param command a shell command with `{http}`, `{events}` and `{replay}`; undefined: it runs already */
  constructor(ports: EnginePorts, command: string | undefined) {
    this.ports = ports;
    this.#command = command;
  }

  get url(): string {
    return `http://127.0.0.1:${this.ports.http}`;
  }

  get canRestart(): boolean {
    return this.#command !== undefined;
  }

  /** @param flags to put behind the command */
  async start(flags = ''): Promise<void> {
    if (this.#command !== undefined) {
      const { http, events, replay } = this.ports;
      const command = this.#command
        .replaceAll('{http}', String(http))
        .replaceAll('{events}', String(events))
        .replaceAll('{replay}', String(replay));
      this.#child = spawn('sh', ['-c', `exec ${command} ${flags}`], { stdio: 'ignore', detached: true });
    }
    await until(`vLLM answers on port ${this.ports.http}`, START_TIMEOUT_MS, async () =>
      (await fetch(`${this.url}/health`)).ok ? true : undefined,
    );
  }

  async stop(): Promise<void> {
    if (this.#child?.pid === undefined || this.#child.exitCode !== null) return;
    const ended = once(this.#child, 'exit');
    process.kill(-this.#child.pid, 'SIGTERM');
    await ended;
  }

  async version(): Promise<string> {
    return ((await (await fetch(`${this.url}/version`)).json()) as { version: string }).version;
  }

  async model(): Promise<string> {
    const { data } = (await (await fetch(`${this.url}/v1/models`)).json()) as { data: { id: string }[] };
    return data[0]!.id;
  }

  /** How many prompts it was asked to tokenize, by any of its endpoints. */
  async tokenizeRequests(): Promise<number> {
    const metrics = await (await fetch(`${this.url}/metrics`)).text();
    const requests = metrics.matchAll(/^http_requests_total\{(.*)\} ([\d.e+]+)$/gm);
    return [...requests]
      .filter(([, labels]) => /handler="[^"]*\/(?:tokenize|render)"/.test(labels!))
      .reduce((sum, [, , count]) => sum + Number(count), 0);
  }

  /** Tokens per KV-cache block, from its metrics. */
  async blockSizeTokens(): Promise<number> {
    const metrics = await (await fetch(`${this.url}/metrics`)).text();
    const size = /vllm:cache_config_info\{[^}]*\bblock_size="(\d+)"/.exec(metrics)?.[1];
    if (size === undefined) throw new Error(`${this.url}/metrics does not tell the block size`);
    return Number(size);
  }

  /** Empties its prefix cache; needs VLLM_SERVER_DEV_MODE=1. */
  async resetCache(): Promise<void> {
    const response = await fetch(`${this.url}/reset_prefix_cache`, { method: 'POST' });
    if (!response.ok)
      throw new Error(`/reset_prefix_cache answered ${response.status}: set VLLM_SERVER_DEV_MODE=1`);
  }
}
