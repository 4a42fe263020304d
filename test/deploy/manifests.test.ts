import { existsSync, globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { assert } from 'chai';
import { parse, parseAllDocuments } from 'yaml';
import { PROJECT } from '../../scripts/chart/files.ts';
import { REMOVED_EARLY } from '../../scripts/chart/program.ts';
import { SETTINGS } from '../../src/settings/settings.ts';
import { type Container, type KubernetesObject, manifests, objectsOf } from '../support/manifests.ts';

const CLUSTER_SCOPED = ['ClusterRole', 'ClusterRoleBinding', 'GatewayClass'];

describe('the manifests in deploy/', () => {
  for (const path of manifests()) {
    it(`${path} holds Kubernetes objects of the namespace llm`, async () => {
      const objects = await objectsOf(path);
      assert.isNotEmpty(objects);
      for (const { apiVersion, kind, metadata } of objects) {
        assert.match(apiVersion, /^[a-z0-9./]+$/);
        assert.isNotEmpty(metadata.name);
        assert.equal(metadata.namespace, CLUSTER_SCOPED.includes(kind) ? undefined : 'llm', kind);
      }
    });
  }
});

describe('the rendered Deployment', () => {
  let deployment: KubernetesObject;
  let router: Container;

  before(async () => {
    deployment = await only('deploy/kubernetes/warmroute.yaml', 'Deployment');
    [router] = deployment.spec.template.spec.containers as [Container];
  });

  it('has no rights that it does not need', () => {
    const { securityContext } = deployment.spec.template.spec;
    assert.include(securityContext, { runAsNonRoot: true, runAsUser: 1000 });
    assert.deepEqual(securityContext.seccompProfile, { type: 'RuntimeDefault' });
    assert.deepEqual(router.securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
  });

  it('has time for a whole drain', () => {
    const drainMs = Number(SETTINGS.drainMs.fallback) + Number(SETTINGS.drainBodiesMs.fallback);
    assert.isAtLeast(deployment.spec.template.spec.terminationGracePeriodSeconds, drainMs / 1000 + 10);
  });

  it('asks liveness and readiness of the admin port, which is never TLS', () => {
    const admin = router.ports.find(({ name }) => name === 'admin');
    assert.equal(`0.0.0.0:${admin?.containerPort}`, SETTINGS.adminAddress.fallback);
    assert.deepEqual(router.livenessProbe.httpGet, { path: '/healthz', port: 'admin' });
    assert.deepEqual(router.readinessProbe.httpGet, { path: '/readyz', port: 'admin' });
  });

  it('may read pods, and nothing else', async () => {
    const role = await only('deploy/kubernetes/warmroute.yaml', 'Role');
    assert.deepEqual(role.rules, [{ apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'watch'] }]);
  });
});

describe('the policies of Envoy Gateway', () => {
  it('remove the headers that envoy/warmroute.yaml removes', async () => {
    const policy = await only('deploy/envoy-gateway/policies.yaml', 'ClientTrafficPolicy');
    const envoy = await readFile(`${PROJECT}envoy/warmroute.yaml`, 'utf8');
    const there = [...envoy.matchAll(/^ +- remove: (.*)$/gm)].map(([, name]) => name);
    assert.sameMembers(policy.spec.headers.earlyRequestHeaders.remove, there);
    assert.sameMembers([...REMOVED_EARLY], there);
  });

  it('let through the paths that envoy/warmroute.yaml lets through', async () => {
    const route = await only('deploy/envoy-gateway/gateway.yaml', 'HTTPRoute');
    const envoy = await readFile(`${PROJECT}envoy/warmroute.yaml`, 'utf8');
    const [, regex] = /regex: "(\/v1\/.*)"/.exec(envoy) ?? [];
    assert.equal(route.spec.rules[0].matches[0].path.value, regex);
  });
});

describe('the engines in deploy/', () => {
  for (const path of manifests().filter(each => /^deploy\/(vllm|sglang)\//.test(each))) {
    it(`${path} says of its events what the engine is told`, async () => {
      const { template } = (await only(path, 'Deployment')).spec;
      const { labels, annotations = {} } = template.metadata;
      const [engine] = template.spec.containers as [Container];
      const said = annotations['warmroute.dev/kv-events']
        ? {
            port: Number(annotations['warmroute.dev/kv-events-port']),
            replay: Number(annotations['warmroute.dev/replay-port']),
            ranks: Number(annotations['warmroute.dev/ranks']),
          }
        : { port: 5557, replay: 5558, ranks: 1 };
      if (!annotations['warmroute.dev/kv-events'])
        assert.equal(labels['model.aibrix.ai/kv-events-enabled'], 'true');

      const flag = engine.args.find(arg => arg.startsWith('--kv-events-config='));
      const config = JSON.parse(flag?.slice('--kv-events-config='.length) ?? '');
      assert.equal(config.endpoint, `tcp://*:${said.port}`);
      assert.equal(config.replay_endpoint, `tcp://*:${said.replay}`);
      assert.equal(config.publisher, 'zmq');

      const ranks = Array.from({ length: said.ranks }, (_, rank) => rank);
      const ports = [8000, ...ranks.flatMap(rank => [said.port + rank, said.replay + rank])];
      assert.sameMembers(
        engine.ports.map(({ containerPort }) => containerPort),
        ports,
        'declared ports',
      );
      assert.include(engine.args, `--served-model-name=${labels['model.aibrix.ai/name']}`);
      assert.include(engine.args, `--port=${labels['model.aibrix.ai/port']}`);
      if (said.ranks > 1) assert.include(engine.args, `--data-parallel-size=${said.ranks}`);

      const policy = await only('deploy/kubernetes/network-policy.yaml', 'NetworkPolicy');
      const open = policy.spec.egress[0].ports as { port: number; endPort?: number }[];
      for (const port of ports)
        assert.isTrue(
          open.some(each => port >= each.port && port <= (each.endPort ?? each.port)),
          `${port} is closed by the NetworkPolicy`,
        );
    });
  }
});

describe('docs/deploying.md', () => {
  it('names files that exist', async () => {
    const page = await readFile(`${PROJECT}docs/deploying.md`, 'utf8');
    const named = new Set(Array.from(page.matchAll(/\b(?:deploy|envoy)\/[\w/-]+\.yaml/g), ([path]) => path));
    assert.isAbove(named.size, 5);
    for (const path of named) assert.isTrue(existsSync(`${PROJECT}${path}`), path);
  });
});

describe('every YAML file of the project', () => {
  it('can be read', async () => {
    for (const path of globSync('{envoy,deploy/**}/*.{yaml,yml}', { cwd: PROJECT })) {
      if (path.includes('/templates/')) continue;
      for (const { errors } of parseAllDocuments(await readFile(`${PROJECT}${path}`, 'utf8'))) {
        assert.isEmpty(errors, path);
      }
    }
    assert.isObject(parse(await readFile(`${PROJECT}docker-compose.yml`, 'utf8'), { merge: true }));
  });
});

async function only(path: string, kind: string): Promise<KubernetesObject> {
  const found = (await objectsOf(path)).filter(object => object.kind === kind);
  assert.lengthOf(found, 1, `${kind} in ${path}`);
  return found[0]!;
}
