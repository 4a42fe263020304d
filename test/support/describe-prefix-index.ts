/** What every PrefixIndex promises. Run it against each implementation. */

import { assert } from 'chai';
import type { BlockChain, HolderId } from '../../src/domain.ts';
import { engineHash } from '../../src/domain.ts';
import { type PrefixIndex, START } from '../../src/prefix-index/prefix-index.ts';
import { blockAt } from '../../src/prompt/blocks.ts';
import { chainOf, depthsOf, engineHashAt, engineHashesOf, engineLanes, holder, slice } from './blocks.ts';

const A = holder(0);
const B = holder(1);
const C = holder(2);

export function describePrefixIndex(name: string, make: () => PrefixIndex): void {
  describe(`a prefix index (${name})`, () => {
    const chain = chainOf([1, 2, 3, 4, 5, 6]);
    let index: PrefixIndex;

    beforeEach(() => {
      index = make();
    });

    /** A whole chain, as an engine with these hashes would announce it. */
    function store(by: HolderId, of: BlockChain, scheme = 0, again: 'copy' | 'same' = 'copy'): number {
      return index.store(by, of, { after: START, engineHashes: engineHashesOf(of, scheme), again });
    }

    function remove(by: HolderId, of: BlockChain, position: number, scheme = 0): number {
      return index.remove(by, engineHashAt(of, position, scheme)).length;
    }

    function depths(of = chain): Record<number, number> {
      return Object.fromEntries(depthsOf(index.find(of).layers()));
    }

    it('matches nothing while it is empty', () => {
      assert.deepEqual(index.find(chain).layers(), []);
      assert.deepEqual(index.size(), { blocks: 0, entries: 0 });
    });

    it('matches a stored chain to its full length', () => {
      assert.equal(store(A, chain), 6);
      assert.deepEqual(index.find(chain).layers(), [{ depth: 6, holders: [A] }]);
      assert.equal(index.find(chain).depthOf(A), 6);
      assert.equal(index.held(A), 6);
    });

    it('matches a prompt as far as it is shared with what was stored', () => {
      store(A, chain);
      assert.deepEqual(depths(chainOf([1, 2, 3, 9, 9])), { [A]: 3 });
      assert.deepEqual(depths(chainOf([1, 2])), { [A]: 2 });
      assert.deepEqual(depths(chainOf([1, 2, 3, 4, 5, 6, 7, 8])), { [A]: 6 });
      assert.deepEqual(depths(chainOf([9, 2, 3])), {});
    });

    it('matches nothing for a prompt without a full block, and stores nothing of one', () => {
      const empty = chainOf([]);
      store(A, empty);
      assert.deepEqual(index.size(), { blocks: 0, entries: 0 });
      store(A, chain);
      assert.deepEqual(index.find(empty).layers(), []);
    });

    it('tells where each block of a prompt is that somebody holds', () => {
      store(A, chain);
      store(B, slice(chain, 0, 2));
      const asked = chainOf([1, 2, 3, 9]);
      for (let block = 0; block < 3; block++) {
        const engineHash = engineHashAt(chain, block, 0);
        assert.equal(index.find(asked).placeOf(block), index.locate(A, engineHash), `${block}`);
      }
      assert.isUndefined(index.find(asked).placeOf(3));
      assert.isUndefined(index.find(chainOf([9])).placeOf(0));
    });

    it('has the deepest layer first, and each holder in one layer', () => {
      store(A, slice(chain, 0, 2));
      store(B, chain);
      store(C, slice(chain, 0, 2));
      const [deepest, next, ...more] = index.find(chain).layers();
      assert.deepEqual(deepest, { depth: 6, holders: [B] });
      assert.equal(next!.depth, 2);
      assert.sameMembers([...next!.holders], [A, C]);
      assert.isEmpty(more);
    });

    it('tells each holder and its depth, deepest first', () => {
      store(A, slice(chain, 0, 2));
      store(B, chain);
      const told: [HolderId, number][] = [];
      index.find(chain).forEachLayer((depth, holders, from, to) => {
        for (const by of holders.subarray(from, to)) told.push([holder(by), depth]);
      });
      assert.deepEqual(told, [
        [B, 6],
        [A, 2],
      ]);
    });

    it('goes on behind a block that is known by the hash of its engine', () => {
      store(A, slice(chain, 0, 4));
      const after = index.locate(A, engineHashAt(chain, 3))!;
      assert.deepEqual(index.hashAt(after), blockAt(chain, 3));
      const rest = slice(chain, 4);
      assert.equal(index.store(A, rest, { after, engineHashes: engineHashesOf(rest), again: 'copy' }), 2);
      assert.deepEqual(depths(), { [A]: 6 });
    });

    it('does not know a block by the hash of an engine that does not hold it', () => {
      store(A, chain);
      assert.isUndefined(index.locate(B, engineHashAt(chain, 3)));
      assert.equal(remove(B, chain, 3), 0);
    });

    it('does not fill the hole of one holder with a block of another', () => {
      store(A, slice(chain, 0, 3));
      store(B, chain);
      remove(B, chain, 1);
      assert.deepEqual(depths(), { [A]: 3, [B]: 1 });
    });

    it('ends a match before a removed block, and continues it when the hole is filled', () => {
      store(A, chain);
      assert.equal(remove(A, chain, 2), 1);
      assert.deepEqual(depths(), { [A]: 2 });
      assert.deepEqual(index.size(), { blocks: 5, entries: 5 });
      store(A, slice(chain, 0, 3), 0, 'same');
      assert.deepEqual(depths(), { [A]: 6 });
    });

    it('matches nothing when the first block is removed, though the rest is held', () => {
      store(A, chain);
      remove(A, chain, 0);
      assert.deepEqual(depths(), {});
      assert.equal(index.size().entries, 5);
    });

    it('removes a block of one holder only', () => {
      store(A, chain);
      store(B, chain);
      remove(A, chain, 4);
      assert.deepEqual(depths(), { [A]: 4, [B]: 6 });
      assert.deepEqual(index.size(), { blocks: 6, entries: 11 });
    });

    it('does not mind the removal of what is not held', () => {
      assert.equal(remove(A, chain, 0), 0);
      store(A, slice(chain, 0, 2));
      assert.equal(remove(A, chain, 5), 0);
      assert.equal(remove(B, chain, 0), 0);
      assert.deepEqual(depths(), { [A]: 2 });
      assert.deepEqual(index.size(), { blocks: 2, entries: 2 });
    });

    it('holds a block until its last copy is removed', () => {
      store(A, chain);
      assert.equal(store(A, slice(chain, 0, 3)), 0);
      store(A, slice(chain, 0, 3));
      assert.deepEqual(index.size(), { blocks: 6, entries: 6 });
      assert.deepEqual([remove(A, chain, 2), remove(A, chain, 2)], [0, 0]);
      assert.deepEqual(depths(), { [A]: 6 });
      assert.equal(remove(A, chain, 2), 1);
      assert.deepEqual(depths(), { [A]: 2 });
      assert.equal(remove(A, chain, 5), 1);
    });

    it('counts no copy of what is announced once more as the same', () => {
      store(A, chain);
      store(A, chain, 0, 'same');
      assert.equal(remove(A, chain, 5), 1);
    });

    it('holds a block until it is removed under each hash that its engine has for it', () => {
      for (const scheme of [0, 1, 2] as const) store(A, chain, scheme);
      store(B, chain, 1);
      assert.deepEqual(index.size(), { blocks: 6, entries: 12 });
      assert.deepEqual([remove(A, chain, 5, 1), remove(A, chain, 5), remove(A, chain, 5, 1)], [0, 0, 0]);
      assert.deepEqual(depths(), { [A]: 6, [B]: 6 });
      assert.equal(remove(A, chain, 5, 2), 1);
      assert.deepEqual(depths(), { [A]: 5, [B]: 6 });
    });

    it('counts the copies of each hash', () => {
      store(A, chain);
      for (let copy = 0; copy < 3; copy++) store(A, chain, 1);
      assert.deepEqual([remove(A, chain, 5), remove(A, chain, 5, 1), remove(A, chain, 5, 1)], [0, 0, 0]);
      assert.equal(remove(A, chain, 5, 1), 1);
    });

    it('counts no copy of what is announced once more as the same, under whichever hash', () => {
      store(A, chain);
      store(A, chain, 1, 'same');
      store(A, chain, 1, 'same');
      assert.deepEqual([remove(A, chain, 5, 1), remove(A, chain, 5, 1)], [0, 0]);
      assert.equal(remove(A, chain, 5), 1);
    });

    it('goes on behind a block by any of its hashes', () => {
      store(A, slice(chain, 0, 3));
      store(A, slice(chain, 0, 3), 1);
      const third = engineHashAt(chain, 2, 1);
      assert.equal(index.locate(A, third), index.locate(A, engineHashAt(chain, 2)));
      remove(A, chain, 2);
      assert.isDefined(index.locate(A, third));
      remove(A, chain, 2, 1);
      assert.isUndefined(index.locate(A, third));
    });

    it('forgets all hashes of a block with it', () => {
      for (const scheme of [0, 1, 2] as const) store(A, chain, scheme);
      index.clear(A);
      store(B, chain);
      for (const scheme of [0, 1, 2] as const)
        assert.isUndefined(index.locate(A, engineHashAt(chain, 5, scheme)));
      store(A, chain, 1);
      index.removeAt(A, index.locate(A, engineHashAt(chain, 5, 1))!);
      assert.deepEqual(depths(), { [A]: 5, [B]: 6 });
    });

    it('knows a block by each of its holders’ hashes, and by no other', () => {
      store(A, chain);
      store(B, chain, 1);
      store(C, chain, 2);
      assert.deepEqual(index.size(), { blocks: 6, entries: 18 });
      assert.equal(remove(B, chain, 5, 0), 0);
      assert.equal(remove(C, chain, 5, 1), 0);
      assert.equal(remove(B, chain, 5, 1), 1);
      assert.deepEqual(depths(), { [A]: 6, [B]: 5, [C]: 6 });
      assert.deepEqual(
        [0, 1, 2].map(scheme => index.locate(C, engineHashAt(chain, 5, scheme))),
        [undefined, undefined, index.locate(A, engineHashAt(chain, 5))],
      );
    });

    it('claims none of several blocks that were announced under one hash, when that is removed', () => {
      const [one, other] = [chainOf([1]), chainOf([2])];
      const engineHashes = engineLanes(7, 7);
      for (const each of [one, other]) index.store(A, each, { after: START, engineHashes, again: 'copy' });
      index.store(B, one, { after: START, engineHashes, again: 'copy' });
      assert.lengthOf(index.remove(A, engineHash(7, 7)), 2);
      assert.deepEqual(depths(one), { [B]: 1 });
      assert.deepEqual(depths(other), {});
    });

    it('takes blocks that no engine has announced, and their hashes later', () => {
      index.store(A, chain, { after: START, engineHashes: undefined, again: 'same' });
      assert.equal(remove(A, chain, 5), 0);
      store(B, chain);
      assert.deepEqual(depths(), { [A]: 6, [B]: 6 });
      assert.equal(remove(B, chain, 5), 1);
      const place = index.locate(B, engineHashAt(chain, 4))!;
      index.removeAt(A, place);
      assert.deepEqual(depths(), { [A]: 4, [B]: 5 });
    });

    it('takes a block from a holder whatever the number of its copies', () => {
      store(A, chain);
      store(A, chain);
      index.removeAt(A, index.locate(A, engineHashAt(chain, 2))!);
      assert.deepEqual(depths(), { [A]: 2 });
    });

    it('clears everything of one holder and nothing of others', () => {
      store(A, chain);
      store(A, chainOf([7, 8]));
      store(A, chainOf([7, 8]));
      store(B, chain, 1);
      index.clear(A);
      assert.deepEqual(depths(), { [B]: 6 });
      assert.deepEqual(index.find(chainOf([7, 8])).layers(), []);
      assert.deepEqual(index.size(), { blocks: 6, entries: 6 });
      index.clear(A);
      store(A, slice(chain, 0, 1));
      assert.deepEqual(depths(), { [A]: 1, [B]: 6 });
      assert.equal(remove(B, chain, 5, 1), 1);
    });

    it('keeps branches of one prefix apart', () => {
      store(A, chainOf([1, 2, 3]));
      store(B, chainOf([1, 2, 4]));
      assert.deepEqual(index.size(), { blocks: 4, entries: 6 });
      assert.deepEqual(depths(chainOf([1, 2, 3])), { [A]: 3, [B]: 2 });
      assert.deepEqual(depths(chainOf([1, 2, 4])), { [A]: 2, [B]: 3 });
    });

    it('keeps the blocks of different contexts and block sizes apart', () => {
      const tokens = [1, 2, 3, 4];
      store(A, chainOf(tokens, 2));
      assert.deepEqual(index.find(chainOf(tokens, 1)).layers(), []);
      assert.deepEqual(index.find(chainOf(tokens, 2, { salt: 'x' })).layers(), []);
      assert.deepEqual(depths(chainOf(tokens, 2)), { [A]: 2 });
    });

    it('is empty again when all is removed, in whatever order', () => {
      for (const [scheme, id] of [A, B, C].entries()) store(id, chain, scheme);
      for (const position of [3, 0, 5, 1, 4, 2]) remove(A, chain, position);
      for (let position = 0; position < 6; position++) remove(B, chain, position, 1);
      index.clear(C);
      assert.deepEqual(index.size(), { blocks: 0, entries: 0 });
      assert.deepEqual(index.find(chain).layers(), []);
    });
  });
}
