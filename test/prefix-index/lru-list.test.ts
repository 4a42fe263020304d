import { assert } from 'chai';
import fc from 'fast-check';
import { LruList } from '../../src/prefix-index/lru-list.ts';
import { Runs } from '../../src/prefix-index/runs.ts';

describe('the lru of runs', () => {
  let runs: Runs;
  let lru: LruList;
  /** Of each run the one that it follows. */
  let parents: Map<number, number>;

  beforeEach(() => {
    runs = new Runs(100);
    lru = new LruList(runs, 100);
    parents = new Map();
  });

  /** A run that was stored: the newest, with those that it follows. */
  function store(parent = 0): number {
    const run = runs.create();
    parents.set(run, parent);
    lru.insertBefore(run, 0);
    touch(run);
    return run;
  }

  const touch = (run: number) => lru.touch(run, each => parents.get(each) ?? 0);
  const byAge = () => [...lru];

  it('has no oldest run while there is none', () => {
    assert.deepEqual([lru.oldest, byAge()], [0, []]);
  });

  it('goes from the one stored longest ago to the newest', () => {
    const [a, b, c] = [store(), store(), store()];
    assert.deepEqual(byAge(), [a, b, c]);
    lru.startEpoch();
    touch(a);
    assert.deepEqual(byAge(), [b, c, a]);
    assert.equal(lru.oldest, b);
  });

  it('moves a run once in a epoch', () => {
    const [a, b, c] = [store(), store(), store()];
    touch(a);
    assert.deepEqual(byAge(), [a, b, c]);
    lru.startEpoch();
    for (const run of [a, b, a]) touch(run);
    assert.deepEqual(byAge(), [c, a, b]);
  });

  it('has a run older than those that it follows', () => {
    const head = store();
    const middle = store(head);
    const tail = store(middle);
    const other = store();
    assert.deepEqual(byAge(), [tail, middle, head, other]);
    lru.startEpoch();
    touch(tail);
    assert.deepEqual(byAge(), [other, tail, middle, head]);
  });

  it('puts a run right before the one that it follows, if that was touched in this epoch', () => {
    const head = store();
    const [one, other] = [store(head), store(head)];
    lru.startEpoch();
    touch(one);
    touch(other);
    assert.deepEqual(byAge(), [one, other, head]);
    lru.startEpoch();
    touch(other);
    assert.deepEqual(byAge(), [one, other, head]);
    touch(one);
    assert.deepEqual(byAge(), [other, one, head]);
  });

  it('does without a run that is removed', () => {
    const [a, b, c] = [store(), store(), store()];
    lru.remove(b);
    assert.deepEqual(byAge(), [a, c]);
    lru.remove(a);
    lru.remove(c);
    assert.deepEqual(byAge(), []);
    assert.equal(lru.oldest, 0);
  });

  it('puts a new run before another one', () => {
    const [a, b] = [store(), store()];
    const part = runs.create();
    lru.insertBefore(part, b);
    assert.deepEqual(byAge(), [a, part, b]);
  });

  it('bears runs that are said to follow one another in a ring', () => {
    const [a, b, c] = [store(), store(), store()];
    for (const [run, parent] of [
      [a, b],
      [b, c],
      [c, a],
    ] as const)
      parents.set(run, parent);
    for (const run of [a, b, c, a]) {
      lru.startEpoch();
      touch(run);
      assert.sameMembers(byAge(), [a, b, c]);
    }
    parents.set(a, a);
    lru.startEpoch();
    touch(a);
    assert.sameMembers(byAge(), [a, b, c]);
  });

  it('keeps every run, tails older than heads and the untouched older than the touched', () => {
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.record({ stored: fc.nat() }) },
      { weight: 6, arbitrary: fc.record({ touched: fc.nat() }) },
      { weight: 2, arbitrary: fc.record({ removed: fc.nat() }) },
      { weight: 2, arbitrary: fc.constant({}) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80, size: 'max' }), steps => {
        runs = new Runs(100);
        lru = new LruList(runs, 100);
        parents = new Map();
        let touched = new Set<number>();
        const noteTouched = (run: number) => {
          for (let each = run; each !== 0; each = parents.get(each)!) touched.add(each);
        };
        for (const { stored, touched: again, removed } of steps as {
          stored?: number;
          touched?: number;
          removed?: number;
        }[]) {
          const all = [...parents.keys()];
          if (stored !== undefined) noteTouched(store(all[stored % (all.length + 1)] ?? 0));
          else if (again !== undefined && all.length > 0) {
            const run = all[again % all.length]!;
            touch(run);
            noteTouched(run);
          } else if (removed !== undefined) {
            // A chain evicts its tail first.
            const leaves = all.filter(run => ![...parents.values()].includes(run));
            const run = leaves[removed % leaves.length];
            if (run === undefined) continue;
            lru.remove(run);
            runs.free(run);
            parents.delete(run);
            touched.delete(run);
          } else {
            lru.startEpoch();
            touched = new Set();
          }
          const order = byAge();
          assert.sameMembers(order, [...parents.keys()]);
          for (const [run, parent] of parents) {
            if (parent !== 0) assert.isBelow(order.indexOf(run), order.indexOf(parent));
          }
          assert.sameMembers(order.slice(order.length - touched.size), [...touched]);
        }
      }),
      { numRuns: 100 },
    );
  });
});
