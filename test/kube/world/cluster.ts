/** A real kube-apiserver with RBAC, and a real etcd, on 127.0.0.1: no kubelet and no controller, so pods are what a test says that they are. */
import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { eventually } from '../../support/eventually.ts';
import { freePort } from '../../support/free-port.ts';
import { kubeconfigText } from '../../support/kube-access.ts';
import { findKubeBinaries } from './binaries.ts';

const START_TIMEOUT_MS = 120_000;

/** What the API server answers with when it refuses. */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly status: number;
  constructor(status: number, message: string) {
    super(`${status}: ${message}`);
    this.status = status;
  }
}

export class KubeCluster {
  /** Of everything that belongs to the cluster; goes with it. */
  readonly folder: string;
  readonly port: number;
  readonly #binaries: string;
  readonly #etcdUrl: string;
  readonly #token = randomBytes(16).toString('hex');
  #etcd: ChildProcess | undefined;
  #apiServer: ChildProcess | undefined;
  #agent: Agent | undefined;

  private constructor(binaries: string, folder: string, port: number, etcdPort: number) {
    this.#binaries = binaries;
    this.folder = folder;
    this.port = port;
    this.#etcdUrl = `http://127.0.0.1:${etcdPort}`;
  }

  static async start(): Promise<KubeCluster> {
    const binaries = findKubeBinaries();
    if (binaries.kind === 'missing') throw new Error(binaries.why);
    const folder = await mkdtemp(join(tmpdir(), 'warmroute-kube-'));
    const cluster = new KubeCluster(binaries.folder, folder, await freePort(), await freePort());
    try {
      await cluster.#prepare();
      await cluster.#startEtcd();
      await cluster.startApiServer();
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  get url(): string {
    return `https://127.0.0.1:${this.port}`;
  }

  /** PEM, what the API server's certificate is checked against. */
  get caFile(): string {
    return join(this.folder, 'run', 'apiserver.crt');
  }

  /** Of whoever may do everything. Returns its path. */
  async writeKubeconfig(): Promise<string> {
    const path = join(this.folder, 'admin.kubeconfig');
    const access = { server: this.url, cluster: { 'certificate-authority': this.caFile } };
    await writeFile(path, kubeconfigText({ ...access, user: { token: this.#token } }), { mode: 0o600 });
    return path;
  }

  /** As the administrator. Rejects with Refused. */
  async ask(
    method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    body?: object,
  ): Promise<Record<string, unknown>> {
    this.#agent ??= new Agent({ connect: { ca: await readFile(this.caFile) } });
    const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
    const answer = await request(this.url + path, {
      method,
      dispatcher: this.#agent,
      headers: { authorization: `Bearer ${this.#token}`, 'content-type': type },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await answer.body.text();
    if (answer.statusCode >= 300) throw new Refused(answer.statusCode, text);
    return text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : { text };
  }

  async startApiServer(): Promise<void> {
    const path = (name: string) => join(this.folder, name);
    this.#apiServer = this.#spawn('kube-apiserver', [
      ...['--bind-address', '127.0.0.1', '--advertise-address', '127.0.0.1', '--secure-port', `${this.port}`],
      ...['--etcd-servers', this.#etcdUrl, '--cert-dir', path('run')],
      ...['--token-auth-file', path('tokens.csv'), '--authorization-mode', 'RBAC'],
      ...['--service-account-issuer', 'https://kubernetes.default.svc'],
      ...['--service-account-key-file', path('sa.pub'), '--service-account-signing-key-file', path('sa.key')],
      ...['--service-cluster-ip-range', '10.96.0.0/16', '--endpoint-reconciler-type', 'none'],
      // Without a controller no ServiceAccount comes into being by itself.
      ...['--disable-admission-plugins', 'ServiceAccount', '--profiling=false'],
      '--allow-privileged',
      // Otherwise its end waits a minute for open watches.
      ...['--shutdown-delay-duration', '0s', '--shutdown-watch-termination-grace-period', '1s'],
    ]);
    await this.#until('the API server is ready', this.#apiServer, () =>
      this.ask('GET', '/readyz').catch(async error => {
        // Its certificate may have been read while it was being written.
        await this.#forgetAgent();
        throw error;
      }),
    );
  }

  async stopApiServer(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    await end(this.#apiServer, signal);
    await this.#forgetAgent();
  }

  /** It keeps its connections, and does nothing. */
  pauseApiServer(): void {
    this.#apiServer?.kill('SIGSTOP');
  }

  resumeApiServer(): void {
    this.#apiServer?.kill('SIGCONT');
  }

  /** Forgets all versions but the current one. */
  async compact(): Promise<void> {
    const post = async (path: string, body: object) => {
      const answer = await request(this.#etcdUrl + path, { method: 'POST', body: JSON.stringify(body) });
      const text = await answer.body.text();
      if (answer.statusCode !== 200) throw new Refused(answer.statusCode, text);
      return JSON.parse(text) as { header?: { revision?: string } };
    };
    const { header } = await post('/v3/kv/range', { key: Buffer.from('/').toString('base64') });
    await post('/v3/kv/compaction', { revision: header?.revision, physical: true });
  }

  async stop(): Promise<void> {
    this.resumeApiServer();
    await this.stopApiServer('SIGKILL');
    await end(this.#etcd, 'SIGKILL');
    await rm(this.folder, { recursive: true, force: true });
  }

  async #forgetAgent(): Promise<void> {
    await this.#agent?.destroy();
    this.#agent = undefined;
  }

  async #prepare(): Promise<void> {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
    });
    await mkdir(join(this.folder, 'run'));
    await writeFile(join(this.folder, 'sa.key'), privateKey, { mode: 0o600 });
    await writeFile(join(this.folder, 'sa.pub'), publicKey);
    await writeFile(join(this.folder, 'tokens.csv'), `${this.#token},admin,admin,system:masters\n`, {
      mode: 0o600,
    });
  }

  async #startEtcd(): Promise<void> {
    const peers = `http://127.0.0.1:${await freePort()}`;
    this.#etcd = this.#spawn('etcd', [
      ...['--name', 'test', '--data-dir', join(this.folder, 'etcd'), '--unsafe-no-fsync'],
      ...['--listen-client-urls', this.#etcdUrl, '--advertise-client-urls', this.#etcdUrl],
      ...['--listen-peer-urls', peers, '--initial-advertise-peer-urls', peers],
      ...['--initial-cluster', `test=${peers}`, '--log-level', 'warn'],
    ]);
    await this.#until('etcd is ready', this.#etcd, async () => {
      const { statusCode, body } = await request(`${this.#etcdUrl}/health`);
      await body.dump();
      if (statusCode !== 200) throw new Refused(statusCode, 'etcd is not well');
    });
  }

  #spawn(name: string, args: readonly string[]): ChildProcess {
    const child = spawn(join(this.#binaries, name), args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const log = createWriteStream(join(this.folder, `${name}.log`), { flags: 'a' });
    child.stdout?.pipe(log, { end: false });
    child.stderr?.pipe(log, { end: false });
    child.once('close', () => log.end());
    const kill = () => child.kill('SIGKILL');
    process.once('exit', kill);
    child.once('close', () => process.off('exit', kill));
    return child;
  }

  async #until(what: string, child: ChildProcess, ask: () => Promise<unknown>): Promise<void> {
    await eventually(
      what,
      async () => {
        if (child.exitCode !== null)
          throw new Error(`${child.spawnfile} ended; ${await this.#lastWords(child)}`);
        return ask().then(
          () => true,
          () => false,
        );
      },
      START_TIMEOUT_MS,
    );
  }

  async #lastWords({ spawnfile }: ChildProcess): Promise<string> {
    const log = await readFile(join(this.folder, `${spawnfile.split('/').at(-1)}.log`), 'utf8');
    return log.slice(-2_000);
  }
}

async function end(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const closed = once(child, 'close');
  child.kill(signal);
  await closed;
}
