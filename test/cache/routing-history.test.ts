import { assert } from 'chai';
import { Holders } from '../../src/cache/holders.ts';
import { RoutingHistory } from '../../src/cache/routing-history.ts';
import { RunIndex } from '../../src/prefix-index/run-index.ts';
import { chainOf } from '../support/blocks.ts';

const TTL = 8_000;
const GENERATION = TTL / 8;

describe('the routing history', () => {
  const chain = chainOf([1, 2, 3]);
  let now: number;
  let index: RunIndex;
  let holders: Holders;
  let history: RoutingHistory;

  beforeEach(() => {
    now = 100;
    index = new RunIndex({ capacityBytes: 1 << 20, maxHolders: 64 });
    holders = new Holders();
    history = historyOf(10_000);
  });
  afterEach(() => index.check());

  function historyOf(capacityEntries: number, timeToLiveMs = TTL): RoutingHistory {
    return new RoutingHistory({ index, holders, timeToLiveMs, capacityEntries, now: () => now });
  }

  /** How many blocks of a prompt a pod is expected to hold. */
  function expected(pod: string, of = chain): number {
    history.expire();
    return Math.max(0, ...history.of(pod).map(({ holder }) => index.find(of).depthOf(holder)));
  }

  it('expects of a pod what was routed there, and of no other', () => {
    history.store('a', chain);
    assert.deepEqual([expected('a'), expected('b')], [3, 0]);
    assert.equal(expected('a', chainOf([1, 2, 9])), 2);
    assert.equal(history.entries, 3);
    assert.deepEqual(index.size(), { blocks: 3, entries: 3 });
  });

  it('holds a prompt for its time at least, and an eighth longer at the most', () => {
    for (const offset of [0, GENERATION - 1]) {
      history.forget('a');
      // The generation may have begun a while before.
      history.store('a', chainOf([7]));
      now += offset;
      history.store('a', chain);
      const routedAt = now;
      now = routedAt + TTL - 1;
      assert.equal(expected('a'), 3, `${offset}`);
      now = routedAt + TTL + GENERATION;
      assert.equal(expected('a'), 0, `${offset}`);
      assert.deepEqual([history.entries, index.size().entries], [0, 0]);
    }
  });

  it('takes back what was expected because of one request alone', () => {
    const longer = chainOf([1, 2, 3, 4, 5]);
    const other = chainOf([1, 2, 9]);
    history.store('a', chain);
    const taken = [history.store('a', longer), history.store('b', longer), history.store('a', other)];
    history.store('b', other);
    for (const each of taken) history.withdraw(each!);
    assert.deepEqual([expected('a', longer), expected('a', other)], [3, 2]);
    // Of the second pod the first two blocks are gone with the request that brought them, and the third is of no use.
    assert.deepEqual([expected('b', longer), expected('b', other)], [0, 0]);
    history.forget('b');
    assert.equal(history.entries, 3);
  });

  it('has nothing to take back of a prompt that was expected already, or whose time is over', () => {
    const first = history.store('a', chain)!;
    assert.isUndefined(history.store('a', chainOf([1, 2])));
    now += TTL + GENERATION;
    history.expire();
    history.store('a', chain);
    history.withdraw(first);
    assert.equal(expected('a'), 3);
  });

  it('has room again for what was taken back', () => {
    history = historyOf(4);
    for (let i = 0; i < 100; i++) history.withdraw(history.store('a', chainOf([100 + i, 1, 2]))!);
    history.store('a', chain);
    assert.deepEqual([expected('a'), index.size().entries], [3, 3]);
  });

  it('counts the time from when a prompt was last routed', () => {
    history.store('a', chain);
    for (let i = 0; i < 10; i++) {
      now += TTL / 2;
      history.store('a', chain);
      assert.equal(expected('a'), 3);
    }
    now += TTL + GENERATION;
    assert.equal(expected('a'), 0);
  });

  it('does not count it from when it was looked up', () => {
    history.store('a', chain);
    for (let i = 0; i < 20; i++) {
      now += TTL / 16;
      expected('a');
    }
    assert.equal(expected('a'), 0);
  });

  it('ends each pod’s expectations in their own time', () => {
    history.store('a', chain);
    now += TTL / 2;
    history.store('b', chain);
    now += TTL / 2 + GENERATION;
    assert.deepEqual([expected('a'), expected('b')], [0, 3]);
  });

  it('ends nothing by itself: whoever looks something up says when', () => {
    history.store('a', chain);
    now += 2 * TTL;
    assert.equal(history.entries, 3);
    history.expire();
    assert.equal(history.entries, 0);
  });

  it('takes one holder for what is routed to a pod in an eighth of the time, and frees it in the end', () => {
    for (let i = 0; i < 16; i++) {
      history.store('a', chainOf([i]));
      now += GENERATION / 2;
    }
    assert.lengthOf(history.of('a'), 8);
    assert.lengthOf(holders.of('a'), 8);
    const starts = history.of('a').map(({ startedAt }) => startedAt);
    assert.deepEqual(
      starts,
      starts.toSorted((a, b) => a - b),
      'oldest first',
    );
    now += 2 * TTL;
    history.expire();
    assert.deepEqual([history.of('a'), holders.of('a')], [[], []]);
  });

  it('keeps nothing beyond the moment where there is no time to live', () => {
    history = historyOf(100, 0);
    history.store('a', chain);
    assert.equal(expected('a'), 0);
    assert.equal(index.size().entries, 0);
  });

  it('evicts what was routed longest ago beyond its capacity', () => {
    history = historyOf(80);
    for (let i = 0; i < 30; i++) {
      history.store(i % 2 === 0 ? 'a' : 'b', chainOf([100 + i, 1, 2, 3]));
      assert.isAtMost(history.entries, 80);
      assert.equal(index.size().entries, history.entries);
    }
    assert.isAtLeast(history.entries, 60);
    assert.deepEqual([expected('a', chainOf([100, 1])), expected('b', chainOf([101, 1]))], [0, 0]);
    assert.deepEqual([expected('a', chainOf([128, 1])), expected('b', chainOf([129, 1]))], [2, 2]);
  });

  it('keeps the head of a prompt that is longer than its capacity', () => {
    history = historyOf(10);
    const long = chainOf(Array.from({ length: 50 }, (_, i) => i));
    history.store('a', long);
    assert.equal(history.entries, 10);
    assert.equal(expected('a', long), 10);
    history.store('a', chain);
    assert.deepEqual([expected('a', long), expected('a')], [0, 3], 'and gives it up for the next one');
  });

  it('keeps to its capacity, however long the prompts are', () => {
    history = historyOf(80);
    for (const [i, blocks] of [9, 80, 3, 79, 1, 200, 40, 70].entries()) {
      const each = chainOf(Array.from({ length: blocks }, (_, j) => 1_000 * (i + 1) + j));
      history.store('a', each);
      assert.isAtMost(history.entries, 80, `after ${blocks} blocks`);
      assert.equal(expected('a', each), Math.min(80, blocks));
    }
  });

  it('does not evict what is young for what is over', () => {
    history = historyOf(3);
    history.store('a', chain);
    now += TTL + GENERATION;
    history.store('b', chainOf([7, 8, 9]));
    assert.equal(expected('b', chainOf([7, 8, 9])), 3);
  });

  it('counts a block once, however often it is routed to a pod in that time', () => {
    for (let i = 0; i < 5; i++) history.store('a', chain);
    assert.equal(history.entries, 3);
    history.store('b', chain);
    assert.equal(history.entries, 6);
  });

  it('stores nothing of a prompt without a full block', () => {
    history.store('a', chainOf([]));
    assert.deepEqual([history.entries, history.of('a'), holders.of('a')], [0, [], []]);
  });

  it('forgets a pod', () => {
    for (const pod of ['a', 'b']) history.store(pod, chain);
    now += GENERATION;
    history.store('a', chainOf([7]));
    history.forget('a');
    history.forget('nobody');
    assert.deepEqual([expected('a'), expected('a', chainOf([7])), expected('b')], [0, 0, 3]);
    assert.deepEqual([history.entries, index.size().entries, holders.of('a')], [3, 3, []]);
    history.store('a', chain);
    assert.equal(expected('a'), 3);
  });

  it('bears blocks that are taken out of it', () => {
    history.store('a', chain);
    index.clear(history.of('a')[0]!.holder);
    assert.equal(expected('a'), 0);
    history.store('a', chain);
    assert.equal(expected('a'), 3);
    now += TTL + GENERATION;
    history.expire();
    assert.deepEqual([history.entries, index.size().entries], [0, 0]);
  });
});
