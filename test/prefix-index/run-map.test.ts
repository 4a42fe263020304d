import { assert } from 'chai';
import { Arena, LINE } from '../../src/prefix-index/memory/arena.ts';
import { BuddyAllocator } from '../../src/prefix-index/memory/buddy-allocator.ts';
import { RunMap } from '../../src/prefix-index/run-map.ts';

const LINES = 40;

describe('runs', () => {
  let arena: Arena;
  let heap: BuddyAllocator;
  let runs: RunMap;
  let hashes: number;

  beforeEach(() => {
    arena = new Arena(LINES * LINE);
    heap = new BuddyAllocator(1 << 12);
    runs = new RunMap({ arena, heap, maxRuns: 50, maxPositions: LINES * LINE + 2 * LINE, seed: 5 });
    hashes = 0;
  });

  /** Each run is found by each of its positions, and by its first block only. */
  afterEach(() => {
    const all = runs.all();
    for (const run of all) {
      assert.isTrue(runs.knowsItsEnds(run), `run ${run}`);
      for (let position = runs.offset(run); position < runs.end(run); position++) {
        assert.equal(runs.at(position), run);
        const { hi, lo } = arena.hashAt(position);
        assert.equal(runs.startingWith(hi, lo), position === runs.offset(run) ? run : 0);
      }
      if (runs.next(run) !== 0) assert.equal(runs.previous(runs.next(run)), run);
      if (runs.previous(run) !== 0) assert.equal(runs.next(runs.previous(run)), run);
    }
    assert.sameMembers([...runs.lru], all);
    assert.equal(runs.runs.size, all.length);
  });

  /** Blocks that lie side by side; returns the position of the first. */
  function blocks(count: number): number {
    const { line } = arena.allocate(Math.ceil(count / LINE))!;
    const first = line * LINE;
    for (let i = 0; i < 2 * count; i++) arena.ours[2 * first + i] = ++hashes;
    arena.occupy(first, count);
    return first;
  }

  function held(run: number, ...holders: readonly number[]): number {
    for (const holder of holders) runs.sets.add(run, holder);
    return run;
  }

  /** One run of so many blocks. */
  const aRun = (count: number, ...holders: readonly number[]) =>
    held(runs.create(blocks(count), count, 0, 0), ...holders);

  const place = (run: number) => [runs.offset(run), runs.end(run)];

  function members(run: number): number[] {
    const all: number[] = [];
    runs.sets.forEach(run, holder => {
      all.push(holder);
    });
    return all;
  }

  it('are none at first', () => {
    assert.deepEqual([runs.all(), runs.at(0), runs.at(100), runs.startingWith(1, 2)], [[], 0, 0, 0]);
    assert.equal(runs.startFrom(1, 300), 300);
  });

  it('are where their blocks are, and nowhere else', () => {
    const [one, other] = [aRun(5), aRun(20)];
    assert.sameMembers(runs.all(), [one, other]);
    assert.equal(runs.end(one), runs.offset(one) + 5);
    for (const position of [runs.offset(one) - 1, runs.end(one), runs.end(other), 1_000])
      assert.equal(runs.at(position), 0);
  });

  it('are found by where they begin, in any part of the map', () => {
    const all = [aRun(3), aRun(40), aRun(1)];
    const starts = all.map(run => runs.offset(run));
    assert.equal(runs.startFrom(0, 300), starts[0]);
    assert.equal(runs.startFrom(starts[0]!, 300), starts[0]);
    assert.equal(runs.startFrom(starts[0]! + 1, 300), starts[1]);
    assert.equal(runs.startFrom(starts[0]! + 1, starts[1]!), starts[1], 'the end of the range');
    assert.equal(runs.startFrom(starts[0]! + 1, starts[0]! + 3), starts[0]! + 3);
    assert.equal(runs.startFrom(starts[1]! + 1, 300), starts[2]);
    assert.equal(runs.startFrom(starts[2]! + 1, 300), 300);
  });

  it('join on to the one that they are made behind', () => {
    const first = blocks(6);
    const head = runs.create(first, 4, 0, 0);
    const tail = runs.create(first + 4, 2, head, first + 3);
    assert.deepEqual(
      [runs.next(head), runs.previous(tail), runs.previous(head), runs.next(tail)],
      [tail, head, 0, 0],
    );
    assert.deepEqual([runs.parentOf(tail), runs.parentOf(head)], [head, 0]);
  });

  it('know the run that they follow elsewhere, as long as it is there', () => {
    const head = aRun(3);
    const branch = runs.create(blocks(2), 2, 0, runs.end(head) - 1);
    assert.deepEqual([runs.previous(branch), runs.parentOf(branch)], [0, head]);
    const other = aRun(2);
    runs.follow(runs.offset(branch), runs.offset(other) + 1);
    assert.equal(runs.parentOf(branch), other);
    runs.destroy(other);
    assert.equal(runs.parentOf(branch), 0);
  });

  it('grow', () => {
    const first = blocks(6);
    const run = runs.create(first, 2, 0, 0);
    assert.equal(runs.at(first + 2), 0);
    runs.extend(run, 4);
    assert.deepEqual(place(run), [first, first + 6]);
  });

  it('may be cut, and joined again', () => {
    const run = aRun(10, 1, 2);
    const first = runs.offset(run);
    const tail = runs.cut(run, first + 7);
    const middle = runs.cut(run, first + 2);
    assert.deepEqual([run, middle, tail].map(place), [
      [first, first + 2],
      [first + 2, first + 7],
      [first + 7, first + 10],
    ]);
    assert.deepEqual([run, middle, tail].map(members), [
      [1, 2],
      [1, 2],
      [1, 2],
    ]);
    assert.deepEqual([runs.next(run), runs.next(middle), runs.next(tail)], [middle, tail, 0]);
    assert.deepEqual([runs.previous(run), runs.previous(middle), runs.previous(tail)], [0, run, middle]);
    assert.deepEqual([...runs.lru], [tail, middle, run], 'a tail is older than its head');
    assert.equal(runs.join(middle), run);
    assert.deepEqual([runs.all(), place(run)], [[run], [first, first + 10]]);
  });

  it('are joined with those beside them that have the same holders, and with no others', () => {
    const run = aRun(9, 1, 2);
    const middle = runs.cut(run, runs.offset(run) + 3);
    const tail = runs.cut(middle, runs.offset(middle) + 3);
    runs.sets.remove(run, 1);
    assert.equal(runs.join(run), run);
    assert.lengthOf(runs.all(), 3);
    assert.equal(runs.join(tail), middle);
    assert.deepEqual(
      [run, middle].map(each => runs.end(each) - runs.offset(each)),
      [3, 6],
    );
    const far = aRun(3, 1, 2);
    assert.equal(runs.join(far), far, 'those that lie elsewhere are not beside it');
    assert.deepEqual(members(run), [2]);
  });

  it('evict their ends one by one to the run beside them', () => {
    const run = aRun(6, 1, 2);
    const tail = runs.cut(run, runs.offset(run) + 4);
    const border = runs.offset(tail);
    assert.isFalse(runs.shift(run, border - 1, 2), 'it has all the holders itself');
    runs.sets.remove(tail, 2);
    assert.isFalse(runs.shift(run, border - 1, 1), 'it has this one');
    assert.isFalse(runs.shift(run, border - 2, 2), 'not at an end');
    assert.isTrue(runs.shift(run, border - 1, 2));
    assert.deepEqual([runs.end(run), runs.offset(tail)], [border - 1, border - 1]);

    const head = aRun(6, 1, 2);
    const rest = runs.cut(head, runs.offset(head) + 2);
    runs.sets.remove(head, 2);
    assert.isTrue(runs.shift(rest, runs.offset(rest), 2));
    assert.deepEqual([runs.end(head), runs.offset(rest)], [runs.offset(head) + 3, runs.offset(head) + 3]);
    assert.deepEqual([members(head), members(rest)], [[1], [1, 2]], 'holders stay as they are');
  });

  it('do not evict their only block', () => {
    const run = aRun(3, 1, 2);
    const only = runs.cut(run, runs.offset(run) + 2);
    runs.sets.remove(run, 2);
    assert.isFalse(runs.shift(only, runs.offset(only), 2));
    assert.isFalse(runs.shift(aRun(1, 1), 1, 1));
  });

  it('may lose their last blocks, and what lies behind them is beside them no longer', () => {
    const run = aRun(8, 1);
    const first = runs.offset(run);
    const tail = runs.cut(run, first + 6);
    runs.dropLast(run, 2);
    assert.deepEqual([place(run), runs.next(run), runs.previous(tail)], [[first, first + 4], 0, 0]);
    assert.equal(runs.at(first + 4), 0);
    assert.equal(runs.at(first + 6), tail);
  });

  it('may lose their first block, and what they follow is not known then', () => {
    const run = aRun(8, 1);
    const first = runs.offset(run);
    const tail = runs.cut(run, first + 2);
    runs.follow(runs.offset(tail), first + 1);
    runs.dropFirst(tail);
    assert.deepEqual([place(tail), runs.previous(tail), runs.next(run)], [[first + 3, first + 8], 0, 0]);
    assert.equal(runs.parentOf(tail), 0);
    assert.equal(runs.at(first + 2), 0);
  });

  it('are gone when they are destroyed, and those beside them stay', () => {
    const before = [runs.bytes, heap.bytes];
    const many = Array.from({ length: 20 }, (_, i) => i);
    const run = aRun(9, ...many);
    const middle = runs.cut(run, runs.offset(run) + 3);
    const tail = runs.cut(middle, runs.offset(middle) + 3);
    const [offset] = place(middle);
    runs.destroy(middle);
    assert.sameMembers(runs.all(), [run, tail]);
    assert.deepEqual([runs.next(run), runs.previous(tail), runs.at(offset!)], [0, 0, 0]);
    for (const each of [run, tail]) runs.destroy(each);
    assert.deepEqual([runs.bytes, heap.bytes], before);
  });

  it('are found right though the last one that was found is another now', () => {
    const run = aRun(4);
    const first = runs.offset(run);
    assert.equal(runs.at(first + 3), run);
    runs.destroy(run);
    assert.equal(runs.at(first + 3), 0);
    const again = aRun(2);
    assert.equal(again, run, 'its record is used again');
    assert.equal(runs.at(first + 3), 0);
    assert.equal(runs.at(runs.offset(again) + 1), again);
  });

  it('of a holder are those that have blocks in a range', () => {
    const head = aRun(9, 1, 2);
    const first = runs.offset(head);
    const middle = runs.cut(head, first + 3);
    const tail = runs.cut(middle, first + 6);
    runs.sets.remove(middle, 2);
    const next = aRun(5, 2);
    const of = (holder: number, position: number, count: number) => {
      const found: number[] = [];
      runs.forEachOf(holder, position, count, run => found.push(run));
      return found;
    };
    const whole = runs.end(next) - first;
    assert.deepEqual(of(1, first, whole), [head, middle, tail]);
    assert.deepEqual(of(2, first, whole), [head, tail, next]);
    assert.deepEqual(of(1, first + 4, 1), [middle], 'a part will do');
    assert.deepEqual(of(1, first + 8, 1), [tail]);
    assert.isEmpty(of(1, runs.end(tail), LINE - 1), 'nothing lies there');
    assert.isEmpty(of(3, first, whole));
    assert.isEmpty(of(1, first, 0));
  });

  it('of a holder may be destroyed while they are gone through', () => {
    const head = aRun(9, 1);
    const first = runs.offset(head);
    const middle = held(runs.cut(head, first + 3), 2);
    runs.cut(middle, first + 6);
    const found: number[] = [];
    runs.forEachOf(1, first, 9, run => {
      found.push(run);
      runs.destroy(run);
    });
    assert.lengthOf(found, 3);
    assert.isEmpty(runs.all());
  });
});
