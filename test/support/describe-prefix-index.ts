/** What every PrefixIndex promises. Run it against each implementation. */
import { assert } from 'chai';
import type { HolderId } from '../../src/domain.ts';
import type { PrefixIndex } from '../../src/prefix-index/prefix-index.ts';
import { blockAt } from '../../src/prompt/blocks.ts';
import { chainOf, depthsOf, holder, slice } from './blocks.ts';

const A = holder(0);
const B = holder(1);
const C = holder(2);

/** `make` returns an empty index that keeps at least `capacityEntries` entries, and not many more. */
export function describePrefixIndex(name: string, make: (capacityEntries: number) => PrefixIndex): void {
  describe(`a prefix index (${name})`, () => {
    const chain = chainOf([1, 2, 3, 4, 5, 6]);
    let index: PrefixIndex;

    beforeEach(() => {
      index = make(1_000);
    });

    function depths(of = chain): Record<number, number> {
      return Object.fromEntries(depthsOf(index.match(of)));
    }

    it('matches nothing while it is empty', () => {
      assert.deepEqual(index.match(chain), []);
      assert.deepEqual(index.size(), { blocks: 0, entries: 0 });
    });

    it('matches a stored chain to its full length', () => {
      index.store(A, chain);
      assert.deepEqual(index.match(chain), [{ depth: 6, holders: [A] }]);
    });

    it('matches a prompt as far as it is shared with what was stored', () => {
      index.store(A, chain);
      assert.deepEqual(depths(chainOf([1, 2, 3, 9, 9])), { [A]: 3 });
      assert.deepEqual(depths(chainOf([1, 2])), { [A]: 2 });
      assert.deepEqual(depths(chainOf([1, 2, 3, 4, 5, 6, 7, 8])), { [A]: 6 });
      assert.deepEqual(depths(chainOf([9, 2, 3])), {});
    });

    it('matches nothing for a prompt without a full block, and stores nothing of one', () => {
      const empty = chainOf([]);
      index.store(A, empty);
      assert.deepEqual(index.size(), { blocks: 0, entries: 0 });
      index.store(A, chain);
      assert.deepEqual(index.match(empty), []);
    });

    it('has the deepest layer first, and each holder in one layer', () => {
      index.store(A, slice(chain, 0, 2));
      index.store(B, chain);
      index.store(C, slice(chain, 0, 2));
      const [deepest, next, ...more] = index.match(chain);
      assert.deepEqual(deepest, { depth: 6, holders: [B] });
      assert.equal(next!.depth, 2);
      assert.sameMembers([...next!.holders], [A, C]);
      assert.isEmpty(more);
    });

    it('counts only blocks without a hole before them', () => {
      index.store(A, slice(chain, 0, 2));
      index.store(A, slice(chain, 3));
      index.store(B, slice(chain, 1));
      assert.deepEqual(depths(), { [A]: 2 });
    });

    it('does not fill the hole of one holder with a block of another', () => {
      index.store(A, slice(chain, 0, 3));
      index.store(B, slice(chain, 0, 1));
      index.store(B, slice(chain, 2));
      assert.deepEqual(depths(), { [A]: 3, [B]: 1 });
    });

    it('ends a match before a removed block, and continues it when the hole is filled', () => {
      index.store(A, chain);
      index.remove(A, blockAt(chain, 2));
      assert.deepEqual(depths(), { [A]: 2 });
      assert.deepEqual(index.size(), { blocks: 5, entries: 5 });
      index.store(A, slice(chain, 2, 3));
      assert.deepEqual(depths(), { [A]: 6 });
    });

    it('matches nothing when the first block is removed, though the rest is held', () => {
      index.store(A, chain);
      index.remove(A, blockAt(chain, 0));
      assert.deepEqual(depths(), {});
      assert.equal(index.size().entries, 5);
    });

    it('removes a block of one holder only', () => {
      index.store(A, chain);
      index.store(B, chain);
      index.remove(A, blockAt(chain, 4));
      assert.deepEqual(depths(), { [A]: 4, [B]: 6 });
      assert.deepEqual(index.size(), { blocks: 6, entries: 11 });
    });

    it('does not mind the removal of what is not held', () => {
      index.remove(A, blockAt(chain, 0));
      index.store(A, slice(chain, 0, 2));
      index.remove(A, blockAt(chain, 5));
      index.remove(B, blockAt(chain, 0));
      assert.deepEqual(depths(), { [A]: 2 });
      assert.deepEqual(index.size(), { blocks: 2, entries: 2 });
    });

    it('holds a block once, however often it is stored', () => {
      index.store(A, chain);
      index.store(A, chain);
      assert.deepEqual(index.size(), { blocks: 6, entries: 6 });
      index.remove(A, blockAt(chain, 5));
      assert.deepEqual(depths(), { [A]: 5 });
    });

    it('clears everything of one holder and nothing of others', () => {
      index.store(A, chain);
      index.store(A, chainOf([7, 8]));
      index.store(B, chain);
      index.clear(A);
      assert.deepEqual(depths(), { [B]: 6 });
      assert.deepEqual(index.match(chainOf([7, 8])), []);
      assert.deepEqual(index.size(), { blocks: 6, entries: 6 });
      index.clear(A);
      index.store(A, slice(chain, 0, 1));
      assert.deepEqual(depths(), { [A]: 1, [B]: 6 });
    });

    it('keeps branches of one prefix apart', () => {
      index.store(A, chainOf([1, 2, 3]));
      index.store(B, chainOf([1, 2, 4]));
      assert.deepEqual(index.size(), { blocks: 4, entries: 6 });
      assert.deepEqual(depths(chainOf([1, 2, 3])), { [A]: 3, [B]: 2 });
      assert.deepEqual(depths(chainOf([1, 2, 4])), { [A]: 2, [B]: 3 });
    });

    it('keeps the blocks of different contexts and block sizes apart', () => {
      const tokens = [1, 2, 3, 4];
      index.store(A, chainOf(tokens, 2));
      assert.deepEqual(index.match(chainOf(tokens, 1)), []);
      assert.deepEqual(index.match(chainOf(tokens, 2, { salt: 'x' })), []);
      assert.deepEqual(depths(chainOf(tokens, 2)), { [A]: 2 });
    });

    it('is empty again when all is removed, in whatever order', () => {
      for (const id of [A, B, C]) index.store(id, chain);
      for (const position of [3, 0, 5, 1, 4, 2]) index.remove(A, blockAt(chain, position));
      for (let position = 0; position < 6; position++) index.remove(B, blockAt(chain, position));
      index.clear(C);
      assert.deepEqual(index.size(), { blocks: 0, entries: 0 });
      assert.deepEqual(index.match(chain), []);
    });

    describe('at its capacity', () => {
      beforeEach(() => {
        index = make(6);
      });

      const prompt = (start: number, length: number) =>
        chainOf(Array.from({ length }, (_, i) => 10 * start + i));
      const depth = (of: ReturnType<typeof prompt>, id: HolderId = A) =>
        depthsOf(index.match(of)).get(id) ?? 0;

      it('gives up the tail of the oldest chain first', () => {
        index.store(A, prompt(1, 4));
        index.store(A, prompt(2, 4));
        assert.deepEqual(index.size(), { blocks: 6, entries: 6 });
        assert.equal(depth(prompt(1, 4)), 2);
        assert.equal(depth(prompt(2, 4)), 4);
        index.store(A, prompt(3, 3));
        assert.deepEqual(
          [1, 2, 3].map(start => depth(prompt(start, 4))),
          [0, 3, 3],
        );
      });

      it('keeps what was stored again longer than what was not', () => {
        index.store(A, prompt(1, 3));
        index.store(A, prompt(2, 3));
        index.store(A, prompt(1, 3));
        index.store(A, prompt(3, 3));
        assert.deepEqual(
          [1, 2, 3].map(start => depth(prompt(start, 3))),
          [3, 0, 3],
        );
      });

      it('counts each holder of a block', () => {
        index.store(A, prompt(1, 4));
        index.store(B, prompt(1, 4));
        assert.equal(index.size().entries, 6);
        assert.equal(depth(prompt(1, 4), A), 2);
        assert.equal(depth(prompt(1, 4), B), 4);
      });

      it('keeps the head of a chain that is longer than all that fits', () => {
        index.store(A, prompt(1, 9));
        assert.equal(depth(prompt(1, 9)), 6);
        assert.equal(index.size().entries, 6);
      });

      it('has room again for what was removed', () => {
        index.store(A, prompt(1, 6));
        index.clear(A);
        index.store(B, prompt(2, 6));
        assert.equal(depth(prompt(2, 6), B), 6);
      });
    });
  });
}
