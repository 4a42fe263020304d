import { assert } from 'chai';
import { type DiscoveryPlan, DiscoveryPlanError, planDiscovery, startDiscovery } from '../src/discovering.ts';
import { PodRegistry } from '../src/pods/registry.ts';
import { aConfig } from './support/builders.ts';

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

  it('is not started where it is not clear', async () => {
    const unused = () => assert.fail();
    const error = await startDiscovery(aConfig(), {
      registry: new PodRegistry(),
      scheme: 'http',
      access: { apiKey: undefined, ca: undefined },
      environment: {},
      ...{
        onProblem: unused,
        onReload: unused,
        onWatchFact: unused,
        onPoolFound: unused,
        onProgress: unused,
      },
    }).catch((error: unknown) => error);
    assert.instanceOf(error, DiscoveryPlanError);
  });
});
