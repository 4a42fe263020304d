import { assert } from 'chai';
import fc from 'fast-check';
import type { BlockHash } from '../../src/domain.ts';
import { BlockHasher, chainWithKept } from '../../src/prompt/blocks.ts';
import {
  type EncodeTexts,
  SegmentCache,
  type SegmentTree,
} from '../../src/tokenizers/segments/segment-cache.ts';

/** Behind each bar. */
const splitter = {
  endOfBoundary: (text: string, from: number) => text.indexOf('|', from) + 1 || -1,
};

/** One token a character. */
const idsOf = (text: string) => Uint32Array.from(text, character => character.codePointAt(0)!);
const encode: EncodeTexts = async texts => texts.map(idsOf);

const hasher = new BlockHasher(7);
const rootOf = (salt: string): BlockHash =>
  hasher.root({ space: 'engine', model: 'm', salt }, { sizeTokens: 2, lookaheadTokens: 0 });

/** Counts what is asked for. */
function counted() {
  const asked: string[][] = [];
  const encodeCounted: EncodeTexts = texts => {
    asked.push([...texts]);
    return encode(texts);
  };
  return { asked, encode: encodeCounted };
}

describe('the cache of tokenized segments', () => {
  it('tokenizes of a next turn only what is new', async () => {
    const { asked, encode } = counted();
    const tree = new SegmentCache(1e6).tree(splitter, encode);
    await tree.encode('system|user|');
    const next = await tree.encode('system|user|answer|again|');
    assert.deepEqual(asked, [
      ['system|', 'user|'],
      ['answer|', 'again|'],
    ]);
    assert.deepEqual([...next.ids], [...idsOf('system|user|answer|again|')]);
    assert.equal(next.newCharacters, 'answer|again|'.length);
  });

  it('parts where prompts part, within what was new together', async () => {
    const { asked, encode } = counted();
    const tree = new SegmentCache(1e6).tree(splitter, encode);
    await tree.encode('a|b|c|d|');
    await tree.encode('a|b|x|');
    await tree.encode('a|b|c|d|e|');
    await tree.encode('a|b|x|y|');
    assert.deepEqual(asked, [['a|', 'b|', 'c|', 'd|'], ['x|'], ['e|'], ['y|']]);
  });

  it('takes what stands behind the last boundary for a segment only where a prompt ends', async () => {
    const { asked, encode } = counted();
    const tree = new SegmentCache(1e6).tree(splitter, encode);
    await tree.encode('a|assist');
    await tree.encode('a|assist');
    const longer = await tree.encode('a|assistant|');
    assert.deepEqual(asked, [['a|', 'assist'], ['assistant|']]);
    await tree.encode('a|assistant|assist');
    assert.lengthOf(asked, 2, 'whatever stands before');
    assert.deepEqual([...longer.ids], [...idsOf('a|assistant|')]);
  });

  it('waits for a prompt with the same beginning that is under way', async () => {
    const { asked, encode } = counted();
    const tree = new SegmentCache(1e6).tree(splitter, encode);
    const all = await Promise.all(['long|1|', 'long|2|', 'long|3|'].map(text => tree.encode(text)));
    assert.deepEqual(asked, [['long|', '1|'], ['2|'], ['3|']]);
    assert.deepEqual([...all[2]!.ids], [...idsOf('long|3|')]);
  });

  it('rejects with what the tokenizer rejects with, and tries again for whoever waited', async () => {
    const gone = new Error('ended');
    let calls = 0;
    const tree = new SegmentCache(1e6).tree(splitter, texts =>
      calls++ === 0 ? Promise.reject(gone) : encode(texts),
    );
    const [first, second] = await Promise.allSettled([tree.encode('a|'), tree.encode('a|')]);
    assert.deepEqual(first, { status: 'rejected', reason: gone });
    assert.equal(second!.status, 'fulfilled');
  });

  it('evicts what was used longest ago, and a beginning after what follows it', async () => {
    const { asked, encode } = counted();
    const cache = new SegmentCache(4_000);
    const tree = cache.tree(splitter, encode);
    for (const text of ['s|a|', 's|b|', 's|c|', 's|d|', 's|e|', 's|f|', 's|g|']) await tree.encode(text);
    assert.isAtMost(cache.bytes, 4_000);
    asked.length = 0;
    await tree.encode('s|g|');
    assert.deepEqual(asked, []);
    await tree.encode('s|a|');
    assert.deepEqual(asked, [['a|']]);
  });

  it('keeps nothing where there is no room, and answers all the same', async () => {
    const cache = new SegmentCache(0);
    const tree = cache.tree(splitter, encode);
    assert.deepEqual([...(await tree.encode('a|b|')).ids], [...idsOf('a|b|')]);
    assert.equal(cache.bytes, 0);
  });

  it('forgets one tokenizer’s segments without those of another', async () => {
    const { asked, encode } = counted();
    const cache = new SegmentCache(1e6);
    const [one, other] = [cache.tree(splitter, encode), cache.tree(splitter, encode)] as [
      SegmentTree,
      SegmentTree,
    ];
    await one.encode('a|b|');
    await other.encode('a|b|');
    const both = cache.bytes;
    one.clear();
    assert.equal(cache.bytes, both / 2);
    asked.length = 0;
    await other.encode('a|b|');
    assert.deepEqual(asked, []);
    await one.encode('a|b|');
    assert.deepEqual(asked, [['a|', 'b|']]);
  });

  it('gives the ids and hashes of the whole text, whatever was asked before, and stays within its bound', async () => {
    const prompt = fc
      .array(fc.constantFrom('a', 'b', 'é', '語', '|', '|'), { maxLength: 24 })
      .map(all => all.join(''));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(prompt, fc.constantFrom('', 'x', 'y')), { maxLength: 40 }),
        fc.constantFrom(0, 3_000, 1e6),
        fc.boolean(),
        async (prompts, maxBytes, atOnce) => {
          const cache = new SegmentCache(maxBytes);
          const tree = cache.tree(splitter, encode);
          const check = async ([text, salt]: readonly [string, string]) => {
            const { ids, chains } = await tree.encode(text);
            assert.deepEqual([...ids], [...idsOf(text)]);
            const root = rootOf(salt);
            const chain = chainWithKept(hasher, root, ids, 2, chains);
            assert.deepEqual([...chain.lanes], [...hasher.chain(root, ids, 2).lanes]);
            assert.isAtMost(cache.bytes, maxBytes);
          };
          if (atOnce) await Promise.all(prompts.map(check));
          else for (const each of prompts) await check(each);
        },
      ),
    );
  });
});

describe('hashes kept with segments', () => {
  it('are those of all blocks but the new ones', async () => {
    const tree = new SegmentCache(1e6).tree(splitter, encode);
    const first = await tree.encode('abcd|efg|');
    chainWithKept(hasher, rootOf(''), first.ids, 2, first.chains);
    const next = await tree.encode('abcd|efg|hijkl|');
    assert.equal(next.chains.firstBlocks(rootOf(''), 2).length, 2 * 4);
    assert.equal(next.chains.firstBlocks(rootOf('salted'), 2).length, 0);
  });
});
