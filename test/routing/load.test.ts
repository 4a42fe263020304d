import { assert } from 'chai';
import { Load } from '../../src/routing/load.ts';
import { aPod } from '../support/builders.ts';

describe('the load', () => {
  const a = aPod({ name: 'a', port: 1 });
  const b = aPod({ name: 'b', port: 2 });

  it('counts the requests in flight on each pod', () => {
    const load = new Load();
    const leases = [load.begin(a), load.begin(a), load.begin(b)];
    assert.deepEqual([load.running(a), load.running(b), load.total()], [2, 1, 3]);
    leases[0]!.release();
    assert.deepEqual([load.running(a), load.running(b), load.total()], [1, 1, 2]);
  });

  it('counts a release once, however often it is called', () => {
    const load = new Load();
    const lease = load.begin(a);
    load.begin(a);
    for (let i = 0; i < 3; i++) lease.release();
    assert.equal(load.running(a), 1);
  });

  it('is zero again when all have ended, in whatever order', () => {
    const load = new Load();
    const leases = Array.from({ length: 10 }, (_, i) => load.begin(i % 2 ? a : b));
    for (const i of [3, 1, 9, 0, 2, 8, 7, 4, 6, 5]) leases[i]!.release();
    for (const lease of leases) lease.release();
    assert.deepEqual([load.running(a), load.running(b), load.total()], [0, 0, 0]);
  });

  it('is that of an address: a pod whose labels change keeps it', () => {
    const load = new Load();
    const lease = load.begin(a);
    const changed = { ...a, labels: { tier: 'gold' } };
    assert.equal(load.running(changed), 1);
    lease.release();
    assert.equal(load.running(changed), 0);
  });
});
