import { assert } from 'chai';
import fc from 'fast-check';
import type { BlockHash } from '../../src/domain.ts';
import { BlockHasher, chainWithKept } from '../../src/prompt/blocks.ts';
import { ChunkedText } from '../../src/tokenizers/chunked-text.ts';
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

const encoded = (tree: SegmentTree, text: string, chunk = text.length) =>
  tree.encode(new ChunkedText(chunksOf(text, chunk)));

/** Of so many characters each. */
function chunksOf(text: string, size: number): string[] {
  const chunks: string[] = [];
  for (let at = 0; at < text.length; at += size) chunks.push(text.slice(at, at + size));
  return chunks;
}

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
    await encoded(tree, 'system|user|');
    const next = await encoded(tree, 'system|user|answer|again|');
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
    await encoded(tree, 'a|b|c|d|');
    await encoded(tree, 'a|b|x|');
    await encoded(tree, 'a|b|c|d|e|');
    await encoded(tree, 'a|b|x|y|');
    assert.deepEqual(asked, [['a|', 'b|', 'c|', 'd|'], ['x|'], ['e|'], ['y|']]);
  });

  it('takes what stands behind the last boundary for a segment only where a prompt ends', async () => {
    const { asked, encode } = counted();
    const tree = new SegmentCache(1e6).tree(splitter, encode);
    await encoded(tree, 'a|assist');
    await encoded(tree, 'a|assist');
    const longer = await encoded(tree, 'a|assistant|');
    assert.deepEqual(asked, [['a|', 'assist'], ['assistant|']]);
    await encoded(tree, 'a|assistant|assist');
    assert.lengthOf(asked, 2, 'whatever stands before');
    assert.deepEqual([...longer.ids], [...idsOf('a|assistant|')]);
  });

  it('waits for a prompt with the same beginning that is under way', async () => {
    const { asked, encode } = counted();
    const tree = new SegmentCache(1e6).tree(splitter, encode);
    const all = await Promise.all(['long|1|', 'long|2|', 'long|3|'].map(text => encoded(tree, text)));
    assert.deepEqual(asked, [['long|', '1|'], ['2|'], ['3|']]);
    assert.deepEqual([...all[2]!.ids], [...idsOf('long|3|')]);
  });

  it('rejects with what the tokenizer rejects with, and tries again for whoever waited', async () => {
    const gone = new Error('ended');
    let calls = 0;
    const tree = new SegmentCache(1e6).tree(splitter, texts =>
      calls++ === 0 ? Promise.reject(gone) : encode(texts),
    );
    const [first, second] = await Promise.allSettled([encoded(tree, 'a|'), encoded(tree, 'a|')]);
    assert.deepEqual(first, { status: 'rejected', reason: gone });
    assert.equal(second!.status, 'fulfilled');
  });

  it('evicts what was used longest ago, and a beginning after what follows it', async () => {
    const { asked, encode } = counted();
    const cache = new SegmentCache(4_000);
    const tree = cache.tree(splitter, encode);
    for (const text of ['s|a|', 's|b|', 's|c|', 's|d|', 's|e|', 's|f|', 's|g|']) await encoded(tree, text);
    assert.isAtMost(cache.bytes, 4_000);
    asked.length = 0;
    await encoded(tree, 's|g|');
    assert.deepEqual(asked, []);
    await encoded(tree, 's|a|');
    assert.deepEqual(asked, [['a|']]);
  });

  it('keeps nothing where there is no room, and answers all the same', async () => {
    const cache = new SegmentCache(0);
    const tree = cache.tree(splitter, encode);
    assert.deepEqual([...(await encoded(tree, 'a|b|')).ids], [...idsOf('a|b|')]);
    assert.equal(cache.bytes, 0);
  });

  it('forgets one tokenizer’s segments without those of another', async () => {
    const { asked, encode } = counted();
    const cache = new SegmentCache(1e6);
    const [one, other] = [cache.tree(splitter, encode), cache.tree(splitter, encode)] as [
      SegmentTree,
      SegmentTree,
    ];
    await encoded(one, 'a|b|');
    await encoded(other, 'a|b|');
    const both = cache.bytes;
    one.clear();
    assert.equal(cache.bytes, both / 2);
    asked.length = 0;
    await encoded(other, 'a|b|');
    assert.deepEqual(asked, []);
    await encoded(one, 'a|b|');
    assert.deepEqual(asked, [['a|', 'b|']]);
  });

  it('gives the ids and hashes of the whole text, whatever was asked before, and stays within its bound', async () => {
    const prompt = fc
      .array(fc.constantFrom('a', 'b', 'é', '語', '|', '|'), { maxLength: 24 })
      .map(all => all.join(''));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(prompt, fc.constantFrom('', 'x', 'y'), fc.integer({ min: 1, max: 24 })), {
          maxLength: 40,
        }),
        fc.constantFrom(0, 3_000, 1e6),
        fc.boolean(),
        async (prompts, maxBytes, atOnce) => {
          const cache = new SegmentCache(maxBytes);
          const tree = cache.tree(splitter, encode);
          const check = async ([text, salt, chunk]: readonly [string, string, number]) => {
            const { ids, chains } = await encoded(tree, text, chunk);
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

describe('a text in chunks', () => {
  it('is the text that they make, wherever it is looked at', () => {
    const chunk = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 5 });
    fc.assert(
      fc.property(fc.array(chunk), fc.array(fc.tuple(fc.nat(30), fc.nat(30), chunk)), (chunks, looks) => {
        const [text, whole] = [new ChunkedText(chunks), chunks.join('')];
        assert.equal(String(text), whole);
        assert.equal(text.length, whole.length);
        for (const [from, to, part] of looks) {
          assert.equal(text.slice(from, to), from < to ? whole.slice(from, to) : '');
          assert.equal(text.slice(from), whole.slice(from));
          for (const each of [part, whole.slice(from, to)])
            assert.equal(text.hasAt(each, from), from <= whole.length && whole.startsWith(each, from));
        }
      }),
    );
  });
});

describe('hashes kept with segments', () => {
  it('are those of all blocks but the new ones', async () => {
    const tree = new SegmentCache(1e6).tree(splitter, encode);
    const first = await encoded(tree, 'abcd|efg|');
    chainWithKept(hasher, rootOf(''), first.ids, 2, first.chains);
    const next = await encoded(tree, 'abcd|efg|hijkl|');
    assert.equal(next.chains.firstBlocks(rootOf(''), 2).length, 2 * 4);
    assert.equal(next.chains.firstBlocks(rootOf('salted'), 2).length, 0);
  });
});
