import { assert } from 'chai';
import { BlockSets } from '../../src/prefix-index/block-sets.ts';
import { confirming } from '../../src/prefix-index/confirming.ts';
import { ANY_RANK, Holders } from '../../src/prefix-index/holders.ts';
import type { PrefixIndex } from '../../src/prefix-index/prefix-index.ts';
import { blockAt } from '../../src/prompt/blocks.ts';
import { chainOf, holder } from '../support/blocks.ts';

describe('the index as the event feed writes to it', () => {
  const chain = chainOf([1, 2, 3]);
  let holders: Holders;
  let index: PrefixIndex;
  let history: PrefixIndex;
  let fed: PrefixIndex;

  beforeEach(() => {
    const options = { capacityEntries: 100, timeToLiveMs: Number.POSITIVE_INFINITY };
    holders = new Holders();
    index = new BlockSets(options);
    history = new BlockSets(options);
    fed = confirming(index, history, holders);
  });

  it('is the index', () => {
    const rank = holders.ensure('a', 0);
    fed.store(rank, chain);
    assert.deepEqual(fed.match(chain), [{ depth: 3, holders: [rank] }]);
    assert.deepEqual(fed.match(chain), index.match(chain));
    assert.deepEqual(fed.size(), { blocks: 3, entries: 3 });
    assert.equal(history.size().entries, 0);
  });

  it('ends the expectation of a block that the engine says is gone', () => {
    const rank = holders.ensure('a', 0);
    const expected = holders.ensure('a', ANY_RANK);
    const other = holders.ensure('b', ANY_RANK);
    history.store(expected, chain);
    history.store(other, chain);
    fed.store(rank, chain);
    fed.remove(rank, blockAt(chain, 1));
    assert.deepEqual(index.match(chain), [{ depth: 1, holders: [rank] }]);
    assert.deepEqual(history.match(chain), [
      { depth: 3, holders: [other] },
      { depth: 1, holders: [expected] },
    ]);
  });

  it('ends all expectations of a pod whose cache is cleared', () => {
    const rank = holders.ensure('a', 0);
    history.store(holders.ensure('a', ANY_RANK), chain);
    fed.store(rank, chain);
    fed.clear(rank);
    assert.equal(index.size().entries, 0);
    assert.equal(history.size().entries, 0);
  });

  it('writes to the index alone where nothing was expected, or the holder is unknown', () => {
    const rank = holders.ensure('a', 0);
    for (const id of [rank, holder(9)]) {
      fed.store(id, chain);
      fed.remove(id, blockAt(chain, 0));
      fed.clear(id);
    }
    assert.equal(index.size().entries, 0);
  });
});
