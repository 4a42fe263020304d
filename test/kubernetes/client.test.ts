import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { assert } from 'chai';
import {
  connectKubernetes,
  type KubeClient,
  type KubernetesError,
  type WatchEvent,
} from '../../src/kubernetes/kubernetes.ts';
import { eventually } from '../support/eventually.ts';
import { FakeKubeApi, type Fault } from '../support/fake-kube-api.ts';
import { freePort } from '../support/free-port.ts';
import { connectTo, type KubeFolder, kubeconfigText, kubeFolder } from '../support/kube-access.ts';

const PODS_PATH = '/api/v1/namespaces/serving/pods';
const { signal: never } = new AbortController();
const pem = (name: string) =>
  readFileSync(new URL(`../fixtures/kubernetes-tls/${name}`, import.meta.url), 'utf8');

describe('the Kubernetes client', () => {
  let api: FakeKubeApi;
  let client: KubeClient;

  beforeEach(async () => {
    api = await FakeKubeApi.start();
    client = await connectTo(api.url, { user: { token: 'abc' } });
  });
  afterEach(async () => {
    await client.close();
    await eventually('no connection is left', async () => (await api.connections()) === 0);
    await api.close();
  });

  it('asks with the token, and leaves out what is undefined', async () => {
    await client.get(PODS_PATH, { limit: 5, continue: undefined, labelSelector: 'a in (b,c)' }, never);
    const { path, query, authorization } = await api.requests.next();
    assert.deepEqual([path, authorization], [PODS_PATH, 'Bearer abc']);
    assert.deepEqual(
      [...query],
      [
        ['limit', '5'],
        ['labelSelector', 'a in (b,c)'],
      ],
    );
  });

  it('gives one page, and what a watch tells', async () => {
    api.put({ metadata: { name: 'a', namespace: 'serving' } });
    const list = (await client.get(PODS_PATH, {}, never)) as { items: unknown[] };
    assert.lengthOf(list.items, 1);
    const events = client.watch(PODS_PATH, { resourceVersion: api.revision }, never)[Symbol.asyncIterator]();
    assert.deepEqual((await events.next()).value, { type: 'OPENED' });
    const object = api.put({ metadata: { name: 'b', namespace: 'serving' } });
    assert.deepEqual((await events.next()).value, { type: 'ADDED', object } as WatchEvent);
    api.openWatches[0]!.end();
    assert.isTrue((await events.next()).done);
  });

  it('ends the connection of a watch that nobody reads any more', async () => {
    for await (const _ of client.watch(PODS_PATH, { resourceVersion: api.revision }, never)) break;
    await eventually('the watch is over', () => api.openWatches.length === 0);
  });

  it('drops a watch that has ended before anybody read of it', async () => {
    api.fault = ({ kind }) => (kind === 'watch' ? { kind: 'error_event', code: 410 } : undefined);
    for await (const { type } of client.watch(PODS_PATH, {}, never)) {
      assert.equal(type, 'OPENED');
      // By when this is answered, all of the watch has come.
      for (let i = 0; i < 3; i++) await client.get(PODS_PATH, {}, never);
      break;
    }
    await client.get(PODS_PATH, {}, never);
  });

  it('asks once more after 401', async () => {
    api.tokens = new Map();
    assert.equal((await failureOf(client.get(PODS_PATH, {}, never))).kind, 'unauthorized');
    assert.equal(api.count('list'), 2);
  });

  const refusals: [Fault & { kind: 'status' }, string, RegExp, number?][] = [
    [{ kind: 'status', code: 403 }, 'forbidden', /get, list and watch/],
    [{ kind: 'status', code: 404 }, 'not_found', /CustomResourceDefinition/],
    [{ kind: 'status', code: 410 }, 'expired', /410/],
    [{ kind: 'status', code: 429, retryAfter: 3 }, 'throttled', /429/, 3_000],
    [{ kind: 'status', code: 503, retryAfter: 86_400 }, 'server_error', /503/, 60_000],
    [{ kind: 'status', code: 500 }, 'server_error', /500: a test wants it so/, 0],
    [{ kind: 'status', code: 400 }, 'refused', /400/],
    [{ kind: 'status', code: 302 }, 'refused', /302/],
  ];
  for (const [fault, kind, says, retryAfterMs] of refusals) {
    it(`says what to do about ${fault.code}${fault.retryAfter ? ' with Retry-After' : ''}`, async () => {
      api.fault = () => fault;
      const failure = await failureOf(client.get(PODS_PATH, {}, never));
      assert.equal(failure.kind, kind);
      assert.match(failure.message, says);
      if (retryAfterMs !== undefined) assert.equal(failure.retryAfterMs, retryAfterMs);
      assert.equal(
        (await failureOf(client.watch(PODS_PATH, {}, never)[Symbol.asyncIterator]().next())).kind,
        kind,
      );
    });
  }

  const broken: Record<string, { readonly fault: Fault; readonly kind: string }> = {
    'a connection that breaks': { fault: { kind: 'reset' }, kind: 'unavailable' },
    'an answer that is no JSON': { fault: { kind: 'bytes', chunks: ['<html>'] }, kind: 'malformed' },
    'an answer that is too long': {
      fault: { kind: 'bytes', chunks: [Buffer.alloc(3_000, ' ')] },
      kind: 'too_long',
    },
  };
  for (const [what, { fault, kind }] of Object.entries(broken)) {
    it(`tells of ${what}`, async () => {
      const folder = await kubeFolder();
      const KUBECONFIG = await folder.write('config', kubeconfigText({ server: api.url }));
      const narrow = await connectKubernetes({ environment: { KUBECONFIG }, maxAnswerBytes: 2_000 });
      api.fault = () => fault;
      assert.equal((await failureOf(narrow.get(PODS_PATH, {}, never))).kind, kind);
      await narrow.close();
      await folder.remove();
    });
  }

  it('tells of a refusal by somebody who is no API server', async () => {
    const failure = await failureOf(client.get('/api/v1/unheard-of', {}, never));
    assert.equal(failure.message.split(' (')[0], '/api/v1/unheard-of answered 404');
  });

  it('tells of a refusal whatever is said with it, and however much', async () => {
    api.fault = () => ({ kind: 'status', code: 403, message: 'x'.repeat(100_000) });
    const failure = await failureOf(client.get(PODS_PATH, {}, never));
    assert.equal(failure.kind, 'forbidden');
    assert.match(failure.message, /answered 403 \(RBAC/);
  });

  it('keeps what the API server says to one line that is not long', async () => {
    api.fault = () => ({ kind: 'status', code: 500, message: `a\n\u001b[31m${'b'.repeat(5_000)}` });
    const { message } = await failureOf(client.get(PODS_PATH, {}, never));
    assert.isBelow(message.length, 500);
    assert.notMatch(message, /\p{Cc}/u);
  });

  it('tells of an API server that is not there, and shows no token', async () => {
    const nobody = await connectTo(`http://127.0.0.1:${await freePort()}`, { user: { token: 'abc-secret' } });
    const failure = await failureOf(nobody.get(PODS_PATH, {}, never));
    assert.equal(failure.kind, 'unavailable');
    assert.match(failure.message, /ECONNREFUSED/);
    assert.notInclude(JSON.stringify([failure.message, String(failure.cause)]), 'abc-secret');
    await nobody.close();
  });

  it('ends at once what is aborted, whether it was answered or not', async () => {
    api.fault = () => ({ kind: 'hang' });
    const aborting = new AbortController();
    const asking = failureOf(client.get(PODS_PATH, {}, aborting.signal));
    await api.requests.next();
    aborting.abort();
    assert.equal((await asking).kind, 'aborted');
    assert.equal(
      (await failureOf(client.get(PODS_PATH, {}, aborting.signal))).kind,
      'aborted',
      'aborted before',
    );

    api.fault = () => undefined;
    const watching = new AbortController();
    const events = client
      .watch(PODS_PATH, { resourceVersion: api.revision }, watching.signal)
      [Symbol.asyncIterator]();
    await events.next();
    const next = failureOf(events.next());
    watching.abort();
    assert.equal((await next).kind, 'aborted');
  });

  it('ends at once what is under way when it is closed', async () => {
    api.fault = () => ({ kind: 'hang' });
    const asking = failureOf(client.get(PODS_PATH, {}, never));
    await api.requests.next();
    await client.close();
    assert.equal((await asking).kind, 'aborted');
    assert.equal((await failureOf(client.get(PODS_PATH, {}, never))).kind, 'aborted');
  });
});

describe('the Kubernetes client by TLS', () => {
  let api: FakeKubeApi;
  let folder: KubeFolder;

  beforeEach(async () => {
    const tls = { key: pem('server.key'), cert: pem('server.crt'), clientCa: pem('ca.crt') };
    api = await FakeKubeApi.start({ tls });
    api.tokens = new Map([['second', 'allowed']]);
    folder = await kubeFolder();
  });
  afterEach(async () => {
    await folder.remove();
    await api.close();
  });

  async function connect(options: { cluster?: object; user?: object }): Promise<KubeClient> {
    const KUBECONFIG = await folder.write('config', kubeconfigText({ server: api.url, ...options }));
    return connectKubernetes({ environment: { KUBECONFIG } });
  }

  async function outcomeOf(options: { cluster?: object; user?: object }): Promise<string> {
    const client = await connect(options);
    const outcome = await client.get(PODS_PATH, {}, never).then(
      () => 'answered',
      (error: KubernetesError) => error.message,
    );
    await client.close();
    return outcome;
  }

  const data = (name: string) => Buffer.from(pem(name)).toString('base64');
  const CA = { 'certificate-authority-data': data('ca.crt') };
  const CERTIFICATE = {
    'client-certificate-data': data('client.crt'),
    'client-key-data': data('client.key'),
  };

  it('shows its certificate, and asks for the server’s', async () => {
    assert.equal(await outcomeOf({ cluster: CA, user: CERTIFICATE }), 'answered');
    assert.match(await outcomeOf({ cluster: CA }), /answered 401/);
    const other = { 'certificate-authority-data': data('other-ca.crt') };
    assert.match(await outcomeOf({ cluster: other, user: CERTIFICATE }), /SIGNATURE|CERT|VERIFY/);
    assert.match(await outcomeOf({ user: CERTIFICATE }), /SIGNATURE|CERT|VERIFY/, 'a CA that Node knows');
    assert.equal(
      await outcomeOf({ cluster: { 'insecure-skip-tls-verify': true }, user: CERTIFICATE }),
      'answered',
    );
  });

  it('takes the server by the name that it is said to have', async () => {
    assert.equal(
      await outcomeOf({ cluster: { ...CA, 'tls-server-name': 'kubernetes.test' }, user: CERTIFICATE }),
      'answered',
    );
    assert.match(
      await outcomeOf({ cluster: { ...CA, 'tls-server-name': 'another.test' }, user: CERTIFICATE }),
      /ALTNAME/,
    );
  });

  it('takes the CA and the token that are mounted at the time', async () => {
    const mount = async (ca: string, token: string) => {
      await folder.write('ca.crt', pem(ca));
      await folder.write('token', token);
      await folder.write('namespace', 'serving');
    };
    await mount('other-ca.crt', 'first');
    const environment = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(api.port) };
    const client = await connectKubernetes({ environment, serviceAccountDirectory: folder.path });
    assert.equal(client.namespace, 'serving');
    assert.equal((await failureOf(client.get(PODS_PATH, {}, never))).kind, 'unavailable');
    await mount('ca.crt', 'first');
    assert.equal((await failureOf(client.get(PODS_PATH, {}, never))).kind, 'unauthorized');
    await mount('ca.crt', 'second');
    await client.get(PODS_PATH, {}, never);
    await client.close();
  });

  it('asks again at once when the token was replaced while the request was on its way', async () => {
    await folder.write('token', 'first');
    const client = await connect({ cluster: CA, user: { tokenFile: 'token' } });
    api.fault = () => {
      writeFileSync(join(folder.path, 'token'), 'second');
      return undefined;
    };
    await client.get(PODS_PATH, {}, never);
    assert.deepEqual(
      api.requests.all.map(({ authorization }) => authorization),
      ['Bearer first', 'Bearer second'],
    );
    await client.close();
  });
});

async function failureOf(work: Promise<unknown>): Promise<KubernetesError> {
  return work.then(
    () => assert.fail('it succeeded'),
    (error: KubernetesError) => error,
  );
}
