import { assert } from 'chai';
import { type CacheState, createCacheState } from '../../src/prefix-index/cache-state.ts';
import { ANY_RANK } from '../../src/prefix-index/holders.ts';
import { blockAt } from '../../src/prompt/blocks.ts';
import { chainOf } from '../support/blocks.ts';

describe('the cache state', () => {
  const chain = chainOf([1, 2, 3]);
  let cache: CacheState;
  beforeEach(() => {
    cache = createCacheState({ indexEntries: 100, historyEntries: 4, historyTtlMs: 3_600_000 });
  });

  it('keeps nothing of a purged pod, of any rank, and all of the others', () => {
    const ranks = [cache.holders.ensure('a', 0), cache.holders.ensure('a', 1)];
    const other = cache.holders.ensure('b', 0);
    for (const id of [...ranks, other]) {
      cache.fed.store(id, chain);
      cache.catalog.note(id, 'demo', 16);
    }
    cache.catalog.note(ranks[1]!, 'demo', 64);
    cache.catalog.noteAdapter(ranks[0]!, 'sql');
    cache.history.store(cache.holders.ensure('a', ANY_RANK), chain);

    cache.purge('a');
    assert.deepEqual(cache.index.match(chain), [{ depth: 3, holders: [other] }]);
    assert.deepEqual(cache.history.size(), { blocks: 0, entries: 0 });
    assert.deepEqual(cache.catalog.blockSizes('demo'), [16]);
    assert.isFalse(cache.catalog.isAdapter('sql'));
    assert.deepEqual(cache.holders.of('a'), []);

    cache.purge('b');
    assert.deepEqual(cache.index.size(), { blocks: 0, entries: 0 });
    assert.deepEqual(cache.catalog.blockSizes('demo'), []);
  });

  it('gives the holder ids of a purged pod to a new one that holds nothing', () => {
    const gone = cache.holders.ensure('a', 0);
    cache.fed.store(gone, chain);
    cache.purge('a');
    const fresh = cache.holders.ensure('b', 0);
    assert.equal(fresh, gone);
    assert.deepEqual(cache.index.match(chain), []);
  });

  it('may be told of a pod that it never saw', () => {
    cache.fed.store(cache.holders.ensure('a', 0), chain);
    cache.purge('nobody');
    assert.equal(cache.index.size().entries, 3);
  });

  it('keeps announced and expected blocks apart, each within its capacity', () => {
    const rank = cache.holders.ensure('a', 0);
    const expected = cache.holders.ensure('a', ANY_RANK);
    cache.fed.store(rank, chain);
    cache.history.store(expected, chainOf([1, 2, 3, 4, 5, 6]));
    assert.equal(cache.index.size().entries, 3);
    assert.equal(cache.history.size().entries, 4);
    cache.fed.remove(rank, blockAt(chain, 2));
    assert.deepEqual(cache.history.match(chain), [{ depth: 2, holders: [expected] }]);
  });
});
