/** deploy/aibrix on a real API server: the swap, and the way back. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assert } from 'chai';
import { parse, parseAllDocuments, stringify } from 'yaml';
import { readManifests } from '../../src/migration/manifests.ts';
import { migrate } from '../../src/migration/migrate.ts';
import { ControlPlane } from './world/control-plane.ts';

const NAMESPACE = 'aibrix-system';
const IN = ['--namespace', NAMESPACE];
const SERVICE = ['service', 'aibrix-gateway-plugins', ...IN];
const AIBRIX = ['deployment', 'aibrix-gateway-plugins', ...IN];
const ACCOUNT = `--as=system:serviceaccount:${NAMESPACE}:warmroute`;

const deployFile = (name: string) => fileURLToPath(new URL(`../../deploy/aibrix/${name}`, import.meta.url));
const fixture = (name: string) =>
  fileURLToPath(new URL(`../fixtures/aibrix-0.7.0-${name}.yaml`, import.meta.url));

interface Meta {
  readonly name: string;
  readonly resourceVersion: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

interface Service {
  readonly metadata: Meta;
  readonly spec: {
    readonly selector: Readonly<Record<string, string>>;
    readonly ports: readonly { readonly port: number; readonly targetPort: number }[];
  };
}

interface Deployment {
  readonly metadata: Meta;
  readonly spec: {
    readonly template: {
      readonly metadata: object;
      readonly spec: {
        readonly containers: readonly { readonly ports: readonly { readonly containerPort: number }[] }[];
      };
    };
  };
}

let plane: ControlPlane;

const kubectl = (args: readonly string[], input?: string) => plane.mustKubectl(args, input);

async function kubeObject<T>(...args: readonly string[]): Promise<T> {
  return JSON.parse(await kubectl(['get', ...args, '-o', 'json'])) as T;
}

/** What AIBrix installs, of kinds that this API server knows; returns those that are for Envoy, as arguments of `kubectl get`. */
async function applyAibrix(name: string): Promise<readonly (readonly string[])[]> {
  const served = await kubectl(['api-resources', '--no-headers', '--cached=false']);
  const known = new Set(
    served
      .trim()
      .split('\n')
      .map(line => line.trim().split(/\s+/).at(-1)),
  );
  const documents = parseAllDocuments(await readFile(fixture(name), 'utf8')).map(
    document =>
      document.toJS() as { readonly kind: string; readonly apiVersion: string; readonly metadata: Meta },
  );
  const items = documents.filter(({ kind, metadata }) => known.has(kind) && !metadata.name.includes('redis'));
  await kubectl(['apply', ...IN, '-f', '-'], stringify({ apiVersion: 'v1', kind: 'List', items }));
  return items
    .filter(({ apiVersion }) => /gateway/.test(apiVersion))
    .map(({ kind, metadata }) => [kind.toLowerCase(), metadata.name, ...IN]);
}

/** A pod as a Deployment's ReplicaSet makes it. */
async function createPod(deployment: string): Promise<void> {
  const { template } = (await kubeObject<Deployment>('deployment', deployment, ...IN)).spec;
  const metadata = { ...template.metadata, name: `${deployment}-pod`, namespace: NAMESPACE };
  await kubectl(['apply', '-f', '-'], stringify({ ...template, apiVersion: 'v1', kind: 'Pod', metadata }));
}

/** The pods that AIBrix's Service leads to. */
async function selected(): Promise<readonly string[]> {
  const { selector } = (await kubeObject<Service>(...SERVICE)).spec;
  const labels = Object.entries(selector).map(([key, value]) => `${key}=${value}`);
  const pods = await kubeObject<{ items: readonly { metadata: Meta }[] }>(
    'pods',
    ...IN,
    '-l',
    labels.join(','),
  );
  return pods.items.map(({ metadata }) => metadata.name);
}

const versionsOf = (objects: readonly (readonly string[])[]) =>
  Promise.all(objects.map(async args => (await kubeObject<Service>(...args)).metadata.resourceVersion));

const patch = (file: string) => kubectl(['patch', ...SERVICE, '--patch-file', deployFile(file)]);

/** All that is the operator's; not what the server counts. */
function wanted({ metadata: { name, labels, annotations }, spec }: Service) {
  return { name, labels, annotations, spec };
}

