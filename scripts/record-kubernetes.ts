/**
 * Records what a real API server answers, for the test that compares the fake one with it:
 *
 *   KUBECONFIG=admin.kubeconfig node scripts/record-kubernetes.ts test/fixtures/kubernetes-VERSION
 *
 * Needs kubectl, etcdctl with ETCDCTL_ENDPOINTS, in RESTART a command that restarts the API server, a server with nothing in it that
 * matters, and the definition of InferencePool (v1) installed. Everything is written to the namespace `recorded`.
 */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { get, type RequestOptions } from 'node:https';
import { join } from 'node:path';
import { kubeconfig } from '../src/kubernetes/kubeconfig.ts';

const directory = process.argv[2]!;
const NAMESPACE = 'recorded';
const PODS = `/api/v1/namespaces/${NAMESPACE}/pods`;
const POOLS = `/apis/inference.networking.k8s.io/v1/namespaces/${NAMESPACE}/inferencepools`;

const BULK: ReadonlySet<string> = new Set(['managedFields', 'annotations', 'spec']);

const credentials = await kubeconfig(process.env);
const { tls } = await credentials.read(new AbortController().signal);

function kubectl(args: readonly string[], input = ''): string {
  return execFileSync('kubectl', args, { input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'inherit'] });
}

function apply(...objects: readonly object[]): void {
  for (const object of objects) kubectl(['apply', '-f', '-'], JSON.stringify(object));
}

async function open(path: string, token?: string): Promise<IncomingMessage> {
  const { ca, cert, key } = tls;
  const options: RequestOptions =
    token === undefined
      ? { ca, cert, key, agent: false }
      : { ca, agent: false, headers: { authorization: `Bearer ${token}` } };
  const [response] = (await once(get(credentials.server + path, options), 'response')) as [IncomingMessage];
  return response.setEncoding('utf8');
}

/** Keeps one answer, without what makes objects long. */
function keep(name: string, path: string, { statusCode, headers }: IncomingMessage, body: string): void {
  const lines = body
    .split('\n')
    .filter(line => line !== '')
    .map(line => (line.startsWith('{') ? withoutBulk(JSON.parse(line)) : line));
  const answer = {
    path,
    status: statusCode,
    contentType: headers['content-type'],
    retryAfter: headers['retry-after'],
    lines,
  };
  writeFileSync(join(directory, `${name}.json`), `${JSON.stringify(answer, undefined, 2)}\n`);
}

function withoutBulk(value: unknown): unknown {
  const isBulk = (key: string, inner: unknown) =>
    BULK.has(key) || (key === 'status' && typeof inner === 'object');
  return JSON.parse(JSON.stringify(value, (key, inner) => (isBulk(key, inner) ? undefined : inner)));
}

async function answer(name: string, path: string, token?: string): Promise<string> {
  const response = await open(path, token);
  let body = '';
  for await (const chunk of response) body += chunk;
  keep(name, path, response, body);
  return body;
}

/** What a watch tells of `happens`, and what comes after it until a bookmark. */
async function watch(name: string, path: string, happens: () => void): Promise<void> {
  const response = await open(path);
  let body = '';
  happens();
  for await (const chunk of response) {
    body += chunk;
    if (/"type":"BOOKMARK"[^\n]*\n/.test(body)) break;
  }
  keep(name, path, response, body);
}

const pod = (name: string, labels: Record<string, string> = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: NAMESPACE, labels },
  spec: { containers: [{ name: 'c', image: 'example/none' }] },
});
const pool = {
  apiVersion: 'inference.networking.k8s.io/v1',
  kind: 'InferencePool',
  metadata: { name: 'pool', namespace: NAMESPACE },
  spec: {
    selector: { matchLabels: { app: 'x' } },
    targetPorts: [{ number: 8000 }],
    endpointPickerRef: { name: 'x', port: { number: 1 } },
  },
};
const versionOf = (text: string): string => JSON.parse(text).metadata.resourceVersion;

mkdirSync(directory, { recursive: true });
apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } });
apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'warmroute', namespace: NAMESPACE } });
const token = kubectl(['create', 'token', 'warmroute', '-n', NAMESPACE]).trim();

await answer('list-empty', `${PODS}?limit=500`);
apply(pod('a', { served: '' }), pod('b', { served: '' }), pool);
const first = JSON.parse(await answer('list-first-page', `${PODS}?limit=1`));
await answer('list-last-page', `${PODS}?limit=1&continue=${first.metadata.continue}`);
await answer('list-selected', `${PODS}?limit=1&labelSelector=served`);
await answer('list-custom', `${POOLS}?limit=500`);
await answer('get', `${PODS}/a`);
await answer('get-missing', `${PODS}/none`);
await answer('resource-missing', '/apis/inference.networking.k8s.io/v1/unheardof');
await answer('group-missing', '/apis/unheard.of/v1/things');
await answer('unauthorized', PODS, 'not-a-token');
await answer('forbidden', PODS, token);
await answer('forbidden-everywhere', '/api/v1/pods', token);
await answer('forbidden-custom', POOLS, token);
const version = versionOf(await answer('list', PODS));
const watching = `watch=true&allowWatchBookmarks=true&labelSelector=served&timeoutSeconds=120&resourceVersion=${version}`;
await watch('watch', `${PODS}?${watching}`, () => {
  apply(
    pod('c', { served: '' }),
    pod('c', { served: '', more: '' }),
    pod('c', { more: '' }),
    pod('c', { served: '' }),
  );
  kubectl(['delete', 'pod', 'c', '-n', NAMESPACE, '--force', '--grace-period=0']);
});
apply(pod('b', { served: '', more: '' }));
const now = versionOf(await answer('list', PODS));
execFileSync('etcdctl', ['compact', now], { stdio: 'inherit' });
// The API server remembers what etcd has forgotten, until it starts again.
execFileSync('bash', ['-c', process.env.RESTART!], { stdio: 'inherit' });
await answer('watch-too-old', `${PODS}?watch=true&timeoutSeconds=2&resourceVersion=1`);
await answer('continue-too-old', `${PODS}?limit=1&continue=${first.metadata.continue}`);
await answer('version-of-the-future', `${PODS}?resourceVersion=${Number(now) + 1_000_000}`);
await answer('version-unreadable', `${PODS}?watch=true&timeoutSeconds=2&resourceVersion=x`);
kubectl(['delete', 'pod', 'a', 'b', '-n', NAMESPACE, '--force', '--grace-period=0']);
kubectl(['delete', 'inferencepool', 'pool', '-n', NAMESPACE]);
