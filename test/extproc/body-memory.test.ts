import { assert } from 'chai';
import { type BodyLease, BodyMemory } from '../../src/extproc/body/body-memory.ts';

/** Leases with names; what was let go is noted, in order. */
class Bench {
  readonly memory: BodyMemory;
  readonly letGo: string[] = [];
  constructor(bytes: number) {
    this.memory = new BodyMemory(bytes);
  }

  lease(name: string, then: (lease: BodyLease) => void = lease => lease.release()): BodyLease {
    const lease = this.memory.lease(() => {
      this.letGo.push(name);
      then(lease);
    });
    return lease;
  }
}

/** Three quarters of the bound are for bodies that come, one is for those that were let go and are not yet gone. */
describe('The memory that bodies share', () => {
  it('is for all that fits', () => {
    const bench = new Bench(12);
    const [a, b] = [bench.lease('a'), bench.lease('b')];
    assert.isTrue(a.resize(4));
    assert.isTrue(b.resize(5));
    assert.equal(bench.memory.bytes, 9);
    assert.isTrue(a.resize(3));
    assert.equal(bench.memory.bytes, 8);
    a.release();
    a.release();
    assert.equal(bench.memory.bytes, 5);
    assert.isEmpty(bench.letGo);
  });

  it('is taken from the bodies that have been coming for longest, and from no more of them than needed', () => {
    const bench = new Bench(12);
    const [a, b, c] = ['a', 'b', 'c'].map(name => bench.lease(name)) as [BodyLease, BodyLease, BodyLease];
    a.resize(3);
    b.resize(3);
    c.resize(3);
    assert.isTrue(c.resize(5));
    assert.deepEqual(bench.letGo, ['a']);
    assert.equal(bench.memory.bytes, 8);
    assert.isTrue(c.resize(9));
    assert.deepEqual(bench.letGo, ['a', 'b']);
  });

  it('is taken from no more of them than needed when what was let go takes its time', () => {
    const bench = new Bench(12);
    const leases = ['a', 'b', 'c', 'd'].map(name => bench.lease(name, lease => lease.keep()));
    for (const lease of leases) lease.resize(3);
    assert.deepEqual(bench.letGo, ['a']);
    assert.equal(bench.memory.bytes, 12);
    leases[0]!.release();
    assert.isTrue(leases[3]!.resize(4));
    assert.deepEqual(bench.letGo, ['a', 'b'], 'one byte too many');
  });

  it('is taken from all of them when what was let go does not go', () => {
    const bench = new Bench(12);
    const leases = ['a', 'b', 'c', 'd'].map(name => bench.lease(name, lease => lease.keep()));
    for (const lease of leases) lease.resize(3);
    assert.isFalse(leases[3]!.resize(4));
    assert.deepEqual(bench.letGo, ['a', 'b', 'c']);
  });

  it('is taken from nobody by a body that has been let go and says what it still takes', () => {
    const bench = new Bench(12);
    const a = bench.lease('a', lease => {
      lease.resize(6);
      lease.keep();
    });
    const b = bench.lease('b');
    a.resize(6);
    assert.isFalse(b.resize(12));
    assert.deepEqual(bench.letGo, ['a'], 'b, who asks, has its answer');
  });

  it('is taken from the one that asks, when that is the next', () => {
    const bench = new Bench(12);
    const [a, b] = [bench.lease('a'), bench.lease('b')];
    a.resize(4);
    b.resize(5);
    assert.isFalse(a.resize(6));
    assert.isEmpty(bench.letGo, 'who asks has its answer');
    assert.equal(bench.memory.bytes, 11);
    a.release();
    assert.isTrue(b.resize(9));
  });

  it('counts what is kept, and does not let it go', () => {
    const bench = new Bench(12);
    const [a, b] = [bench.lease('a'), bench.lease('b')];
    a.resize(8);
    a.keep();
    assert.isFalse(b.resize(2));
    assert.isEmpty(bench.letGo);
    a.release();
    assert.equal(bench.memory.bytes, 2);
  });

  it('is what it was when all are gone, whatever became of them', () => {
    const bench = new Bench(12);
    const leases = ['a', 'b', 'c', 'd', 'e'].map(name => bench.lease(name, lease => lease.keep()));
    for (const [i, lease] of leases.entries()) lease.resize(2 * i);
    for (const lease of leases) lease.release();
    assert.equal(bench.memory.bytes, 0);
    const again = bench.lease('f');
    assert.isTrue(again.resize(9));
    assert.isFalse(again.resize(10));
  });

  it('is not asked for any more by a body that is gone', () => {
    const bench = new Bench(12);
    const a = bench.lease('a');
    a.release();
    assert.isTrue(a.resize(100));
    a.keep();
    assert.equal(bench.memory.bytes, 0);
  });
});
