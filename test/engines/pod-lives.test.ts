import { assert } from 'chai';
import { PodLives } from '../../src/engines/pod-lives.ts';
import { PodRegistry } from '../../src/pods/registry.ts';
import { aPod } from '../support/builders.ts';

const entry = (name: string, port: number) => {
  const pod = aPod({ name, port });
  return { spec: { ...pod, address: pod.ip }, pods: [pod] };
};

describe('the life of pods', () => {
  let registry: PodRegistry;
  let said: string[];
  let unexpected: unknown[];
  let lives: PodLives;

  const keeper = (name: string) => ({
    joined: ({ name: pod }: { readonly name: string }) => void said.push(`${name} joined ${pod}`),
    left: ({ name: pod }: { readonly name: string }) => void said.push(`${name} left ${pod}`),
    changed: () => void said.push(`${name} changed`),
  });

  beforeEach(() => {
    registry = new PodRegistry();
    said = [];
    unexpected = [];
  });
  afterEach(() => lives.stop());

  it('begins with all keepers in order, and ends with them in the reverse order', () => {
    lives = new PodLives(registry, [keeper('one'), {}, keeper('two')], error => unexpected.push(error));
    registry.replace([entry('a', 1)]);
    assert.deepEqual(said.splice(0), ['one joined a', 'two joined a', 'one changed', 'two changed']);
    registry.replace([]);
    assert.deepEqual(said, ['two left a', 'one left a', 'one changed', 'two changed']);
  });

  it('goes on whatever one keeper throws', () => {
    const broken = () => {
      throw new Error('of a keeper');
    };
    const bad = { joined: broken, left: broken, changed: broken };
    lives = new PodLives(registry, [bad, keeper('one'), bad], error => unexpected.push(error));
    registry.replace([entry('a', 1)]);
    registry.replace([]);
    assert.deepEqual(said, ['one joined a', 'one changed', 'one left a', 'one changed']);
    assert.lengthOf(unexpected, 8);
  });

  it('is told of pods that were there before, and of none after the stop', () => {
    registry.replace([entry('a', 1)]);
    lives = new PodLives(registry, [keeper('one')], error => unexpected.push(error));
    assert.deepEqual(said, ['one joined a']);
    lives.stop();
    registry.replace([entry('b', 2)]);
    assert.lengthOf(said, 1);
  });

  it('is worked off in slices, a whole pod at a time', async () => {
    const busy = {
      joined() {
        for (const until = performance.now() + 2; performance.now() < until; );
      },
    };
    lives = new PodLives(registry, [keeper('one'), busy, keeper('two')], error => unexpected.push(error));
    registry.replace(Array.from({ length: 20 }, (_, i) => entry(`p${i}`, i + 1)));
    assert.isBelow(said.length, 40);
    assert.equal(said.length % 2, 0);
    while (said.length < 42) await new Promise(setImmediate);
    assert.deepEqual(said.slice(-2), ['one changed', 'two changed']);
  });
});
