import { assert } from 'chai';
import { ANY_RANK, Holders } from '../../src/prefix-index/holders.ts';
import { holder } from '../support/blocks.ts';

describe('holders', () => {
  let holders: Holders;
  beforeEach(() => {
    holders = new Holders();
  });

  it('are small integers, one for each pod and rank', () => {
    const ids = [holders.ensure('a', 0), holders.ensure('a', 1), holders.ensure('b', 0)];
    assert.deepEqual(ids.map(Number), [0, 1, 2]);
    assert.equal(holders.ensure('a', ANY_RANK), holder(3));
    assert.equal(holders.ensure('a', 1), ids[1]);
  });

  it('are found by pod and rank, and say whose they are', () => {
    const id = holders.ensure('a', 1);
    assert.equal(holders.find('a', 1), id);
    assert.deepEqual(holders.get(id), { pod: 'a', rank: 1 });
    for (const [pod, rank] of [
      ['a', 0],
      ['a', ANY_RANK],
      ['b', 1],
    ] as const) {
      assert.isUndefined(holders.find(pod, rank));
    }
    assert.isUndefined(holders.get(holder(99)));
  });

  it('know all ranks of a pod', () => {
    const ids = [holders.ensure('a', 0), holders.ensure('a', ANY_RANK)];
    holders.ensure('b', 0);
    assert.sameMembers(holders.of('a'), ids);
    assert.deepEqual(holders.of('nobody'), []);
  });

  it('are used again after the pod has gone, and those of others stay', () => {
    const freed = [holders.ensure('a', 0), holders.ensure('a', 1)];
    const other = holders.ensure('b', 0);
    holders.release('a');
    for (const id of freed) assert.isUndefined(holders.get(id));
    assert.deepEqual(holders.of('a'), []);
    assert.isUndefined(holders.find('a', 0));
    assert.equal(holders.find('b', 0), other);
    const again = [holders.ensure('c', 0), holders.ensure('c', 1)];
    assert.sameMembers(again, freed);
    assert.deepEqual(holders.get(again[0]!), { pod: 'c', rank: 0 });
    assert.equal(Number(holders.ensure('c', 2)), 3);
  });

  it('may be released of a pod that nobody knows, and twice', () => {
    const id = holders.ensure('a', 0);
    holders.release('nobody');
    holders.release('a');
    holders.release('a');
    assert.equal(holders.ensure('b', 0), id);
    assert.equal(Number(holders.ensure('b', 1)), 1);
  });
});
