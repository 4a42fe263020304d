import { assert } from 'chai';
import { AliasHashes } from '../../src/prefix-index/alias-hashes.ts';

const A = 3;
const B = 4;

function all(aliases: AliasHashes, holder: number, hi: number, lo: number): number[] {
  const found: number[] = [];
  for (let at = aliases.find(holder, hi, lo); at !== 0; at = aliases.next()) found.push(at);
  return found;
}

describe('aliases of blocks', () => {
  let aliases: AliasHashes;
  beforeEach(() => {
    aliases = new AliasHashes({ capacity: 4, maxHolders: 8, seed: 7 });
  });
  afterEach(() => aliases.check(() => true));

  it('are found by their holder’s hash, wherever they are', () => {
    aliases.add(A, 10, 1, 2, 'copy');
    aliases.add(A, 11, 1, 2, 'copy');
    aliases.add(B, 12, 1, 2, 'copy');
    assert.sameMembers(all(aliases, A, 1, 2), [10, 11]);
    assert.deepEqual(all(aliases, B, 1, 2), [12]);
    assert.isEmpty(all(aliases, A, 2, 1));
    assert.isEmpty(all(aliases, 5, 1, 2));
    assert.deepEqual([aliases.count(A), aliases.count(B), aliases.count(5)], [2, 1, 0]);
  });

  it('are gone with their last copy', () => {
    aliases.add(A, 10, 1, 2, 'copy');
    aliases.add(A, 10, 1, 2, 'copy');
    aliases.add(A, 10, 1, 2, 'same');
    assert.isTrue(aliases.remove(A, 10, 1, 2));
    assert.deepEqual(all(aliases, A, 1, 2), [10]);
    assert.isTrue(aliases.remove(A, 10, 1, 2));
    assert.isEmpty(all(aliases, A, 1, 2));
    assert.isFalse(aliases.remove(A, 10, 1, 2));
    assert.equal(aliases.count(A), 0);
  });

  it('are taken one by one, with their copies', () => {
    aliases.add(A, 10, 1, 2, 'copy');
    aliases.add(A, 10, 1, 2, 'copy');
    aliases.add(A, 10, 3, 4, 'copy');
    const taken = [aliases.take(A, 10), aliases.take(A, 10)];
    assert.sameDeepMembers(taken, [
      { hi: 1, lo: 2, copies: 2 },
      { hi: 3, lo: 4, copies: 1 },
    ]);
    assert.isUndefined(aliases.take(A, 10));
  });

  it('can be removed from the middle of those of a block', () => {
    for (const lo of [1, 2, 3]) aliases.add(A, 10, 9, lo, 'copy');
    assert.isTrue(aliases.remove(A, 10, 9, 2));
    assert.deepEqual(
      [1, 2, 3].map(lo => all(aliases, A, 9, lo)),
      [[10], [], [10]],
    );
  });

  it('are forgotten with blocks', () => {
    for (const position of [10, 11, 12]) aliases.add(A, position, 9, position, 'copy');
    aliases.add(B, 11, 9, 11, 'copy');
    aliases.forget(A, 11, 5);
    assert.deepEqual(
      [10, 11, 12].map(lo => all(aliases, A, 9, lo)),
      [[10], [], []],
    );
    assert.deepEqual(all(aliases, B, 9, 11), [11]);
  });

  it('are not kept where there is no room, and there is room again when some are gone', () => {
    for (let i = 1; i <= 5; i++) aliases.add(A, i, 9, i, 'copy');
    assert.isEmpty(all(aliases, A, 9, 5));
    assert.equal(aliases.count(A), 4);
    const full = aliases.bytes;
    aliases.forget(A, 1, 2);
    assert.isBelow(aliases.bytes, full);
    aliases.add(A, 5, 9, 5, 'copy');
    assert.deepEqual(all(aliases, A, 9, 5), [5]);
  });
});
