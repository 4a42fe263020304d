/** Blocks that are stored, and removed, where they are: by their places, not by their hashes. */

import { assert } from 'chai';
import fc from 'fast-check';
import type { BlockChain, HolderId } from '../../src/domain.ts';
import { type Place, type PrefixIndex, START } from '../../src/prefix-index/prefix-index.ts';
import { RunIndex } from '../../src/prefix-index/run-index.ts';
import { chainOf, depthsOf, engineHashAt, engineHashesOf, holder } from '../support/blocks.ts';
import { MapOfSets } from '../support/map-of-sets.ts';

const [A, B, SILENT] = [holder(0), holder(1), holder(4)];

function store(index: PrefixIndex, by: HolderId, chain: BlockChain, scheme = 0): void {
  index.store(by, chain, { after: START, engineHashes: engineHashesOf(chain, scheme), again: 'copy' });
}

const hashAt = (chain: BlockChain, position: number, scheme = 0) => engineHashAt(chain, position, scheme);

describe('the index, by places', () => {
  const chain = chainOf([1, 2, 3, 4, 5, 6]);
  let index: RunIndex;
  beforeEach(() => {
    index = new RunIndex({ capacityBytes: 1 << 20, maxHolders: 16, seed: 1 });
    store(index, A, chain);
  });
  afterEach(() => index.check());

  const placeOf = (position: number): Place => index.locate(A, hashAt(chain, position))!;
  const depthOf = (by: HolderId) => index.find(chain).depthOf(by);

  it('stores a block where it is, under the hash of whoever announces it', () => {
    index.storeAt(B, placeOf(0), hashAt(chain, 0, 1));
    index.storeAt(B, placeOf(1), hashAt(chain, 1));
    assert.deepEqual([depthOf(A), depthOf(B)], [6, 2]);
    assert.deepEqual([index.holdsAt(B, placeOf(1)), index.holdsAt(B, placeOf(2))], [true, false]);
    assert.deepEqual(index.remove(B, hashAt(chain, 0)), []);
    assert.deepEqual(index.remove(B, hashAt(chain, 0, 1)), [placeOf(0)]);
    assert.deepEqual([depthOf(A), depthOf(B), index.held(B)], [6, 0, 1]);
  });

  it('counts a block that is stored where it is held as one copy more', () => {
    index.storeAt(A, placeOf(5), hashAt(chain, 5));
    assert.deepEqual(index.remove(A, hashAt(chain, 5)), []);
    assert.lengthOf(index.remove(A, hashAt(chain, 5)), 1);
    assert.equal(depthOf(A), 5);
  });

  it('stores blocks of a holder that no engine speaks for', () => {
    index.storeAt(SILENT, placeOf(0), undefined);
    index.storeAt(SILENT, placeOf(0), undefined);
    assert.equal(depthOf(SILENT), 1);
    index.removeAt(SILENT, placeOf(0));
    index.removeAt(SILENT, placeOf(0));
    assert.deepEqual([depthOf(SILENT), depthOf(A)], [0, 6]);
  });

  it('stores all that another one holds, of all prompts, and what it had stays', () => {
    store(index, A, chainOf([1, 2, 9, 9]));
    store(index, B, chainOf([7, 8]));
    index.removeAt(A, placeOf(4));
    index.storeAllOf(B, SILENT);
    index.storeAllOf(A, SILENT);
    index.storeAllOf(A, SILENT);
    assert.deepEqual([depthOf(SILENT), index.held(SILENT)], [4, 5 + 2 + 2]);
    assert.deepEqual(
      [
        [1, 2, 9, 9],
        [7, 8],
      ].map(tokens => index.find(chainOf(tokens)).depthOf(SILENT)),
      [4, 2],
    );
    index.clear(A);
    assert.deepEqual([depthOf(SILENT), index.held(SILENT)], [4, 9], 'by itself');
  });

  it('stores nothing of one who holds nothing', () => {
    index.storeAllOf(B, SILENT);
    assert.equal(index.held(SILENT), 0);
  });

  it('says where the blocks were that are gone', () => {
    const places = [2, 3].map(placeOf);
    assert.deepEqual(
      [2, 3].flatMap(position => index.remove(A, hashAt(chain, position))),
      places,
    );
    for (const place of places) assert.isFalse(index.holdsAt(A, place));
    index.removeAt(A, places[0]!);
    assert.equal(index.size().entries, 4);
  });

  it('holds what a map of sets holds, after any history', function () {
    this.timeout(20_000);
    const SPOKEN_FOR = [0, 1, 2];
    const ALL = [0, 1, 2, 3, 4];
    const anyChain = fc
      .tuple(
        fc.nat({ max: 1 }),
        fc.integer({ min: 1, max: 20 }),
        fc.array(fc.nat({ max: 1 }), { maxLength: 2 }),
      )
      .map(([start, blocks, end]) =>
        chainOf([...Array.from({ length: blocks }, (_, i) => (i === 0 ? start : 5)), ...end]),
      );
    const step = fc.record({
      what: fc.constantFrom('store', 'store', 'storeAt', 'storeAt', 'all', 'removeAt', 'remove', 'clear'),
      from: fc.constantFrom(...SPOKEN_FOR),
      to: fc.constantFrom(...ALL),
      of: anyChain,
      at: fc.nat({ max: 30 }),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 10, maxLength: 80, size: 'max' }), steps => {
        const real = new RunIndex({ capacityBytes: 1 << 20, maxHolders: 16, seed: 1 });
        const model = new MapOfSets();
        for (const { what, from, to, of, at } of steps) {
          const hash = hashAt(of, at % of.length, from);
          for (const each of [real, model]) {
            const place = each.locate(holder(from), hash);
            if (what === 'store') store(each, holder(from), of, from);
            else if (what === 'all') each.storeAllOf(holder(from), holder(3 + (at % 2)));
            else if (what === 'remove') each.remove(holder(from), hash);
            else if (what === 'clear' && at < 4) each.clear(holder(to));
            else if (place === undefined) continue;
            else if (what === 'removeAt') each.removeAt(holder(to), place);
            else if (what === 'storeAt') {
              const own = SPOKEN_FOR.includes(to) ? hashAt(of, at % of.length, to) : undefined;
              each.storeAt(holder(to), place, own);
            }
          }
          real.check();
          assert.deepEqual(real.size(), model.size());
          const inOrder = (found: ReadonlyMap<number, number>) => [...found].sort(([a], [b]) => a - b);
          assert.deepEqual(
            inOrder(depthsOf(real.find(of).layers())),
            inOrder(depthsOf(model.find(of).layers())),
          );
          const places = [real, model].map(each => each.locate(holder(from), hash));
          assert.equal(places[0] === undefined, places[1] === undefined);
          for (const by of places[0] === undefined ? [] : ALL) {
            assert.equal(real.holdsAt(holder(by), places[0]!), model.holdsAt(holder(by), places[1]!));
          }
        }
        for (const by of ALL) assert.equal(real.held(holder(by)), model.held(holder(by)));
      }),
      { numRuns: 40 },
    );
  });
});
