import { existsSync } from 'node:fs';
import { chmod, readFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { assert } from 'chai';
import type { Environment } from '../../src/kubernetes/credentials.ts';
import { kubeconfig } from '../../src/kubernetes/kubeconfig.ts';
import { connectKubernetes, KubernetesError } from '../../src/kubernetes/kubernetes.ts';
import { serviceAccount } from '../../src/kubernetes/service-account.ts';
import { eventually } from '../support/eventually.ts';
import { type KubeFolder, kubeconfigText, kubeFolder } from '../support/kube-access.ts';

const SERVER = 'https://10.0.0.1:6443';
const SECRET = 's3cr3t-never-shown';
const NO_TLS = { ca: undefined, cert: undefined, key: undefined, serverName: undefined };

const { signal: never } = new AbortController();

let folder: KubeFolder;

beforeEach(async () => {
  folder = await kubeFolder();
});
afterEach(() => folder.remove());

async function failureOf(work: Promise<unknown>): Promise<KubernetesError> {
  const failure = await work.then(
    () => assert.fail('it succeeded'),
    (error: unknown) => error,
  );
  assert.instanceOf(failure, KubernetesError);
  assert.equal((failure as KubernetesError).kind, 'no_credentials');
  assert.notInclude(inspected(failure), SECRET);
  return failure as KubernetesError;
}

function inspected(error: unknown): string {
  const { message, cause } = error as Error;
  return `${message} ${cause === undefined ? '' : inspected(cause)}`;
}

describe('a mounted ServiceAccount', () => {
  const IN_CLUSTER = { KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '443' };

  async function mount(token: string): Promise<void> {
    await folder.write('token', token);
    await folder.write('ca.crt', 'the CA');
    await folder.write('namespace', 'serving');
  }

  it('is the credentials in a cluster, and read anew each time', async () => {
    await mount('first\n');
    const mounted = (await serviceAccount(IN_CLUSTER, folder.path))!;
    assert.deepInclude(mounted, { server: 'https://10.96.0.1', namespace: 'serving' });
    assert.deepEqual(await mounted.read(never), {
      authorization: 'Bearer first',
      tls: { ...NO_TLS, ca: 'the CA', serverCertificate: 'verified' },
    });
    await mount('second');
    await folder.write('ca.crt', 'the next CA');
    const { authorization, tls } = await mounted.read(never);
    assert.deepEqual([authorization, tls.ca], ['Bearer second', 'the next CA']);
  });

  it('may be of an API server with an IPv6 address', async () => {
    await mount('first');
    const mounted = await serviceAccount({ ...IN_CLUSTER, KUBERNETES_SERVICE_HOST: 'fd00::1' }, folder.path);
    assert.equal(mounted?.server, 'https://[fd00::1]');
  });

  it('is not there outside', async () => {
    assert.isUndefined(await serviceAccount({}, folder.path));
  });

  it('is missed with what to do about it', async () => {
    const { message } = await failureOf(
      connectKubernetes({ environment: IN_CLUSTER, serviceAccountDirectory: join(folder.path, 'nothing') }),
    );
    assert.match(message, /automountServiceAccountToken/);
  });

  it('has a token that may be in a header', async () => {
    await mount(`${SECRET}\r\nx-admin: yes`);
    const connecting = connectKubernetes({ environment: IN_CLUSTER, serviceAccountDirectory: folder.path });
    assert.match((await failureOf(connecting)).message, /one line/);
  });

  it('gives way to KUBECONFIG', async () => {
    await mount('first');
    const KUBECONFIG = await folder.write(
      'config',
      kubeconfigText({ server: SERVER, context: { namespace: 'other' } }),
    );
    const environment = { ...IN_CLUSTER, KUBECONFIG };
    const client = await connectKubernetes({ environment, serviceAccountDirectory: folder.path });
    assert.equal(client.namespace, 'other');
    await client.close();
  });
});

describe('a kubeconfig', () => {
  async function environmentOf(
    options: Partial<Parameters<typeof kubeconfigText>[0]> = {},
  ): Promise<Environment> {
    return { KUBECONFIG: await folder.write('config', kubeconfigText({ server: SERVER, ...options })) };
  }

  async function accessOf(options: Partial<Parameters<typeof kubeconfigText>[0]>) {
    return (await kubeconfig(await environmentOf(options))).read(never);
  }

  it('says where the API server is, without what does not belong into a URL', async () => {
    const environment = await environmentOf({
      server: `https://user:${SECRET}@rancher:8443/k8s/clusters/c-1/?x=1`,
    });
    const { server, namespace } = await kubeconfig(environment);
    assert.deepEqual([server, namespace], ['https://rancher:8443/k8s/clusters/c-1', 'default']);
  });

  it('has data before files, and files beside it', async () => {
    for (const name of ['ca', 'cert', 'key']) await folder.write(name, `${name} of the file`);
    const data = (text: string) => Buffer.from(text).toString('base64');
    const files = {
      cluster: { 'certificate-authority': 'ca', 'tls-server-name': 'kubernetes.test' },
      user: { 'client-certificate': 'cert', 'client-key': join(folder.path, 'key') },
    };
    const { authorization, tls } = await accessOf(files);
    assert.isUndefined(authorization);
    assert.deepEqual(tls, {
      ca: 'ca of the file',
      cert: 'cert of the file',
      key: 'key of the file',
      serverName: 'kubernetes.test',
      serverCertificate: 'verified',
    });
    const withData = await accessOf({
      cluster: { ...files.cluster, 'certificate-authority-data': data('CA') },
      user: { ...files.user, 'client-certificate-data': data('CERT'), 'client-key-data': data('KEY') },
    });
    assert.deepInclude(withData.tls, { ca: 'CA', cert: 'CERT', key: 'KEY' });
  });

  it('has a token, or better a file with one, which is read anew each time', async () => {
    assert.equal((await accessOf({ user: { token: 'abc' } })).authorization, 'Bearer abc');
    await folder.write('token', 'first');
    const credentials = await kubeconfig(await environmentOf({ user: { token: 'abc', tokenFile: 'token' } }));
    assert.equal((await credentials.read(never)).authorization, 'Bearer first');
    await folder.write('token', 'second');
    assert.equal((await credentials.read(never)).authorization, 'Bearer second');
  });

  it('is read anew each time, in the context of the start', async () => {
    const credentials = await kubeconfig(await environmentOf({ user: { token: 'first' } }));
    const text = kubeconfigText({ server: SERVER, user: { token: 'second' } });
    await folder.write('config', text.replace('"current-context":"test"', '"current-context":"elsewhere"'));
    assert.equal((await credentials.read(never)).authorization, 'Bearer second');
  });

  it('may leave the server’s certificate unchecked', async () => {
    const { tls } = await accessOf({ cluster: { 'insecure-skip-tls-verify': true } });
    assert.equal(tls.serverCertificate, 'not_verified');
  });

  it('may be in several files, of which the first that says something counts', async () => {
    const first = await folder.write(
      'first',
      'current-context: test\nusers: [{name: test, user: {token: abc}}]\n',
    );
    const second = await folder.write(
      'second',
      kubeconfigText({ server: SERVER, user: { token: 'xyz' } }).replace(
        '"current-context":"test"',
        '"current-context":"x"',
      ),
    );
    const KUBECONFIG = [join(folder.path, 'none'), first, second].join(delimiter);
    const credentials = await kubeconfig({ KUBECONFIG });
    assert.equal(credentials.server, SERVER);
    assert.equal((await credentials.read(never)).authorization, 'Bearer abc');
  });

  it('is at home where KUBECONFIG is not set', async () => {
    const { message } = await failureOf(kubeconfig({ HOME: folder.path }));
    assert.include(message, join(folder.path, '.kube', 'config'));
  });

  const unusable: Record<string, { readonly text: string; readonly says: RegExp }> = {
    'is no YAML': { text: `a: [${SECRET}\nb: }`, says: /line 2/ },
    'has an alias that leads nowhere': { text: 'clusters: *none', says: /aliases/ },
    'has aliases that lead too far': {
      text: [
        'a: &a [1, 1]',
        ...[...'bcdefgh'].map((to, i) => `${to}: &${to} [${Array(8).fill(`*${'abcdefg'[i]}`)}]`),
      ].join('\n'),
      says: /aliases/,
    },
    'is of another shape': { text: 'clusters: 7', says: /clusters/ },
    'is empty': { text: '', says: /use-context/ },
    'names a context that it does not have': { text: 'current-context: test', says: /context test/ },
    'has a server that is no URL': { text: kubeconfigText({ server: 'ftp://x' }), says: /https:/ },
    'has a token with a line break': {
      text: kubeconfigText({ server: SERVER, user: { token: `${SECRET}\nx` } }),
      says: /one line/,
    },
    'has a token that is no text': {
      text: kubeconfigText({ server: SERVER, user: { token: 7 } }),
      says: /user test: token/,
    },
    'names a file that is not there': {
      text: kubeconfigText({ server: SERVER, user: { tokenFile: 'none' } }),
      says: /none cannot be read: ENOENT/,
    },
    'wants a proxy': {
      text: kubeconfigText({ server: SERVER, cluster: { 'proxy-url': `http://u:${SECRET}@p` } }),
      says: /proxy-url/,
    },
    'has an auth-provider': {
      text: kubeconfigText({
        server: SERVER,
        user: { 'auth-provider': { name: 'gcp', config: { token: SECRET } } },
      }),
      says: /auth-provider/,
    },
    'has a password': {
      text: kubeconfigText({ server: SERVER, user: { username: 'me', password: SECRET } }),
      says: /password/,
    },
  };
  for (const [what, { text, says }] of Object.entries(unusable)) {
    it(`that ${what} is refused, by name`, async () => {
      const KUBECONFIG = await folder.write('config', text);
      const { message } = await failureOf(connectKubernetes({ environment: { KUBECONFIG } }));
      assert.match(message, says);
    });
  }

  it('is missed with what to do about it', async () => {
    assert.match((await failureOf(kubeconfig({}))).message, /set KUBECONFIG/);
    assert.match((await failureOf(kubeconfig({ KUBECONFIG: folder.path }))).message, /EISDIR/);
  });

  describe('with a credential plugin', () => {
    const PATH = process.env.PATH;

    /** A plugin that answers with what the script prints. */
    async function pluginOf(script: string, exec: object = {}): Promise<Environment> {
      await chmod(await folder.write('plugin', `#!/bin/sh\n${script}`), 0o755);
      const user = { exec: { apiVersion: 'client.authentication.k8s.io/v1', command: './plugin', ...exec } };
      return { ...(await environmentOf({ user })), PATH };
    }

    const credential = (status: object) =>
      JSON.stringify({ apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status });

    it('has what the plugin says, until it expires or is refused', async () => {
      const counting = (status: object) =>
        `echo x >> "$0.runs"; n=$(wc -l < "$0.runs")\ncat <<EOF\n${credential({ token: 'token-$n', ...status })}\nEOF`;
      const kept = await kubeconfig(await pluginOf(counting({})));
      assert.equal((await kept.read(never)).authorization, 'Bearer token-1');
      assert.equal((await kept.read(never)).authorization, 'Bearer token-1');
      kept.refused();
      assert.equal((await kept.read(never)).authorization, 'Bearer token-2');
      const expiring = await kubeconfig(
        await pluginOf(counting({ expirationTimestamp: '2020-01-01T00:00:00Z' })),
      );
      assert.equal((await expiring.read(never)).authorization, 'Bearer token-3');
      assert.equal((await expiring.read(never)).authorization, 'Bearer token-4');
    });

    it('has certificates, arguments and variables', async () => {
      const status = { clientCertificateData: 'CERT', clientKeyData: '$1 $COLOUR' };
      const script = `cat <<EOF\n${credential(status)}\nEOF`;
      const credentials = await kubeconfig(
        await pluginOf(script, { args: ['one'], env: [{ name: 'COLOUR', value: 'red' }] }),
      );
      assert.deepInclude((await credentials.read(never)).tls, { cert: 'CERT', key: 'one red' });
    });

    it('tells the plugin that nobody sits at a terminal', async () => {
      const script = `case "$KUBERNETES_EXEC_INFO" in *'"interactive":false'*) echo '${credential({ token: 'abc' })}';; esac`;
      const credentials = await kubeconfig(await pluginOf(script));
      assert.equal((await credentials.read(never)).authorization, 'Bearer abc');
    });

    for (const [what, script] of Object.entries({
      fails: `echo ${SECRET} >&2; echo ${SECRET}; exit 3`,
      'answers something else': `echo ${SECRET}`,
      'answers an unusable token': `echo '${credential({ token: `${SECRET} x` })}'`,
    })) {
      it(`is refused when it ${what}, without what it wrote`, async () => {
        const credentials = await kubeconfig(await pluginOf(script));
        assert.match((await failureOf(credentials.read(never))).message, /credential plugin .*plugin/);
      });
    }

    it('ends a plugin that hangs when nobody waits for it any more', async () => {
      const environment = await pluginOf('echo $$ > "$0.pid"; exec sleep 1000');
      const credentials = await kubeconfig(environment);
      const aborting = new AbortController();
      const reading = failureOf(credentials.read(aborting.signal));
      const pid = await eventually('it runs', async () =>
        Number(await readFile(join(folder.path, 'plugin.pid'), 'utf8').catch(() => 0)),
      );
      aborting.abort();
      await reading;
      await eventually('it has ended', () => !existsSync(`/proc/${pid}`));
    });

    it('is refused in a version that is not spoken', async () => {
      const environment = await pluginOf('', { apiVersion: 'client.authentication.k8s.io/v1alpha1' });
      assert.match((await failureOf(kubeconfig(environment))).message, /apiVersion/);
    });
  });
});
