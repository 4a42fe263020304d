import { assert } from 'chai';
import type { ExtraKey } from '../../../src/events/decoding/kv-event.ts';
import type { RankIngest } from '../../../src/events/ingest/rank-ingest.ts';
import { blockForm } from '../../support/blocks.ts';
import { type Context, FeedBench } from '../../support/feed-bench.ts';
import { stored } from '../../support/kv-events.ts';

let bench: FeedBench;
let feed: RankIngest;

/** For the tests of one `describe`. */
function eachHasItsOwnFeed(): void {
  beforeEach(() => {
    bench = new FeedBench();
    feed = bench.feed();
  });
  afterEach(() => bench.cache.index.check());
}

/** How many blocks of a prompt made of these blocks the holder has. */
function depth(hashes: readonly number[], context: Context = {}, pod = 'a'): number {
  return bench.depth(hashes, context, pod);
}

const text = (value: string): ExtraKey => ({ kind: 'text', text: value });
const image = (json: string): ExtraKey => ({ kind: 'other', json });

describe('the context of stored blocks', () => {
  eachHasItsOwnFeed();

  it('is the base model, or the adapter that is named', () => {
    feed.apply(stored([1, 2], undefined, { loraName: 'sql', extraKeys: [[text('sql')], [text('sql')]] }));
    assert.equal(depth([1, 2], { model: 'sql' }), 2);
    assert.equal(depth([1, 2]), 0);
    assert.isTrue(bench.cache.catalog.isAdapter('sql'));
    assert.deepEqual(bench.cache.catalog.blockForms('sql'), [blockForm(2)]);
    assert.deepEqual(bench.cache.catalog.blockForms('demo'), []);
    feed.apply(stored([3]));
    assert.deepEqual(bench.cache.catalog.blockForms('demo'), [blockForm(2)]);
    assert.isTrue(bench.cache.catalog.uses(bench.gpu(), 'demo', blockForm(2)));
    assert.isFalse(bench.cache.catalog.isAdapter('demo'));
  });

  it('goes with a clear and with what is forgotten', () => {
    for (const end of [() => feed.apply({ kind: 'cleared' }), () => feed.forget()]) {
      feed.apply(stored([1], undefined, { loraName: 'sql', extraKeys: [[text('sql')]] }));
      assert.isTrue(bench.cache.catalog.isAdapter('sql'));
      end();
      assert.isFalse(bench.cache.catalog.isAdapter('sql'));
      assert.deepEqual(bench.cache.catalog.blockForms('sql'), []);
    }
  });

  it('is refused beyond what an engine can have, and nothing of it is indexed', () => {
    const outcomes = Array.from({ length: 2_000 }, (_, i) => {
      const name = `adapter-${i}`;
      return feed.apply(stored([i + 1], undefined, { loraName: name, extraKeys: [[text(name)]] })).kind;
    });
    assert.lengthOf(
      outcomes.filter(kind => kind === 'stored'),
      1_024,
    );
    assert.equal(outcomes.at(-1), 'refused');
    assert.equal(feed.size, 1_024);
    assert.equal(feed.apply(stored([5_000], 2_000)).kind, 'orphaned', 'and nothing follows it');
  });

  it('has the salt, which stands last in the first block, and goes for the whole chain', () => {
    feed.apply(stored([1, 2], undefined, { extraKeys: [[text('tenant')], undefined] }));
    feed.apply(stored([3], 2, { extraKeys: [undefined] }));
    assert.equal(depth([1, 2, 3], { salt: 'tenant' }), 3);
    assert.equal(depth([1, 2, 3]), 0);
  });

  it('has the salt that is said outright, as SGLang does', () => {
    feed.apply(stored([1, 2], undefined, { salt: 'tenant' }));
    assert.deepEqual([depth([1, 2], { salt: 'tenant' }), depth([1, 2])], [2, 0]);
  });

  it('has adapter and salt together', () => {
    const extraKeys = [[text('sql'), text('tenant')], [text('sql')]];
    feed.apply(stored([1, 2], undefined, { loraName: 'sql', extraKeys }));
    assert.equal(depth([1, 2], { model: 'sql', salt: 'tenant' }), 2);
    assert.equal(depth([1, 2], { model: 'sql' }), 0);
  });

  it('has a salt that is named like the adapter', () => {
    const extraKeys = [[text('sql'), text('sql')], [text('sql')]];
    feed.apply(stored([1, 2], undefined, { loraName: 'sql', extraKeys }));
    assert.equal(depth([1, 2], { model: 'sql', salt: 'sql' }), 2);
    assert.equal(depth([1, 2], { model: 'sql' }), 0);
  });

  it('has no salt in a later block: a text there belongs to its block', () => {
    feed.apply(stored([1]));
    feed.apply(stored([2], 1, { extraKeys: [[text('image-hash')]] }));
    assert.equal(depth([1, 2]), 1);
    assert.equal(feed.size, 2);
    feed.apply(stored([2], 1));
    assert.equal(bench.cache.index.size().blocks, 3);
  });

  it('keeps prompts apart that differ in an image only, from its block on', () => {
    const withImage = (name: string) =>
      stored([1, 2, 3], undefined, { extraKeys: [undefined, [image(`["${name}",0]`)], undefined] });
    feed.apply(withImage('cat'));
    bench.feed('b').apply(withImage('dog'));
    assert.deepEqual(bench.cache.index.size(), { blocks: 5, entries: 6 });
    assert.deepEqual([depth([1, 2, 3]), depth([1, 2, 3], {}, 'b')], [1, 1]);
  });

  it('has an image and a salt in the first block', () => {
    const keys = (salt: string) => ({ extraKeys: [[image('["cat",0]'), text(salt)]] });
    feed.apply(stored([1], undefined, keys('one')));
    bench.feed('b').apply(stored([1], undefined, keys('other')));
    assert.deepEqual(bench.cache.index.size(), { blocks: 2, entries: 2 });
    assert.equal(depth([1], { salt: 'one' }), 0, 'without the image it is another block');
  });
});
