import { assert } from 'chai';
import { BlockSets } from '../../src/prefix-index/block-sets.ts';
import { blockAt } from '../../src/prompt/blocks.ts';
import { chainOf, holder, slice } from '../support/blocks.ts';
import { describePrefixIndex } from '../support/describe-prefix-index.ts';
import { describePrefixIndexModel } from '../support/prefix-index-model.ts';

const timeToLiveMs = 1_000;
const forever = (capacityEntries: number) =>
  new BlockSets({ capacityEntries, timeToLiveMs: Number.POSITIVE_INFINITY });
const standingClock = (capacityEntries: number) =>
  new BlockSets({ capacityEntries, timeToLiveMs, now: () => 5 });
const realClock = (capacityEntries: number) => new BlockSets({ capacityEntries, timeToLiveMs: 3_600_000 });

for (const [name, make] of Object.entries({ forever, standingClock, realClock })) {
  describePrefixIndex(`block sets, ${name}`, make);
  describePrefixIndexModel(`block sets, ${name}`, make);
}

describe('block sets with a time to live', () => {
  const A = holder(0);
  const B = holder(1);
  const chain = chainOf([1, 2, 3]);
  let now = 0;
  let index: BlockSets;

  beforeEach(() => {
    now = 100;
    index = new BlockSets({ capacityEntries: 100, timeToLiveMs, now: () => now });
  });

  it('match a chain until its time is over', () => {
    index.store(A, chain);
    now += timeToLiveMs - 1;
    assert.deepEqual(index.match(chain), [{ depth: 3, holders: [A] }]);
    now += 1;
    assert.deepEqual(index.match(chain), []);
  });

  it('count from when a block was last stored', () => {
    index.store(A, chain);
    now += 600;
    index.store(A, slice(chain, 0, 2));
    now += 600;
    assert.deepEqual(index.match(chain), [{ depth: 2, holders: [A] }]);
    now += 400;
    assert.deepEqual(index.match(chain), []);
  });

  it('forget each holder in its own time', () => {
    index.store(A, chain);
    now += 500;
    index.store(B, chain);
    now += 500;
    assert.deepEqual(index.match(chain), [{ depth: 3, holders: [B] }]);
  });

  it('are not refreshed by being matched', () => {
    index.store(A, chain);
    for (let i = 0; i < 10; i++) {
      now += 100;
      index.match(chain);
    }
    assert.deepEqual(index.match(chain), []);
  });

  it('do not count what is over', () => {
    index.store(A, chain);
    now += timeToLiveMs;
    assert.deepEqual(index.size(), { blocks: 0, entries: 0 });
  });

  it('do not give up what is young for what is over', () => {
    index = new BlockSets({ capacityEntries: 3, timeToLiveMs, now: () => now });
    index.store(A, chain);
    now += timeToLiveMs;
    index.store(B, chainOf([7, 8, 9]));
    assert.deepEqual(index.match(chainOf([7, 8, 9])), [{ depth: 3, holders: [B] }]);
  });

  it('may have a block removed after its time', () => {
    index.store(A, chain);
    now += timeToLiveMs;
    index.remove(A, blockAt(chain, 0));
    index.clear(A);
    assert.deepEqual(index.size(), { blocks: 0, entries: 0 });
  });
});
