import { assert } from 'chai';
import {
  type DiscoveryPlan,
  DiscoveryPlanError,
  planDiscovery,
  startDiscovery,
} from '../../src/composition/discovering.ts';
import { PodRegistry } from '../../src/pods/registry.ts';
import { aConfig } from '../support/builders.ts';
import { kubeconfigText, kubeFolder } from '../support/kube-access.ts';

const plan = (environment: Record<string, string>): DiscoveryPlan => planDiscovery(aConfig(environment));

describe('where pods are known from', () => {
  for (const [environment, sources] of [
    [{ WARMROUTE_PODS_FILE: '/pods' }, [{ kind: 'file', path: '/pods' }]],
    [{ WARMROUTE_DISCOVERY: 'file', WARMROUTE_PODS_FILE: '/pods' }, [{ kind: 'file', path: '/pods' }]],
    [
      { WARMROUTE_DISCOVERY: 'kubernetes' },
      [{ kind: 'kubernetes', selector: 'model.aibrix.ai/name', namespaces: undefined }],
    ],
    [
      { WARMROUTE_DISCOVERY: 'inference-pool', WARMROUTE_INFERENCE_POOL: 'llm/p' },
      [{ kind: 'inference-pool', namespace: 'llm', name: 'p' }],
    ],
    [
      {
        ...{ WARMROUTE_DISCOVERY: 'inference-pool,kubernetes,file', WARMROUTE_PODS_FILE: '/pods' },
        ...{ WARMROUTE_INFERENCE_POOL: 'p', WARMROUTE_KUBERNETES_SELECTOR: 'app=vllm,tier' },
        WARMROUTE_KUBERNETES_NAMESPACES: 'a,b',
      },
      [
        { kind: 'file', path: '/pods' },
        { kind: 'kubernetes', selector: 'app=vllm,tier', namespaces: ['a', 'b'] },
        { kind: 'inference-pool', namespace: undefined, name: 'p' },
      ],
    ],
  ] as const) {
    it(`is by ${JSON.stringify(environment)}`, () =>
      assert.deepEqual(plan(environment), { kind: 'valid', sources } as DiscoveryPlan));
  }

  for (const [environment, problem] of [
    [{}, /^WARMROUTE_PODS_FILE is not set: .* or set WARMROUTE_DISCOVERY to kubernetes or inference-pool$/],
    [{ WARMROUTE_DISCOVERY: 'file' }, /^WARMROUTE_PODS_FILE is not set: give it/],
    [
      { WARMROUTE_DISCOVERY: 'kubernetes', WARMROUTE_PODS_FILE: '/pods' },
      /^WARMROUTE_PODS_FILE is set, and WARMROUTE_DISCOVERY does not name file/,
    ],
    [{ WARMROUTE_DISCOVERY: 'inference-pool' }, /^WARMROUTE_INFERENCE_POOL is not set: give it/],
    [{ WARMROUTE_INFERENCE_POOL: 'p' }, /^WARMROUTE_INFERENCE_POOL is set, and WARMROUTE_DISCOVERY does not/],
    [
      { WARMROUTE_DISCOVERY: 'kubernetes', WARMROUTE_KUBERNETES_SELECTOR: 'a=(b)' },
      /^WARMROUTE_KUBERNETES_SELECTOR=a=\(b\): "a=\(b\)" is no requirement/,
    ],
  ] as const) {
    it(`is not clear by ${JSON.stringify(environment)}`, () => {
      const planned = plan(environment);
      assert.lengthOf(planned.kind === 'invalid' ? planned.problems : [], 1);
      assert.match(planned.kind === 'invalid' ? planned.problems[0]! : '', problem);
    });
  }

  /** What a start ends with that is not to succeed. */
  async function errorOf(environment: Record<string, string>, ending?: AbortSignal): Promise<unknown> {
    const unused = () => assert.fail();
    const started = startDiscovery(aConfig(environment), {
      registry: new PodRegistry(),
      scheme: 'http',
      access: { apiKey: undefined, ca: undefined },
      environment,
      ...(ending && { ending }),
      ...{
        onProblem: unused,
        onReload: unused,
        onWatchFact: unused,
        onPoolFound: unused,
        onProgress: unused,
      },
    });
    return started.catch((error: unknown) => error);
  }

  it('is not started where it is not clear', async () => {
    assert.instanceOf(await errorOf({}), DiscoveryPlanError);
  });

  it('is not waited for by an end that comes before the credentials', async () => {
    const folder = await kubeFolder();
    const exec = {
      apiVersion: 'client.authentication.k8s.io/v1',
      command: 'sleep',
      args: ['1'],
      interactiveMode: 'Never',
    };
    const text = kubeconfigText({ server: 'https://127.0.0.1:1', user: { exec } });
    const environment = {
      ...process.env,
      WARMROUTE_DISCOVERY: 'kubernetes',
      KUBECONFIG: await folder.write('config', text),
    };
    const reason = new Error('SIGTERM');
    assert.strictEqual(
      await errorOf(environment as Record<string, string>, AbortSignal.abort(reason)),
      reason,
    );
    const ending = new AbortController();
    const error = errorOf(environment as Record<string, string>, ending.signal);
    ending.abort(reason);
    assert.strictEqual(await error, reason);
    await folder.remove();
  });
});
