import { assert } from 'chai';
import type { Pod } from '../../../src/domain.ts';
import type { EngineNames } from '../../../src/pods/kubernetes/engine-names.ts';
import { EnginePods } from '../../../src/pods/kubernetes/engine-pods.ts';
import type { EndpointPorts } from '../../../src/pods/kubernetes/engines-in-pod.ts';
import { type PodObject, readPod } from '../../../src/pods/kubernetes/pod-object.ts';
import type { PodProblem } from '../../../src/pods/kubernetes/pod-problem.ts';
import { PodSources } from '../../../src/pods/pod-sources.ts';
import { PodRegistry } from '../../../src/pods/registry.ts';
import { type KubePodOptions, kubePod } from '../../support/kube-pods.ts';
import { recordChanges } from '../recorder.ts';

const LABELS = { 'model.aibrix.ai/name': 'base' };

function object(given: Partial<KubePodOptions> & { uid?: string; createdAt?: string } = {}): PodObject {
  const { uid = 'uid-1', createdAt = '2026-09-01T12:00:00Z', ...options } = given;
  const pod = kubePod({ name: 'a', ip: '10.0.0.1', labels: LABELS, ...options });
  return readPod({ ...pod, metadata: { ...pod.metadata, uid, creationTimestamp: createdAt } })!;
}

