/** Every manifest of deploy/, and what the chart makes of several uses, against a real API server that checks strictly. */
import { assert } from 'chai';
import { USES } from '../support/kube/chart-values.ts';
import { type Helm, helmForTests } from '../support/kube/helm.ts';
import { type KubernetesObject, manifests, objectsIn, objectsOf } from '../support/manifests.ts';
import { ControlPlane } from './world/control-plane.ts';

describe('the API server takes', function () {
  this.timeout(120_000);
  let plane: ControlPlane | undefined;
  let helm: Helm | undefined;

  before(async function () {
    helm = await helmForTests();
    plane = await ControlPlane.start();
    if (plane === undefined) {
      console.warn('SKIPPED: no manifest is checked, since there is no kube-apiserver or kubectl');
      return this.skip();
    }
    await plane.applyCrds();
    for (const namespace of ['llm', 'team-a', 'team-b', 'models', 'gateways'])
      await plane.mustKubectl(['create', 'namespace', namespace]);
  });

  after(() => plane?.stop());

  /** Skips objects of kinds that the server does not know: their CustomResourceDefinition is not there. */
  const take = async (context: Mocha.Context, objects: readonly KubernetesObject[]) => {
    const served = await plane!.mustKubectl(['api-resources', '--no-headers', '-o', 'wide']);
    const known = ({ apiVersion, kind }: KubernetesObject) =>
      served.split('\n').some(line => line.includes(` ${apiVersion} `) && line.includes(` ${kind} `));
    const unknown = objects.filter(object => !known(object));
    if (unknown.length > 0) {
      console.warn(`SKIPPED: no CustomResourceDefinition of ${unknown.map(({ kind }) => kind).join(', ')}`);
      context.skip();
    }
    const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
    const args = ['apply', '--dry-run=server', '--validate=strict', '-f', '-'];
    const { code, stdout, stderr } = await plane!.kubectl(args, list);
    assert.equal(code, 0, stderr);
    assert.lengthOf(stdout.trim().split('\n'), objects.length);
  };

  for (const path of manifests())
    it(path, async function () {
      await take(this, await objectsOf(path));
    });

  for (const [use, values] of Object.entries(USES))
    it(`the chart ${use}`, async function () {
      if (helm === undefined) return this.skip();
      const { code, stdout, stderr } = await helm.template(values);
      assert.equal(code, 0, stderr);
      await take(this, objectsIn(stdout));
    });

  it('nothing that is wrong', async () => {
    const [deployment] = (await objectsOf('deploy/kubernetes/warmroute.yaml')).filter(
      ({ kind }) => kind === 'Deployment',
    );
    const spec = { ...deployment?.spec, replicaz: 2 };
    const args = ['apply', '--dry-run=server', '--validate=strict', '-f', '-'];
    const { code, stderr } = await plane!.kubectl(args, JSON.stringify({ ...deployment, spec }));
    assert.notEqual(code, 0);
    assert.include(stderr, 'unknown field "spec.replicaz"');
  });
});
