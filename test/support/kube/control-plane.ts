/** A real etcd and a real kube-apiserver on loopback, with RBAC. There is no controller and no kubelet: objects are checked and kept. */
import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../eventually.ts';
import { freePort } from '../free-port.ts';
import { type Ran, run } from './run.ts';

const CACHE = join(homedir(), '.cache/kube-test');

/** The path of a program of Kubernetes'; undefined where it is not installed. */
export function kubeProgram(name: string): string | undefined {
  const path = join(process.env.KUBE_BIN ?? join(CACHE, 'bin'), name);
  return existsSync(path) ? path : undefined;
}

/** Folders with CustomResourceDefinitions, as far as they are there. */
export function crdFolders(): readonly string[] {
  const root = process.env.KUBE_BIN ? join(process.env.KUBE_BIN, '..') : CACHE;
  return ['eg-crds', 'eg-crds/generated', 'crds'].map(name => join(root, name)).filter(existsSync);
}

export class ControlPlane {
  readonly #folder: string;
  readonly #kubectl: string;
  readonly #children: readonly ChildProcess[];

  private constructor(folder: string, kubectl: string, children: readonly ChildProcess[]) {
    this.#folder = folder;
    this.#kubectl = kubectl;
    this.#children = children;
  }

  /** Of one who may do everything. */
  get kubeconfig(): string {
    return join(this.#folder, 'kubeconfig');
  }

  /** Takes some seconds. */
  static async start(etcd: string, apiServer: string, kubectl: string): Promise<ControlPlane> {
    const folder = await mkdtemp(join(tmpdir(), 'warmroute-kube-'));
    const inFolder = (name: string) => join(folder, name);
    const [client, peer, port] = await Promise.all([freePort(), freePort(), freePort()]);
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    await writeFile(inFolder('key.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }));
    await writeFile(inFolder('key.pub'), publicKey.export({ type: 'spki', format: 'pem' }));
    await writeFile(inFolder('tokens.csv'), `${TOKEN},admin,admin,"system:masters"\n`);
    await writeFile(inFolder('kubeconfig'), kubeconfig(port));
    const children = [
      spawn(etcd, [
        ...['--data-dir', inFolder('etcd'), '--unsafe-no-fsync', '--log-level', 'error'],
        ...['--listen-client-urls', `http://127.0.0.1:${client}`],
        ...['--advertise-client-urls', `http://127.0.0.1:${client}`],
        ...['--listen-peer-urls', `http://127.0.0.1:${peer}`],
        ...['--initial-advertise-peer-urls', `http://127.0.0.1:${peer}`],
        ...['--name', 'test', '--initial-cluster', `test=http://127.0.0.1:${peer}`],
      ]),
      spawn(apiServer, [
        ...['--bind-address', '127.0.0.1', '--secure-port', String(port), '--cert-dir', inFolder('certs')],
        ...['--etcd-servers', `http://127.0.0.1:${client}`, '--authorization-mode', 'Node,RBAC'],
        ...['--token-auth-file', inFolder('tokens.csv')],
        ...['--service-account-issuer', 'https://kubernetes.default.svc'],
        ...['--service-account-key-file', inFolder('key.pub')],
        ...['--service-account-signing-key-file', inFolder('key.pem')],
        ...['--service-cluster-ip-range', '10.96.0.0/16', '--disable-admission-plugins', 'ServiceAccount'],
        // There is no address that other machines could reach it by.
        ...['--endpoint-reconciler-type', 'none', '--allow-privileged'],
        ...['--shutdown-watch-termination-grace-period', '1s'],
      ]),
    ];
    const plane = new ControlPlane(folder, kubectl, children);
    const log = children.map(last);
    const isReady = async () => (await plane.kubectl(['get', '--raw', '/readyz'])).stdout === 'ok';
    try {
      await eventually('the API server is ready', isReady, START_MS);
    } catch (cause) {
      await plane.stop();
      throw new Error(log.map(read => read()).join('\n'), { cause });
    }
    return plane;
  }

  kubectl(args: readonly string[], input = ''): Promise<Ran> {
    return run(this.#kubectl, ['--kubeconfig', this.kubeconfig, ...args], input);
  }

  /** As `kubectl`, for what has to succeed. */
  async mustKubectl(args: readonly string[], input = ''): Promise<string> {
    const { code, stdout, stderr } = await this.kubectl(args, input);
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr}`);
    return stdout;
  }

  async stop(): Promise<void> {
    for (const child of this.#children.toReversed()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    }
    await rm(this.#folder, { recursive: true, force: true });
  }
}

const START_MS = 60_000;
const TOKEN = 'admin';

/** The server makes a certificate of its own, which nobody knows beforehand. */
function kubeconfig(port: number): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    clusters: [
      { name: 'test', cluster: { server: `https://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true } },
    ],
    users: [{ name: 'admin', user: { token: TOKEN } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'admin' } }],
  });
}

/** Keeps the end of what a program writes: that is where it says why it ended. */
function last(child: ChildProcess): () => string {
  let kept = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', chunk => {
      kept = `${kept}${chunk}`.slice(-4_000);
    });
  return () => kept;
}
