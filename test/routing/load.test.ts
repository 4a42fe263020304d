import { assert } from 'chai';
import { Load } from '../../src/routing/load.ts';
import { aPod } from '../support/builders.ts';
import { collector } from '../support/memory.ts';

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

  it('is told of many pods at once, in their order, as it is at that moment', () => {
    const load = new Load();
    const pods = [b, a];
    assert.deepEqual([...load.runningOn(pods)], [0, 0]);
    load.begin(a);
    const lease = load.begin(b);
    load.begin(b);
    assert.deepEqual([...load.runningOn(pods)], [2, 1]);
    lease.release();
    assert.deepEqual([...load.runningOn(pods)], [1, 1]);
    assert.deepEqual([...load.runningOn([a])], [1]);
    assert.deepEqual([...load.runningOn([])], []);
  });

  it('of a pod that is gone is forgotten when its last request has ended', () => {
    const load = new Load();
    const [first, second] = [load.begin(a), load.begin(a)];
    load.forget(a);
    load.forget(aPod({ name: 'nobody', port: 99 }));
    first.release();
    assert.deepEqual([load.running(a), load.total()], [1, 1]);
    second.release();
    assert.deepEqual([load.running(a), load.total()], [0, 0]);
    const newcomer = load.begin(a);
    second.release();
    assert.deepEqual([load.running(a), load.total()], [1, 1]);
    newcomer.release();
    assert.deepEqual([load.running(a), load.total()], [0, 0]);
  });

  it('of a pod that leaves and comes again, under another name perhaps, counts on', () => {
    const load = new Load();
    const lease = load.begin(a);
    load.forget(a);
    const again = aPod({ name: 'other', port: 1 });
    const pods = [again, b];
    assert.deepEqual([...load.runningOn(pods)], [1, 0]);
    lease.release();
    assert.deepEqual([...load.runningOn(pods)], [0, 0]);
    load.begin(again);
    assert.deepEqual([...load.runningOn(pods)], [1, 0]);
  });

  it('keeps nothing of pods that are gone, whether their last requests ended before or after', async () => {
    const PODS = 50_000;
    /** Bytes for each. A counter takes some 150. */
    const NOISE = 40;
    const collect = collector();
    const load = new Load();
    const comeAndGo = (from: number) => {
      for (let i = 0; i < PODS; i++) {
        const pod = aPod({ name: 'gone', ip: `10.${from}.${i >> 8}.${i & 255}` });
        const lease = load.begin(pod);
        if (i % 2 === 0) load.forget(pod);
        lease.release();
        if (i % 2 === 1) load.forget(pod);
      }
    };
    comeAndGo(0);
    const before = await collect();
    comeAndGo(1);
    assert.isBelow((await collect()) - before, NOISE * PODS);
  });
});
