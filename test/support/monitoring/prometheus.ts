/** A real Prometheus that scrapes once a second, and what it answers. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { eventually } from '../eventually.ts';
import { freePort } from '../free-port.ts';

export interface Target {
  readonly job: string;
  /** `ip:port`. */
  readonly address: string;
  readonly path?: string;
}

export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  /** Not a number where Prometheus says so. */
  readonly value: number;
}

export class Prometheus {
  readonly #url: string;
  readonly #stop: () => Promise<void>;

  private constructor(url: string, stop: () => Promise<void>) {
    this.#url = url;
    this.#stop = stop;
  }

  /** When it answers. All targets get the label `namespace`, as in Kubernetes. */
  static async start(binary: string, targets: readonly Target[], rulesFile: string): Promise<Prometheus> {
    const folder = await mkdtemp(join(tmpdir(), 'warmroute-prometheus-'));
    const config = {
      global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
      rule_files: [rulesFile],
      scrape_configs: targets.map(({ job, address, path = '/metrics' }, i) => ({
        job_name: `${job}-${i}`,
        metrics_path: path,
        honor_labels: true,
        static_configs: [{ targets: [address], labels: { job, namespace: 'llm' } }],
      })),
    };
    await writeFile(join(folder, 'prometheus.yml'), stringify(config));
    const address = `127.0.0.1:${await freePort()}`;
    const child = spawn(
      binary,
      [
        `--config.file=${join(folder, 'prometheus.yml')}`,
        `--storage.tsdb.path=${join(folder, 'data')}`,
        `--web.listen-address=${address}`,
        '--log.level=warn',
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    const ended = once(child, 'close');
    let output = '';
    child.stderr.on('data', chunk => {
      output += chunk;
    });
    const kill = () => child.kill('SIGKILL');
    process.once('exit', kill);
    const stop = async () => {
      process.off('exit', kill);
      child.kill('SIGTERM');
      await ended;
      await rm(folder, { recursive: true });
    };
    try {
      await eventually('Prometheus answers', async () => {
        if (child.exitCode !== null) throw new Error(`Prometheus ended: ${output}`);
        return (await fetch(`http://${address}/-/ready`).catch(() => undefined))?.ok;
      });
    } catch (error) {
      await stop();
      throw error;
    }
    return new Prometheus(`http://${address}`, stop);
  }

  /** What an expression is now. Rejects with what Prometheus has against it. */
  async query(expression: string): Promise<readonly Series[]> {
    const { result } = await this.#get<{
      result: { metric: Record<string, string>; value: [number, string] }[];
    }>('/api/v1/query', { query: expression });
    return result.map(({ metric, value: [, value] }) => ({ metric, value: Number(value) }));
  }

  /** The values that a label has in what a selector selects. */
  labelValues(label: string, selector: string): Promise<readonly string[]> {
    return this.#get(`/api/v1/label/${label}/values`, { 'match[]': selector });
  }

  stop(): Promise<void> {
    return this.#stop();
  }

  async #get<Data>(path: string, query: Readonly<Record<string, string>>): Promise<Data> {
    const response = await fetch(`${this.#url}${path}?${new URLSearchParams(query)}`);
    const answer = (await response.json()) as { status: string; error?: string; data: Data };
    if (answer.status !== 'success') throw new Error(`${answer.error}: ${Object.values(query)}`);
    return answer.data;
  }
}
