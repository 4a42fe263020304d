import { assert } from 'chai';
import { readPod } from '../../../src/pods/kubernetes/pod-object.ts';
import { readPool } from '../../../src/pods/kubernetes/pool-object.ts';
import { inferencePool, type KubePodOptions, kubePod } from '../../support/kube-pods.ts';

const UID = '8c0f5a52-8d5e-4a3c-9a55-1f5c1f1f0001';

function aPod(given: Partial<KubePodOptions> = {}) {
  const object = kubePod({ name: 'a', ip: '10.0.0.1', ...given });
  return { ...object, metadata: { ...object.metadata, uid: UID } };
}

const conditionOf = (given: Partial<KubePodOptions>) => readPod(aPod(given))?.condition;

describe('a Pod of the Kubernetes API', () => {
  it('is kept as what matters of it', () => {
    const read = readPod(
      aPod({
        namespace: 'llm',
        labels: { app: 'vllm' },
        annotations: {
          'warmroute.dev/port': '1',
          'model.aibrix.ai/name': 'm',
          'kubectl.kubernetes.io/x': 'y',
        },
        containers: { engine: { ports: [8000], restarts: 2 }, proxy: {} },
      }),
    );
    assert.deepEqual(read, {
      key: 'llm/a',
      uid: UID,
      createdAt: '',
      labels: { app: 'vllm' },
      annotations: { 'warmroute.dev/port': '1', 'model.aibrix.ai/name': 'm' },
      ip: '10.0.0.1',
      condition: 'ready',
      containers: [
        { name: 'engine', ports: [8000], start: 'containerd://a-engine-2' },
        { name: 'proxy', ports: [], start: 'containerd://a-proxy-0' },
      ],
    });
  });

  it('is ready, may become so, or is over', () => {
    assert.equal(conditionOf({}), 'ready');
    assert.equal(conditionOf({ ready: false }), 'unready');
    assert.equal(conditionOf({ deletionTimestamp: '2026-09-01T12:00:00Z' }), 'over');
    assert.equal(conditionOf({ phase: 'Failed' }), 'over');
    assert.equal(conditionOf({ phase: 'Succeeded', ready: false }), 'over');
    assert.equal(readPod({ metadata: { ...aPod().metadata } })?.condition, 'unready');
  });

  it('has no address before it has one', () => {
    assert.isUndefined(readPod(aPod({ ip: undefined }))?.ip);
    assert.isUndefined(readPod(aPod({ ip: '' }))?.ip);
    assert.isUndefined(readPod(aPod({ ip: 'somewhere' }))?.ip);
    assert.equal(readPod(aPod({ ip: 'fd00::7' }))?.ip, 'fd00::7');
    assert.isUndefined(readPod(aPod({ ip: 'fd00::7%eth0' }))?.ip);
  });

  it('counts starts of a container where it has no id', () => {
    const object = aPod() as unknown as { status: { containerStatuses: object[] } };
    object.status.containerStatuses = [{ name: 'engine', restartCount: 3 }];
    assert.equal(readPod(object)?.containers[0]?.start, '3');
    object.status.containerStatuses = [];
    assert.equal(readPod(object)?.containers[0]?.start, '');
  });

  it('is left out when it is none', () => {
    for (const raw of [
      undefined,
      null,
      'pod',
      {},
      { metadata: { name: 'a' } },
      { ...aPod(), status: { conditions: 'all' } },
    ])
      assert.isUndefined(readPod(raw));
  });

  it('is bounded', () => {
    const many = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`label-${i}`, '']));
    const read = readPod(
      aPod({ labels: many, annotations: { 'warmroute.dev/aliases': 'a,'.repeat(10_000) } }),
    );
    assert.lengthOf(Object.keys(read!.labels), 256);
    assert.deepEqual(read!.annotations, {});
  });
});

describe('an InferencePool', () => {
  it('is a selector and ports', () => {
    assert.deepEqual(readPool(inferencePool('p', { b: '2', a: '1' }, [8001, 8000])), {
      selector: 'a=1,b=2',
      ports: [8001, 8000],
    });
    assert.equal(readPool(inferencePool('p', {}, [1]))?.selector, '');
  });

  it('is left out when it is none', () => {
    for (const raw of [undefined, {}, inferencePool('p', {}, []), inferencePool('p', {}, [70_000])])
      assert.isUndefined(readPool(raw));
  });
});
