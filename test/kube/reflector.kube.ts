/** The reflector against a real API server, over a wire that can be cut. */
import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { assert } from 'chai';
import { kubeconfig } from '../../src/kubernetes/kubeconfig.ts';
import { connectKubernetes, type KubeClient } from '../../src/kubernetes/kubernetes.ts';
import { eventually } from '../support/eventually.ts';
import type { KubeObject } from '../support/fake-kube-api.ts';
import { kubeconfigText } from '../support/kube-access.ts';
import { type Reflected, reflect } from '../support/reflected.ts';
import { TcpSwitch } from '../support/tcp-switch.ts';
import { findKubeBinaries } from './world/binaries.ts';
import { KubeCluster } from './world/cluster.ts';
import { inLongRuns } from './world/long.ts';

const NAMESPACE = 'watched';
const PODS_PATH = `/api/v1/namespaces/${NAMESPACE}/pods`;
const ACCOUNTS = `/api/v1/namespaces/${NAMESPACE}/serviceaccounts`;
const RBAC = `/apis/rbac.authorization.k8s.io/v1/namespaces/${NAMESPACE}`;
/** The shortest that there is. */
const TOKEN_SECONDS = 600;
const SLOW_MS = 120_000;

describe('The reflector with a real API server', function () {
  this.timeout(240_000);
  let cluster: KubeCluster;
  let wire: TcpSwitch;
  let client: KubeClient;
  let reflected: Reflected;

  before(async () => {
    cluster = await KubeCluster.start();
    await cluster.ask('POST', '/api/v1/namespaces', { metadata: { name: NAMESPACE } });
    await cluster.ask('POST', ACCOUNTS, { metadata: { name: 'warmroute' } });
    await cluster.ask('POST', `${RBAC}/roles`, { metadata: { name: 'warmroute' }, rules: [] });
    await cluster.ask('POST', `${RBAC}/rolebindings`, {
      metadata: { name: 'warmroute' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'warmroute' },
      subjects: [{ kind: 'ServiceAccount', name: 'warmroute', namespace: NAMESPACE }],
    });
  });
  after(() => cluster.stop());

  beforeEach(async () => {
    await allow(['get', 'list', 'watch']);
    wire = await TcpSwitch.listen(cluster.port);
    await putToken(await newToken());
    const KUBECONFIG = join(cluster.folder, 'kubeconfig');
    await writeFile(
      KUBECONFIG,
      kubeconfigText({
        server: `https://127.0.0.1:${wire.port}`,
        cluster: { 'certificate-authority': cluster.caFile },
        user: { tokenFile: 'token' },
      }),
    );
    client = await connectKubernetes({ environment: { KUBECONFIG } });
  });

  afterEach(async () => {
    await reflected.reflector.stop();
    await client.close();
    await wire.close();
    await cluster.ask('DELETE', `${PODS_PATH}?gracePeriodSeconds=0`);
  });

  async function allow(verbs: readonly string[]): Promise<void> {
    const rules = verbs.length === 0 ? [] : [{ apiGroups: [''], resources: ['pods'], verbs }];
    await cluster.ask('PATCH', `${RBAC}/roles/warmroute`, { rules });
  }

  async function newToken(): Promise<string> {
    const { status } = await cluster.ask('POST', `${ACCOUNTS}/warmroute/token`, {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { expirationSeconds: TOKEN_SECONDS },
    });
    return (status as { token: string }).token;
  }

  const putToken = (token: string) => writeFile(join(cluster.folder, 'token'), token);

  async function create(name: string): Promise<string> {
    const spec = { containers: [{ name: 'engine', image: 'example/none' }] };
    const created = (await cluster.ask('POST', PODS_PATH, {
      metadata: { name },
      spec,
    })) as unknown as KubeObject;
    return created.metadata.uid!;
  }

  const remove = (name: string) => cluster.ask('DELETE', `${PODS_PATH}/${name}?gracePeriodSeconds=0`);

  function start(): Reflected {
    reflected = reflect(client, { path: PODS_PATH });
    return reflected;
  }

  /** These pods, by these uids, are what it shows. */
  function shows(pods: Readonly<Record<string, string>>, timeoutMs?: number): Promise<boolean> {
    const wanted = new Map(Object.entries(pods).map(([name, uid]) => [`${NAMESPACE}/${name}`, uid]));
    return eventually(
      `it shows ${Object.keys(pods)}`,
      () => {
        const shown = reflected.sets.all.at(-1);
        return shown?.size === wanted.size && [...shown].every(([key, { uid }]) => wanted.get(key) === uid);
      },
      timeoutMs,
    );
  }

  const relists = () => reflected.facts.all.filter(({ kind }) => kind === 'relist');
  const lists = () => reflected.facts.all.filter(({ kind }) => kind === 'listed').length;

  it('shows what comes, goes, and comes again under its name', async () => {
    const a = await create('a');
    start();
    await shows({ a });
    const b = await create('b');
    await shows({ a, b });
    await remove('a');
    await shows({ b });
    const again = await create('a');
    await shows({ a: again, b });
    assert.notEqual(a, again);
    assert.equal(lists(), 1);
  });

  it('goes on where it was when the connection is cut', async () => {
    const a = await create('a');
    await start().fact('watching');
    wire.set('refuse');
    wire.sever();
    await remove('a');
    const again = await create('a');
    await reflected.fact('failed');
    wire.set('through');
    await shows({ a: again });
    assert.notEqual(a, again);
    assert.equal(lists(), 1);
  });

  it('goes on after the API server was restarted', async () => {
    const a = await create('a');
    await start().fact('watching');
    await cluster.stopApiServer();
    await cluster.startApiServer();
    const b = await create('b');
    await shows({ a, b });
  });

  it('goes on after the API server was killed', async () => {
    const a = await create('a');
    await start().fact('watching');
    await cluster.stopApiServer('SIGKILL');
    await cluster.startApiServer();
    await remove('a');
    const b = await create('b');
    await shows({ b });
    assert.notEqual(a, b);
  });

  it('lists again when what it knows is too old (410)', async () => {
    await create('a');
    await start().fact('watching');
    wire.set('refuse');
    wire.sever();
    await remove('a');
    const b = await create('b');
    await cluster.compact();
    await cluster.stopApiServer();
    await cluster.startApiServer();
    wire.set('through');
    await shows({ b });
    assert.deepEqual(relists(), [{ kind: 'relist', reason: 'expired' }]);
  });

  inLongRuns('notices a connection that is dead, by the bookmarks that do not come', async () => {
    const a = await create('a');
    await start().fact('watching');
    wire.freeze();
    const b = await create('b');
    await shows({ a, b }, SLOW_MS);
    assert.equal((await reflected.fact('watch_ended')).why, 'silent');
    assert.equal(lists(), 1);
  });

  it('waits for an API server that hangs', async () => {
    const a = await create('a');
    await start().fact('watching');
    cluster.pauseApiServer();
    wire.sever();
    await reflected.fact('failed');
    cluster.resumeApiServer();
    const b = await create('b');
    await shows({ a, b });
  });

  inLongRuns('hears bookmarks about once a minute, and so keeps a quiet watch', async () => {
    await start().fact('watching');
    // Without any progress since the list the API server has nothing to say in a bookmark, and sends none.
    const a = await create('a');
    await shows({ a });
    const before = reflected.facts.all.length;
    await eventually(
      'a bookmark has come',
      () => reflected.facts.all.slice(before).some(({ kind }) => kind === 'sign_of_life'),
      SLOW_MS,
    );
    assert.isEmpty(reflected.facts.all.filter(({ kind }) => kind === 'watch_ended' || kind === 'failed'));
  });

  it('takes a token that was replaced', async () => {
    await putToken('not-a-token');
    assert.equal((await start().fact('failed')).error, 'unauthorized');
    await putToken(await newToken());
    const a = await create('a');
    await shows({ a });
  });

  it('begins once it may, and says what is missing until then', async () => {
    await allow([]);
    const { error, message } = await start().fact('failed');
    assert.equal(error, 'forbidden');
    assert.match(message, /cannot list resource "pods".*grant get, list and watch/);
    const a = await create('a');
    await allow(['get', 'list']);
    await shows({ a });
    assert.equal(
      (await reflected.facts.until(fact => fact.kind === 'failed' && fact.during === 'watch')).kind,
      'failed',
    );
    await allow(['get', 'list', 'watch']);
    const b = await create('b');
    await shows({ a, b }, SLOW_MS);
  });

  it('reads a kubeconfig as kubectl does', async () => {
    start();
    const first = join(cluster.folder, 'first');
    const second = join(cluster.folder, 'second');
    await writeFile(
      first,
      kubeconfigText({ server: 'https://10.0.0.1:1', context: { namespace: 'one' }, user: { token: 'abc' } }),
    );
    await writeFile(
      second,
      kubeconfigText({ server: 'https://10.0.0.2:2', context: { namespace: 'two' }, user: { token: 'xyz' } }),
    );
    const KUBECONFIG = [join(cluster.folder, 'none'), second, first].join(':');
    const view = ['config', 'view', '--raw', '--minify', '-o', 'json'];
    const shown = JSON.parse(execFileSync(findKubectl(), view, { env: { KUBECONFIG }, encoding: 'utf8' }));
    const credentials = await kubeconfig({ KUBECONFIG });
    const { authorization } = await credentials.read(new AbortController().signal);
    assert.deepEqual(
      [credentials.server, credentials.namespace, authorization],
      [
        shown.clusters[0].cluster.server,
        shown.contexts[0].context.namespace,
        `Bearer ${shown.users[0].user.token}`,
      ],
    );
  });
});

function findKubectl(): string {
  const binaries = findKubeBinaries();
  if (binaries.kind === 'missing') throw new Error(binaries.why);
  return join(binaries.folder, 'kubectl');
}
