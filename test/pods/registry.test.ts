import { assert } from 'chai';
import { ANY_MODEL, type Pod } from '../../src/domain.ts';
import { PodRegistry } from '../../src/pods/registry.ts';
import { entryAt, type PodEntry, type PodSpec } from '../../src/pods/spec.ts';
import { recordChanges } from './recorder.ts';

function spec(name: string, more: Partial<PodSpec & Pick<Pod, 'incarnation'>> = {}): PodSpec {
  return {
    name,
    address: '10.0.0.1',
    port: 8000,
    model: 'base',
    aliases: [],
    kvEvents: { kind: 'none' },
    labels: {},
    ...more,
  };
}

function entry(name: string, more: Parameters<typeof spec>[1] = {}): PodEntry {
  const one = spec(name, more);
  return entryAt(one, [one.address]);
}

const names = (pods: readonly Pod[]) => pods.map(pod => pod.name);

describe('PodRegistry', () => {
  it('knows nothing at first', () => {
    const registry = new PodRegistry();
    assert.isFalse(registry.ready);
    assert.isFalse(registry.knows('base'));
    assert.deepEqual([registry.pods(), registry.models(), registry.serving('base')], [[], [], []]);
  });

  it('finds pods by model and by alias, ordered by name', () => {
    const registry = new PodRegistry();
    registry.replace([entry('b', { aliases: ['lora', 'base'] }), entry('c', { model: 'other' }), entry('a')]);
    assert.isTrue(registry.ready);
    assert.deepEqual(names(registry.pods()), ['a', 'b', 'c']);
    assert.deepEqual(names(registry.serving('base')), ['a', 'b']);
    assert.deepEqual(names(registry.serving('lora')), ['b']);
    assert.deepEqual(names(registry.serving('unknown')), []);
  });

  it('gives the same arrays until something changes', () => {
    const registry = new PodRegistry();
    registry.replace([entry('a'), entry('b')]);
    const before = [registry.serving('base'), registry.pods(), registry.models()];
    registry.replace([entry('a'), entry('b')]);
    const after = [registry.serving('base'), registry.pods(), registry.models()];
    before.forEach((array, index) => {
      assert.strictEqual(array, after[index]);
    });
    registry.replace([entry('a')]);
    assert.notStrictEqual(registry.serving('base'), before[0]);
    assert.strictEqual(registry.serving('x'), registry.serving('y'));
  });

  it('knows the models of entries that have no pod yet', () => {
    const registry = new PodRegistry();
    registry.replace([entryAt(spec('a', { aliases: ['lora'] }), [])]);
    assert.isTrue(registry.knows('base'));
    assert.isTrue(registry.knows('lora'));
    assert.isFalse(registry.ready);
    assert.deepEqual(registry.serving('lora'), []);
    registry.replace([]);
    assert.isFalse(registry.knows('base'));
  });

  it('lists every name with its base model, and a base model as its own root', () => {
    const registry = new PodRegistry();
    registry.replace([entry('a', { aliases: ['lora', 'second'] }), entry('b', { model: 'second' })]);
    assert.deepEqual(registry.models(), [
      { id: 'base', root: 'base' },
      { id: 'lora', root: 'base' },
      { id: 'second', root: 'second' },
    ]);
  });

  it('knows an only model where every pod serves every name', () => {
    const registry = new PodRegistry();
    assert.isUndefined(registry.onlyModel);
    registry.replace([entry('a'), entry('b')]);
    assert.equal(registry.onlyModel, 'base');
    registry.replace([entry('a', { aliases: ['lora'] }), entry('b', { aliases: ['lora'] })]);
    assert.equal(registry.onlyModel, 'base');
    for (const others of [
      [entry('a'), entry('b', { aliases: ['lora'] })],
      [entry('a'), entry('b', { model: 'other' })],
      // Nobody serves it now.
      [entry('a'), entryAt(spec('b', { model: 'other' }), [])],
      [],
    ]) {
      registry.replace(others);
      assert.isUndefined(registry.onlyModel);
    }
  });

  it('tells new subscribers of the pods that are there, and no longer after they unsubscribed', () => {
    const registry = new PodRegistry();
    registry.replace([entry('b'), entry('a')]);
    const joined: string[] = [];
    const unsubscribe = registry.subscribe({
      joined: pod => joined.push(pod.name),
      left: () => assert.fail(),
    });
    assert.deepEqual(joined, ['a', 'b']);
    registry.replace([entry('a'), entry('b'), entry('c')]);
    assert.deepEqual(joined, ['a', 'b', 'c']);
    unsubscribe();
    registry.replace([]);
    assert.deepEqual(joined, ['a', 'b', 'c']);
  });

  it('keeps two subscriptions of one listener apart', () => {
    const registry = new PodRegistry();
    const joined: string[] = [];
    const listener = { joined: (pod: Pod) => void joined.push(pod.name), left: () => {} };
    const unsubscribe = registry.subscribe(listener);
    registry.subscribe(listener);
    unsubscribe();
    registry.replace([entry('a')]);
    assert.deepEqual(joined, ['a']);
  });

  it('shows the new state before it tells', () => {
    const registry = new PodRegistry();
    registry.subscribe({
      joined: pod => assert.include(registry.serving('base'), pod),
      left: pod => assert.notInclude(registry.pods(), pod),
    });
    registry.replace([entry('a')]);
    registry.replace([entry('b')]);
  });

  it('leaves pods alone that did not change', () => {
    const registry = new PodRegistry();
    registry.replace([entry('a', { labels: { zone: 'a' } }), entry('b')]);
    const [a] = registry.pods();
    const changes = recordChanges(registry);
    changes.take();
    registry.replace([entry('c'), entry('a', { labels: { zone: 'a' } })]);
    assert.strictEqual(registry.pods()[0], a);
    assert.deepEqual(changes.notes, ['left b@10.0.0.1', 'joined c@10.0.0.1', 'changed']);
  });

  const zmq = { kind: 'zmq', port: 5557, replayPort: undefined, ranks: 1 } as const;
  for (const [what, more] of Object.entries({
    address: { address: '10.0.0.2' },
    port: { port: 8001 },
    model: { model: 'other' },
    'event source': { kvEvents: zmq },
    incarnation: { incarnation: '2' },
  })) {
    it(`lets a pod leave and join again when its ${what} changes`, () => {
      const registry = new PodRegistry();
      registry.replace([entry('a')]);
      const changes = recordChanges(registry);
      changes.take();
      registry.replace([entry('a', more)]);
      assert.deepEqual(changes.notes, ['left a@10.0.0.1', `joined a@${registry.pods()[0]?.ip}`, 'changed']);
      assert.deepInclude(registry.pods()[0], entry('a', more).pods[0]);
    });
  }

  it('takes over new labels, aliases and zones without the pod leaving', () => {
    const registry = new PodRegistry();
    registry.replace([entry('a')]);
    const changes = recordChanges(registry);
    changes.take();
    registry.replace([entry('a', { aliases: ['lora'], labels: { zone: 'b' }, zone: 'b' })]);
    assert.deepEqual(changes.notes, ['changed']);
    assert.equal(registry.pods()[0]!.zone, 'b');
    assert.deepEqual(registry.serving('lora')[0]?.labels, { zone: 'b' });
  });

  it('keeps a pod that is not ready any more, and gives it no requests', () => {
    const registry = new PodRegistry();
    const [serving, other] = [entry('a'), entry('b', { aliases: ['lora'] })];
    const unready = { ...other, pods: [], unready: other.pods };
    registry.replace([serving, other]);
    assert.isUndefined(registry.onlyModel);
    const changes: string[] = [];
    registry.subscribe({
      joined: () => {},
      left: pod => changes.push(`left ${pod.name}`),
      becameUnready: pod => changes.push(`unready ${pod.name}`),
      becameReady: pod => changes.push(`ready ${pod.name}`),
    });
    registry.replace([serving, unready]);
    assert.deepEqual(names(registry.pods()), ['a', 'b']);
    assert.deepEqual([registry.isUnready('a'), registry.isUnready('b')], [false, true]);
    assert.deepEqual(names(registry.serving('base')), ['a']);
    assert.deepEqual(names(registry.serving(ANY_MODEL)), ['a']);
    assert.deepEqual([registry.knows('lora'), names(registry.serving('lora'))], [true, []]);
    registry.replace([unready]);
    assert.isFalse(registry.ready);
    registry.replace([other]);
    assert.deepEqual(names(registry.serving('lora')), ['b']);
    assert.deepEqual(changes, ['unready b', 'left a', 'ready b']);
  });

  it('refuses two pods of one name and keeps what it has', () => {
    const registry = new PodRegistry();
    registry.replace([entry('a')]);
    assert.throws(() => registry.replace([entry('b'), entry('b', { port: 1 })]), 'two pods are named "b"');
    assert.deepEqual(names(registry.pods()), ['a']);
  });
});

describe('entryAt', () => {
  it('names the pod like the entry when there is one address', () => {
    assert.deepEqual(
      entryAt(spec('a'), ['10.0.0.9']).pods.map(pod => [pod.name, pod.ip]),
      [['a', '10.0.0.9']],
    );
  });

  it('adds the address to the name when there are several', () => {
    assert.deepEqual(names(entryAt(spec('a'), ['10.0.0.1', '::1']).pods), ['a/10.0.0.1', 'a/::1']);
  });
});
