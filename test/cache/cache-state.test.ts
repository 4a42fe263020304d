import { assert } from 'chai';
import type { CacheState } from '../../src/cache/cache-state.ts';
import type { Part } from '../../src/cache/holders.ts';
import type { HolderId } from '../../src/domain.ts';
import { START } from '../../src/prefix-index/prefix-index.ts';
import { blockForm, chainOf, engineHashesOf } from '../support/blocks.ts';
import { aCacheState } from '../support/builders.ts';

const GPU: Part = { kind: 'gpu', rank: 0 };

describe('the cache state', () => {
  const chain = chainOf([1, 2, 3]);
  let cache: CacheState;
  beforeEach(() => {
    cache = aCacheState({ historyEntries: 8 });
  });

  function store(id: HolderId, of = chain): void {
    cache.index.store(id, of, { after: START, engineHashes: engineHashesOf(of), again: 'copy' });
  }

  it('keeps nothing of a purged pod, of any part of it, and all of the others', () => {
    const parts: Part[] = [GPU, { kind: 'gpu', rank: 1 }, { kind: 'cpu', rank: 0 }];
    const ids = parts.map(part => cache.holders.ensure('a', part));
    const other = cache.holders.ensure('b', GPU);
    for (const id of [...ids, other]) {
      store(id);
      cache.catalog.note(id, 'demo', blockForm(16), 'base');
    }
    cache.catalog.note(ids[1]!, 'demo', blockForm(64), 'base');
    cache.catalog.note(ids[0]!, 'sql', blockForm(16), 'adapter');
    cache.history.store('a', chain);

    cache.purge('a');
    assert.deepEqual(cache.index.find(chain).layers(), [{ depth: 3, holders: [other] }]);
    assert.deepEqual([cache.history.entries, cache.history.of('a')], [0, []]);
    assert.deepEqual(cache.catalog.blockForms('demo'), [blockForm(16)]);
    assert.isFalse(cache.catalog.isAdapter('sql'));
    assert.deepEqual(cache.holders.of('a'), []);

    cache.purge('b');
    assert.deepEqual(cache.index.size(), { blocks: 0, entries: 0 });
    assert.deepEqual(cache.catalog.blockForms('demo'), []);
    cache.index.check();
  });

  it('gives the holder ids of a purged pod to a new one that holds nothing', () => {
    const gone = cache.holders.ensure('a', GPU);
    store(gone);
    cache.purge('a');
    const fresh = cache.holders.ensure('b', GPU);
    assert.equal(fresh, gone);
    assert.deepEqual(cache.index.find(chain).layers(), []);
  });

  it('may be told of a pod that it never saw', () => {
    store(cache.holders.ensure('a', GPU));
    cache.purge('nobody');
    assert.equal(cache.index.size().entries, 3);
  });

  it('keeps announced and expected blocks apart, in one index', () => {
    const rank = cache.holders.ensure('a', GPU);
    store(rank);
    cache.history.store('a', chainOf([1, 2, 3, 4, 5, 6]));
    const expected = cache.holders.find('a', { kind: 'expected', generation: 0 })!;
    assert.deepEqual(cache.index.find(chainOf([1, 2, 3, 4, 5, 6])).layers(), [
      { depth: 6, holders: [expected] },
      { depth: 3, holders: [rank] },
    ]);
    assert.deepEqual(cache.index.size(), { blocks: 6, entries: 9 });
    assert.equal(cache.history.entries, 6);
    cache.history.forget('a');
    assert.deepEqual(cache.index.size(), { blocks: 3, entries: 3 });
  });
});