describe('pods of Pods', () => {
  let registry: PodRegistry;
  let pods: EnginePods;
  let names: Map<string, EngineNames | 'none'>;
  let followed: readonly Pod[];
  let problems: PodProblem[];
  let changes: ReturnType<typeof recordChanges>;

  beforeEach(() => {
    registry = new PodRegistry();
    changes = recordChanges(registry);
    names = new Map();
    problems = [];
    pods = new EnginePods({
      sink: new PodSources(registry).add(),
      names: {
        follow: given => {
          followed = given;
        },
        of: name => names.get(name),
      },
      onProblem: problem => problems.push(problem),
    });
  });

  const update = (objects: readonly PodObject[], ports: EndpointPorts = 'own') => pods.update(objects, ports);
  const serving = (model = 'base') =>
    registry.serving(model).map(({ name, ip, port }) => `${name} ${ip}:${port}`);
  const known = () =>
    registry.pods().map(({ name }) => (registry.isUnready(name) ? `${name} unready` : name));

  it('are called namespace/name, and serve when they are ready', () => {
    update([object({ namespace: 'llm' }), object({ name: 'b', ip: '10.0.0.2', ready: false })]);
    assert.deepEqual(serving(), ['llm/a 10.0.0.1:8000']);
    assert.deepInclude(registry.pods()[0], { model: 'base', labels: LABELS, kvEvents: { kind: 'auto' } });
  });

  it('are known by their model before they can serve it', () => {
    update([
      object({ ip: undefined }),
      object({ name: 'b', labels: { 'model.aibrix.ai/name': 'other' }, ready: false }),
    ]);
    assert.isTrue(registry.knows('base'));
    assert.isTrue(registry.knows('other'));
    assert.isEmpty(known());
  });

  it('are unready while they are not ready any more, and lose nothing', () => {
    update([object()]);
    changes.take();
    update([object({ ready: false })]);
    assert.deepEqual(known(), ['default/a unready']);
    assert.isTrue(registry.knows('base'));
    assert.isFalse(registry.ready);
    update([object()]);
    assert.deepEqual(serving(), ['default/a 10.0.0.1:8000']);
    assert.deepEqual(changes.take(), ['changed', 'changed']);
  });

  for (const [what, next] of [
    ['being deleted', { deletionTimestamp: '2026-09-01T12:00:00Z' }],
    ['evicted', { phase: 'Failed' }],
    ['at its end', { phase: 'Succeeded' }],
    ['without an address', { ip: undefined }],
    ['a worker', { labels: { ...LABELS, 'ray.io/node-type': 'worker' } }],
    ['where no engine can be', { ip: '169.254.169.254' }],
  ] as const) {
    it(`leave when they are ${what}`, () => {
      update([object()]);
      update([object(next)]);
      assert.isEmpty(known());
    });
  }

  for (const [what, next] of [
    ['of another uid', { uid: 'uid-2' }],
    ['whose container started again', { containers: { engine: { restarts: 1 } } }],
    ['at another address', { ip: '10.0.0.9' }],
    ['at another port', { labels: { ...LABELS, 'model.aibrix.ai/port': '9000' } }],
    ['of another model', { labels: { 'model.aibrix.ai/name': 'other' } }],
    ['with other events', { annotations: { 'warmroute.dev/kv-events': 'none' } }],
  ] as const) {
    it(`are others ${what}`, () => {
      const before = '10.0.0.1';
      update([object()]);
      changes.take();
      update([object(next)]);
      assert.deepEqual(
        changes.take().filter(change => change !== 'changed'),
        [`left default/a@${before}`, `joined default/a@${'ip' in next ? next.ip : before}`],
      );
    });
  }

  it('are not known again until they are ready, if they are others', () => {
    update([object()]);
    update([object({ uid: 'uid-2', ready: false })]);
    assert.isEmpty(known());
  });

  it('stay when other labels, annotations or containers change', () => {
    const containers = { engine: { ports: [8000] }, proxy: {} };
    update([object({ containers })]);
    changes.take();
    update([
      object({
        containers: { ...containers, proxy: { restarts: 5 } },
        labels: { ...LABELS, tier: 'gold' },
        annotations: {
          ...{
            'warmroute.dev/aliases': 'alias',
            'warmroute.dev/zone': 'b',
            'warmroute.dev/tokenizer': 'a/b',
          },
        },
      }),
    ]);
    assert.deepInclude(registry.pods()[0], {
      ...{ labels: { ...LABELS, tier: 'gold' }, zone: 'b', tokenizer: { kind: 'name', name: 'a/b' } },
    });
    assert.deepEqual(serving('alias'), ['default/a 10.0.0.1:8000']);
    assert.notInclude(changes.take().join(), 'left');
  });

  it('have metrics on a port of their own, unless they are several', () => {
    const annotations = { 'warmroute.dev/metrics-port': '9001' };
    const ports = () => registry.pods().map(({ metricsPort }) => metricsPort);
    update([object({ annotations })]);
    assert.deepEqual(ports(), [9001]);
    update([object({ annotations })], [8000, 8001]);
    assert.deepEqual(ports(), [undefined, undefined]);
  });

  it('have their engine in the container that is named, that declares the port, or that is first', () => {
    const containers = { proxy: { ports: [80] }, engine: { ports: [8000] } };
    const restarts = (which: keyof typeof containers) => ({
      containers: { ...containers, [which]: { ...containers[which], restarts: 1 } },
    });
    for (const [annotations, which, isOther] of [
      [{}, 'proxy', false],
      [{}, 'engine', true],
      [{ 'warmroute.dev/container': 'proxy' }, 'proxy', true],
      [{ 'warmroute.dev/container': 'proxy' }, 'engine', false],
      [{ 'warmroute.dev/port': '9000' }, 'proxy', true],
    ] as [Record<string, string>, keyof typeof containers, boolean][]) {
      update([object({ containers, annotations })]);
      changes.take();
      update([object({ ...restarts(which), annotations })]);
      assert.equal(
        changes.take().join().includes('left'),
        isOther,
        `${JSON.stringify(annotations)} ${which}`,
      );
    }
  });

  describe('and what their engines say', () => {
    it('is asked of those that are ready, or were', () => {
      update([object(), object({ name: 'b', ip: '10.0.0.2', ready: false })]);
      assert.deepEqual(
        followed.map(({ name }) => name),
        ['default/a'],
      );
      update([object({ ready: false })]);
      assert.deepEqual(
        followed.map(({ name }) => name),
        ['default/a'],
      );
      update([object({ deletionTimestamp: 'now' })]);
      assert.isEmpty(followed);
    });

    it('is their model where nothing else says it', () => {
      update([object({ labels: {} })]);
      assert.isEmpty(known());
      assert.equal(pods.unnamed, 1);
      names.set('default/a', { names: ['org/base', 'short'], adapters: ['sql'] });
      pods.publish();
      assert.equal(pods.unnamed, 0);
      assert.deepInclude(registry.pods()[0], { model: 'org/base', aliases: ['short', 'sql'] });
    });

    it('are adapters that come and go, and the pod stays', () => {
      names.set('default/a', { names: ['base'], adapters: [] });
      update([object()]);
      changes.take();
      names.set('default/a', { names: ['base'], adapters: ['sql'] });
      pods.publish();
      assert.deepEqual(serving('sql'), ['default/a 10.0.0.1:8000']);
      names.set('default/a', { names: ['base'], adapters: [] });
      pods.publish();
      assert.isFalse(registry.knows('sql'));
      assert.notInclude(changes.take().join(), 'left');
    });

    it('is told once where it is not what the label says, or nothing at all', () => {
      names.set('default/a', { names: ['other'], adapters: [] });
      names.set('default/b', 'none');
      for (let i = 0; i < 3; i++) update([object(), object({ name: 'b', ip: '10.0.0.2', labels: {} })]);
      assert.deepEqual(problems, [
        { kind: 'model_not_served', pod: 'default/a', model: 'base', served: ['other'] },
        { kind: 'no_model', pod: 'default/b' },
      ]);
      assert.equal(pods.unnamed, 1);
    });

    it('is a guest’s word: names are bounded', () => {
      names.set('default/a', {
        names: ['base', ' ', 'x'.repeat(513)],
        adapters: Array.from({ length: 5_000 }, (_, i) => `lora-${i}`),
      });
      update([object()]);
      assert.lengthOf(registry.pods()[0]!.aliases, 1_024);
    });
  });

  describe('with several ports', () => {
    it('are an engine for each, which publishes on a port of its own', () => {
      const annotations = { 'warmroute.dev/kv-events-port': '6000', 'warmroute.dev/replay-port': '6100' };
      update([object({ annotations })], [8000, 8001]);
      assert.deepEqual(serving(), ['default/a:8000 10.0.0.1:8000', 'default/a:8001 10.0.0.1:8001']);
      assert.deepEqual(
        registry.pods().map(({ kvEvents }) => kvEvents),
        [
          { kind: 'zmq', port: 6000, replayPort: 6100, ranks: 1 },
          { kind: 'zmq', port: 6001, replayPort: 6101, ranks: 1 },
        ],
      );
    });

    it('have no replay on ports that events are published on, and are asked where ports do not suffice', () => {
      const events = (annotations: Record<string, string>) => {
        update([object({ annotations })], [8000, 8001]);
        return registry.pods()[1]!.kvEvents;
      };
      assert.deepEqual(events({ 'warmroute.dev/kv-events': 'zmq' }), {
        ...{ kind: 'zmq', port: 5558, replayPort: undefined, ranks: 1 },
      });
      assert.deepEqual(events({ 'warmroute.dev/kv-events-port': '65535' }), { kind: 'auto' });
      assert.deepEqual(events({}), { kind: 'auto' });
    });

    it('are called as the pod is while they are one', () => {
      update([object()], [9000]);
      assert.deepEqual(serving(), ['default/a 10.0.0.1:9000']);
    });
  });

  it('tell once what cannot be read of them, and again when they are made again', () => {
    const bad = { annotations: { 'warmroute.dev/port': 'http' } };
    update([object(bad)]);
    update([object(bad)]);
    assert.lengthOf(problems, 1);
    assert.deepInclude(problems[0], { kind: 'bad_annotation', pod: 'default/a', key: 'warmroute.dev/port' });
    assert.deepEqual(serving(), ['default/a 10.0.0.1:8000']);
    update([]);
    update([object(bad)]);
    assert.lengthOf(problems, 2);
  });

  it('tell so much and no more of a pod whose annotations are wrong in ever new ways', () => {
    for (let i = 0; i < 100; i++)
      update([object({ annotations: { 'warmroute.dev/port': `${i} ${'x'.repeat(1_000)}` } })]);
    assert.lengthOf(problems, 32);
    for (const problem of problems) {
      assert(problem.kind === 'bad_annotation');
      assert.isAtMost(problem.value.length, 100);
    }
  });

  it('get nothing where no engine can be, and say so', () => {
    update([object({ ip: '224.0.0.1' })]);
    assert.deepEqual(problems, [
      { kind: 'impossible_address', pod: 'default/a', ip: '224.0.0.1', what: 'multicast' },
    ]);
  });

  it('are one at an address: the ready one, else the oldest', () => {
    const [young, old] = [object({ createdAt: '2026-09-02T00:00:00Z' }), object({ name: 'b' })];
    update([young, old]);
    assert.deepEqual(serving(), ['default/b 10.0.0.1:8000']);
    assert.deepEqual(problems, [
      { kind: 'shared_address', pod: 'default/a', endpoint: '10.0.0.1:8000', with: 'default/b' },
    ]);
    update([young, object({ name: 'b', ready: false })]);
    assert.deepEqual(known(), ['default/a']);
    update([]);
    assert.isEmpty(known());
  });
});
