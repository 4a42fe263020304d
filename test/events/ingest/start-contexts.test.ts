/** SGLang parts its cache by salt and adapter, and has the same hash for the same tokens in each part. */
import { assert } from 'chai';
import type { RankIngest } from '../../../src/events/ingest/rank-ingest.ts';
import { FeedBench } from '../../support/feed-bench.ts';
import { removed, stored, tokensOf } from '../../support/kv-events.ts';

describe('one engine hash for blocks of several contexts', () => {
  let bench: FeedBench;
  let feed: RankIngest;
  beforeEach(() => {
    bench = new FeedBench();
    feed = bench.feed();
  });

  const depths = (blocks: readonly number[]) =>
    [{}, { salt: 'a' }, { salt: 'b' }, { model: 'sql' }].map(context => bench.depth(blocks, context));

  it('is told by the context that the event itself names', () => {
    feed.apply(stored([1, 2], undefined, { salt: 'a' }));
    feed.apply(stored([1, 2], undefined, { salt: 'b' }));
    feed.apply(stored([3], 2, { salt: 'b' }));
    assert.deepEqual(depths([1, 2, 3]), [0, 2, 3, 0]);
    feed.apply(stored([4], 2, { salt: 'a' }));
    assert.deepEqual(depths([1, 2, 4]), [0, 3, 2, 0]);
  });

  it('is told from the usual context, and from an adapter', () => {
    feed.apply(stored([1, 2], undefined, { salt: 'a' }));
    feed.apply(stored([1, 2]));
    feed.apply(stored([1, 2], undefined, { loraName: 'sql' }));
    feed.apply(stored([3], 2));
    feed.apply(stored([4], 2, { loraName: 'sql' }));
    assert.deepEqual(depths([1, 2, 3]), [3, 2, 0, 2]);
    assert.deepEqual(depths([1, 2, 4]), [2, 2, 0, 3]);
  });

  it('waits where it is neither', () => {
    feed.apply(stored([1, 2], undefined, { salt: 'a' }));
    feed.apply(stored([1, 2], undefined, { salt: 'b' }));
    assert.equal(feed.apply(stored([3], 2)).kind, 'orphaned');
    feed.apply(stored([1, 2]));
    assert.equal(feed.orphans, 0);
    assert.deepEqual(depths([1, 2, 3]), [3, 2, 2, 0]);
  });

  it('waits as it has waited, with what was removed of it', () => {
    feed.apply(stored([3, 4], 2));
    feed.apply(removed([4]));
    feed.apply(stored([1, 2], undefined, { salt: 'a' }));
    feed.apply(stored([5], 2, { salt: 'a' }));
    assert.deepEqual(depths([1, 2, 3]), [0, 3, 0, 0], 'there was one block only that it could follow');
  });

  it('needs no context where it stands for one block', () => {
    feed.apply(stored([1, 2], undefined, { salt: 'a' }));
    feed.apply(stored([3], 2));
    assert.deepEqual(depths([1, 2, 3]), [0, 3, 0, 0]);
  });

  it('is found behind long prompts, whoever shares them', () => {
    const blocks = Array.from({ length: 40 }, (_, i) => i + 1);
    for (const salt of ['a', 'b']) {
      feed.apply(stored([1], undefined, { salt }));
      for (const block of blocks.slice(1)) feed.apply(stored([block], block - 1, { salt }));
      bench.feed('other').apply(stored(blocks.slice(0, 7), undefined, { salt }));
    }
    assert.deepEqual(depths(blocks), [0, 40, 40, 0]);
    feed.apply(stored([99], 40, { salt: 'b' }));
    assert.deepEqual(depths([...blocks, 99]), [0, 40, 41, 0]);
    assert.equal(tokensOf(blocks).length, 80);
  });
});
