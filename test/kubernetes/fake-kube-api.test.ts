/** The fake API server answers as a real one did when it was asked the same (scripts/record-kubernetes.ts). */
import { readdirSync, readFileSync } from 'node:fs';
import { assert } from 'chai';
import { eventually } from '../support/eventually.ts';
import { FakeKubeApi, INFERENCE_POOLS, type KubeObject } from '../support/fake-kube-api.ts';

interface Answer {
  readonly path: string;
  readonly status: number;
  readonly contentType: string;
  readonly lines: readonly unknown[];
}

const NAMESPACE = 'recorded';
const RECORDINGS = readdirSync(new URL('../fixtures/', import.meta.url)).filter(name =>
  /^kubernetes-\d/.test(name),
);

for (const recording of RECORDINGS) {
  const recorded = (name: string): Answer =>
    JSON.parse(readFileSync(new URL(`../fixtures/${recording}/${name}.json`, import.meta.url), 'utf8'));

  describe(`the fake API server answers as ${recording}`, () => {
    let api: FakeKubeApi;

    beforeEach(async () => {
      api = await FakeKubeApi.start();
    });
    afterEach(() => api.close());

    const pod = (name: string, labels: Record<string, string> = {}, more: object = {}) =>
      api.put({ metadata: { name, namespace: NAMESPACE, labels, ...more } });

    async function ask(path: string, token?: string): Promise<Answer> {
      const response = await fetch(api.url + path, {
        ...(token && { headers: { authorization: `Bearer ${token}` } }),
      });
      const lines = (await response.text()).split('\n').filter(line => line !== '');
      return {
        path,
        status: response.status,
        contentType: response.headers.get('content-type')!,
        lines: lines.map(line => (line.startsWith('{') ? JSON.parse(line) : line)),
      };
    }

    async function compare(name: string, options: { readonly path?: string; readonly token?: string } = {}) {
      const real = recorded(name);
      const path = options.path ?? real.path;
      const fake = await ask(path, options.token);
      assert.deepEqual(comparable({ ...fake, path }), comparable({ ...real, path }));
      return fake;
    }

    it('to lists', async () => {
      await compare('list-empty');
      pod('a', { served: '' });
      pod('b', { served: '' });
      api.put({ metadata: { name: 'pool', namespace: NAMESPACE } }, INFERENCE_POOLS);
      const first = await compare('list-first-page');
      const token = (first.lines[0] as { metadata: { continue: string } }).metadata.continue;
      await compare('list-last-page', {
        path: `/api/v1/namespaces/${NAMESPACE}/pods?limit=1&continue=${token}`,
      });
      await compare('list-selected');
      await compare('list-custom');
      await compare('get');
      api.compact();
      await compare('continue-too-old', {
        path: `/api/v1/namespaces/${NAMESPACE}/pods?limit=1&continue=${token}`,
      });
    });

    it('to what is not there, or not allowed', async () => {
      await compare('get-missing');
      await compare('resource-missing');
      await compare('group-missing');
      api.tokens = new Map([['known', 'forbidden']]);
      await compare('unauthorized', { token: 'not-a-token' });
      await compare('forbidden', { token: 'known' });
      await compare('forbidden-everywhere', { token: 'known' });
      await compare('forbidden-custom', { token: 'known' });
    });

    it('to a watch', async () => {
      const path = recorded('watch').path.replace(/\d+$/, String(api.revision));
      const asking = ask(path);
      const watch = await api.watches.next();
      pod('c', { served: '' });
      pod('c', { served: '', more: '' });
      pod('c', { more: '' });
      pod('c', { served: '' });
      const deleted = { deletionTimestamp: '2026-09-01T12:00:00Z' };
      api.delete(pod('c', { served: '' }, deleted).metadata);
      api.bookmark();
      watch.end();
      const real = recorded('watch');
      assert.deepEqual(comparable({ ...(await asking), path }), comparable({ ...real, path }));
    });

    it('to a watch from a version that is too old', async () => {
      api.compact();
      await compare('watch-too-old');
      api.expiry = 'status';
      assert.equal((await ask(recorded('watch-too-old').path)).status, 410);
    });
  });
}

describe('the fake API server', () => {
  it('lists in pages as it was at the first one', async () => {
    const api = await FakeKubeApi.start();
    for (const name of ['a', 'b', 'c']) api.put({ metadata: { name, namespace: 'x' } });
    const page = async (query: string) =>
      (await fetch(`${api.url}/api/v1/pods?limit=2${query}`)).json() as Promise<{
        metadata: { continue: string };
        items: KubeObject[];
      }>;
    const first = await page('');
    api.delete({ name: 'a', namespace: 'x' });
    api.put({ metadata: { name: 'b2', namespace: 'x' } });
    const second = await page(`&continue=${first.metadata.continue}`);
    assert.deepEqual(
      [...first.items, ...second.items].map(({ metadata }) => metadata.name),
      ['a', 'b', 'c'],
    );
    await api.close();
  });

  it('ends with its connections', async () => {
    const api = await FakeKubeApi.start();
    const watching = fetch(`${api.url}/api/v1/pods?watch=true&resourceVersion=${api.revision}`).then(answer =>
      answer.text(),
    );
    await eventually('it is watched', () => api.openWatches.length === 1);
    await api.close();
    assert.instanceOf(await watching.catch(error => error), Error);
  });
});

/** Without what differs from one time to the next, and without fields that nobody here looks at. */
function comparable(answer: Answer): unknown {
  return JSON.parse(JSON.stringify(answer), (key, value) => {
    if (key === 'generation' || key === 'deletionGracePeriodSeconds') return undefined;
    if (/^(uid|resourceVersion|continue|.*Timestamp)$/.test(key) && value !== '') return `some ${key}`;
    if (key === 'labels' && Object.keys(value).length === 0) return undefined;
    if (key === 'message') return value.replace(/\d+/g, 'N');
    return value;
  });
}
