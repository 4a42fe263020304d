import { engineLanes } from '../support/blocks.ts';
/** Engines that choose their hashes badly, or to do harm: one that stands for more blocks than a table has room for. */

import { assert } from 'chai';
import { engineHash } from '../../src/domain.ts';
import { START } from '../../src/prefix-index/prefix-index.ts';
import { RunIndex } from '../../src/prefix-index/run-index.ts';
import { chainOf, engineHashesOf, engineHashIn, holder } from '../support/blocks.ts';

const [A, B] = [holder(0), holder(1)];
const BLOCKS = 1_000;
const SAME = engineHash(7, 7);

describe('an index in which one hash of an engine stands for very many blocks', () => {
  let index: RunIndex;
  beforeEach(() => {
    index = new RunIndex({ capacityBytes: 1 << 20, maxHolders: 8, seed: 1 });
  });

  const prompt = (i: number) => chainOf([i]);

  function store(i: number, by = A, engineHashes = engineLanes(SAME.hi, SAME.lo)): void {
    index.store(by, prompt(i), { after: START, engineHashes, again: 'same' });
  }

  const ways: [what: string, store: (i: number) => void][] = [
    ['are new', i => store(i)],
    [
      'another engine has, too',
      i => {
        store(i, B, engineHashesOf(prompt(i)));
        store(i);
      },
    ],
    [
      'are stored where another engine has them',
      i => {
        const itsHashes = engineHashesOf(prompt(i));
        store(i, B, itsHashes);
        index.storeAt(A, index.locate(B, engineHashIn(itsHashes, 0))!, SAME);
      },
    ],
  ];
  for (const [what, storeOne] of ways) {
    it(`holds only what that engine can remove again, of blocks that ${what}`, () => {
      for (let i = 0; i < BLOCKS; i++) storeOne(i);
      index.check();
      assert.isAbove(index.held(A), 0);
      assert.isBelow(index.held(A), BLOCKS);
      index.remove(A, SAME);
      index.check();
      assert.equal(index.held(A), 0);
    });
  }
});
