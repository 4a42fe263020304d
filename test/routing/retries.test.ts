import { assert } from 'chai';
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