describe('deploy/aibrix, on a real API server', function () {
  this.timeout(60_000);

  before(async function () {
    const started = await ControlPlane.start();
    if (started === undefined) {
      console.warn('SKIPPED: deploy/aibrix is not tried, since there is no kube-apiserver or kubectl');
      return this.skip();
    }
    plane = started;
    await plane.applyCrds();
    await kubectl(['create', 'namespace', NAMESPACE]);
  });
  after(() => plane?.stop());

  for (const [what, installed, swap, swapBack] of [
    ['AIBrix’s manifests', 'core', 'swap.yaml', 'swap-back.yaml'],
    ['AIBrix’s chart', 'helm', 'swap-helm.yaml', 'swap-back-helm.yaml'],
  ] as const) {
    describe(`beside what ${what} install`, () => {
      let original: Service;
      let aibrix: Deployment;
      let forEnvoy: readonly (readonly string[])[];
      let versions: readonly string[];

      before(async () => {
        forEnvoy = await applyAibrix(installed);
        versions = await versionsOf(forEnvoy);
        await createPod('aibrix-gateway-plugins');
        original = await kubeObject(...SERVICE);
        aibrix = await kubeObject(...AIBRIX);
      });
      after(async () => {
        const names = ['aibrix-gateway-plugins', 'warmroute'];
        await kubectl(['delete', 'service,deployment', ...IN, '--ignore-not-found', ...names]);
        const pods = names.map(name => `${name}-pod`);
        await kubectl(['delete', 'pod', ...IN, '--ignore-not-found', '--force', '--grace-period=0', ...pods]);
      });

      it('is accepted as it is, and takes no request yet', async () => {
        const file = deployFile('warmroute.yaml');
        await kubectl(['apply', '--dry-run=server', '--validate=strict', '-f', file]);
        await kubectl(['apply', '--validate=strict', '-f', file]);
        await createPod('warmroute');
        assert.deepEqual(await selected(), ['aibrix-gateway-plugins-pod']);
      });

      it('may get, list and watch pods of all namespaces, and nothing else', async () => {
        const can = (verb: string, what: string) =>
          plane
            .kubectl(['auth', 'can-i', verb, what, '--all-namespaces', ACCOUNT])
            .then(({ code }) => code === 0);
        for (const verb of ['get', 'list', 'watch']) assert.isTrue(await can(verb, 'pods'), verb);
        for (const verb of ['create', 'update', 'patch', 'delete'])
          assert.isFalse(await can(verb, 'pods'), verb);
        for (const what of ['secrets', 'configmaps', 'services', 'nodes', 'deployments.apps'])
          assert.isFalse(await can('list', what), what);
      });

      it('takes all requests with one patch, on the ports that AIBrix’s Service has', async () => {
        await patch(swap);
        assert.deepEqual(await selected(), ['warmroute-pod']);
        const service = await kubeObject<Service>(...SERVICE);
        assert.deepEqual(
          wanted({ ...service, spec: { ...service.spec, selector: original.spec.selector } }),
          wanted(original),
        );
        const { template } = (await kubeObject<Deployment>('deployment', 'warmroute', ...IN)).spec;
        const listening = template.spec.containers.flatMap(({ ports }) =>
          ports.map(port => port.containerPort),
        );
        const reached = service.spec.ports.map(port => port.targetPort);
        assert.sameMembers(
          reached,
          [...listening, 6060],
          'profiling is where AIBrix has it on loopback only',
        );
      });

      it('leaves AIBrix’s own workload alone, its routes and policies', async () => {
        const { metadata } = await kubeObject<Deployment>(...AIBRIX);
        assert.equal(metadata.resourceVersion, aibrix.metadata.resourceVersion);
        assert.deepEqual(await versionsOf(forEnvoy), versions);
        if (forEnvoy.length === 0)
          console.warn('SKIPPED: no CustomResourceDefinitions of Gateway API and Envoy Gateway');
      });

      it('gives all requests back with another patch, and then nothing is left', async () => {
        await patch(swapBack);
        assert.deepEqual(await selected(), ['aibrix-gateway-plugins-pod']);
        assert.deepEqual(wanted(await kubeObject<Service>(...SERVICE)), wanted(original));
      });

      it('gives them back when AIBrix is installed again, rather than to nobody', async () => {
        await patch(swap);
        await applyAibrix(installed);
        assert.deepEqual(await selected(), ['aibrix-gateway-plugins-pod']);
        assert.deepEqual(wanted(await kubeObject<Service>(...SERVICE)), wanted(original));
      });

      it('is what migrate-from-aibrix reads out of the cluster', async () => {
        const text = await kubectl(['get', 'deployments,services', ...IN, '-o', 'yaml']);
        const { objects, problems } = readManifests(text);
        assert.deepEqual(problems, []);
        const migrated = migrate(objects);
        if (migrated.kind === 'problem') assert.fail(migrated.problem.reason);
        assert.deepEqual(migrated.migration.swap, { service: 'aibrix-gateway-plugins', file: swap });
        const { config } = migrated.migration.values as { config: Record<string, unknown> };
        const { config: shipped } = parse(await readFile(deployFile('values.yaml'), 'utf8')) as {
          config: Record<string, unknown>;
        };
        // Without the ClientTrafficPolicy there is no limit to take over.
        const { WARMROUTE_MAX_BODY_BYTES: _, ...rest } = shipped;
        assert.include(config, rest);
      });
    });
  }

  it('fits into an overlay of kustomize over AIBrix’s own', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'warmroute-overlay-'));
    try {
      for (const path of [fixture('core'), deployFile('warmroute.yaml'), deployFile('swap.yaml')])
        await writeFile(join(folder, path.split('/').at(-1)!), await readFile(path));
      const kustomization = {
        resources: ['aibrix-0.7.0-core.yaml', 'warmroute.yaml'],
        patches: [{ path: 'swap.yaml' }],
        images: [
          { name: 'ghcr.io/warmroute/warmroute', newName: 'registry.example.com/warmroute', newTag: '1.2.3' },
        ],
      };
      await writeFile(join(folder, 'kustomization.yaml'), stringify(kustomization));
      const built = parseAllDocuments(await kubectl(['kustomize', folder])).map(each => each.toJS()) as {
        kind: string;
        metadata: Meta;
        spec: Service['spec'];
      }[];
      const service = built.find(
        ({ kind, metadata }) => kind === 'Service' && metadata.name === 'aibrix-gateway-plugins',
      );
      assert.deepEqual(service?.spec.selector, { app: 'warmroute' });
      assert.include(JSON.stringify(built), '"image":"registry.example.com/warmroute:1.2.3"');
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
