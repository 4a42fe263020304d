import { assert } from 'chai';
import type { Pod } from '../../src/domain.ts';
import { retriesFor, retriesOf } from '../../src/routing/retries.ts';
import { aPod } from '../support/builders.ts';

const a = aPod({ name: 'a', port: 1 });
const b = aPod({ name: 'b', port: 2 });
const c = aPod({ name: 'c', port: 3 });
const d = aPod({ name: 'd', port: 4 });

describe('retries', () => {
  it('go to the least loaded of the others, in order', () => {
    assert.deepEqual(
      retriesOf(a, [a, b, c, d], [0, 5, 1, 3], () => 0, 2),
      [c, d],
    );
  });

  it('are as many as there are pods for, where more are asked for', () => {
    assert.deepEqual(
      retriesOf(a, [a, b, c, d], [0, 5, 1, 3], () => 0, 7),
      [c, d, b],
    );
    assert.deepEqual(
      retriesOf(a, [a, b], [0, 9], () => 0, 7),
      [b, a],
    );
    assert.deepEqual([1, 2, 3, 4, 8].map(retriesFor), [2, 2, 2, 3, 7]);
  });

  it('are shared out among equals', () => {
    const first = (random: number) => retriesOf(a, [a, b, c, d], [0, 2, 2, 2], () => random, 2)[0];
    assert.deepEqual([0, 0.3, 0.6, 0.9].map(first), [b, b, c, d]);
  });

  it('come again to those there are', () => {
    assert.deepEqual(
      retriesOf(a, [a, b], [0, 9], () => 0, 2),
      [b, a],
    );
    assert.deepEqual(
      retriesOf(a, [a], [0], () => 0, 2),
      [a, a],
    );
  });

  it('do not all stay in the zone of the pick, which may have failed as a whole', () => {
    const [a1, a2, a3] = [1, 2, 3].map(port => aPod({ name: `a${port}`, port, zone: 'a' })) as [
      Pod,
      Pod,
      Pod,
    ];
    const [b1, b2] = [4, 5].map(port => aPod({ name: `b${port}`, port, zone: 'b' })) as [Pod, Pod];
    const retries = (pods: readonly Pod[], running: readonly number[], count = 2) =>
      retriesOf(a1, pods, running, () => 0, count).map(({ name }) => name);
    assert.deepEqual(retries([a1, a2, a3, b1, b2], [0, 0, 0, 9, 8]), ['a2', 'b5']);
    assert.deepEqual(retries([a1, a2, a3, b1, b2], [0, 0, 0, 9, 8], 4), ['a2', 'b5', 'a3', 'b4']);
    assert.deepEqual(retries([a1, a2, a3, b1], [0, 3, 2, 1]), ['b4', 'a3']);
    assert.deepEqual(retries([a1, a2, a3], [0, 3, 2]), ['a3', 'a2']);
    const [nowhere, unknown] = [aPod({ name: 'nowhere', port: 6 }), aPod({ name: 'unknown', port: 7 })];
    assert.deepEqual(retries([a1, a2, a3, nowhere], [0, 0, 1, 2]), ['a2', 'a3']);
    assert.deepEqual(
      retriesOf(unknown, [unknown, a2, a3, b1], [0, 0, 1, 2], () => 0, 2),
      [a2, a3],
    );
  });

  it('leave out a pod that is only tried', () => {
    assert.deepEqual(
      retriesOf(a, [b], [9], () => 0, 2),
      [b, b],
    );
    assert.deepEqual(
      retriesOf(a, [b, c], [9, 1], () => 0, 2),
      [c, b],
    );
  });
});
