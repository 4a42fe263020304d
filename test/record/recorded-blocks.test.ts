import { assert } from 'chai';
import fc from 'fast-check';
import { FileSalt } from '../../src/record/file-salt.ts';
import { recordedBlocks } from '../../src/record/recorded-blocks.ts';
import { aContext, blockForm, HASHER, tokenIds } from '../support/blocks.ts';

const chainFor = (ids: Uint32Array, size: number, salt = '') => {
  const root = HASHER.root(aContext({ salt }), blockForm(size));
  return { root, chain: HASHER.chain(root, ids, size) };
};
const hashesOf = (ids: Uint32Array, size: number, blockTokens: number, salt = '') =>
  hexOf(recordedBlocks(ids, chainFor(ids, size, salt), blockTokens)!);
const hexOf = (lanes: Uint32Array) =>
  Array.from({ length: lanes.length / 2 }, (_, i) => `${lanes[2 * i]} ${lanes[2 * i + 1]}`);

describe('the recorded blocks of a prompt', () => {
  it('are equal as far as prompts begin with the same, whatever the engine’s blocks are, and no further', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 0, max: 200 }),
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 60 }),
        (size, blockTokens, common, one, other) => {
          const beginning = tokenIds(common);
          const prompts = [one, other].map((more, i) =>
            Uint32Array.of(...beginning, ...tokenIds(more, i + 1)),
          );
          const [hashes, others] = prompts.map(ids => hashesOf(ids, size, blockTokens));
          assert.lengthOf(hashes!, Math.ceil(prompts[0]!.length / blockTokens));
          const shared = Math.floor(common / blockTokens);
          assert.deepEqual(hashes!.slice(0, shared), others!.slice(0, shared));
          for (let i = shared; i < Math.min(hashes!.length, others!.length); i++)
            assert.notEqual(hashes![i], others![i]);
          assert.lengthOf([...new Set(hashes)], hashes!.length);
        },
      ),
    );
  });

  it('end with one for the rest, which is of that very rest', () => {
    const ids = tokenIds(100);
    assert.notEqual(hashesOf(ids.subarray(0, 90), 16, 64)[1], hashesOf(ids, 16, 64)[1]);
    assert.deepEqual(hashesOf(ids.subarray(0, 64), 16, 64), hashesOf(ids, 16, 64).slice(0, 1));
  });

  it('are those of one tenant alone, also where no block of the engine is full', () => {
    for (const tokens of [5, 100])
      assert.notDeepEqual(
        hashesOf(tokenIds(tokens), 16, 512, 'one'),
        hashesOf(tokenIds(tokens), 16, 512, 'other'),
      );
  });

  it('go on where the look-up has hashed only the beginning', () => {
    const ids = tokenIds(1_000);
    const found = chainFor(ids.subarray(0, 320), 16);
    const changed = ids.slice();
    changed[700] = 7;
    const [all, others] = [ids, changed].map(each => hexOf(recordedBlocks(each, found, 100)!));
    assert.deepEqual(all!.slice(0, 7), others!.slice(0, 7));
    for (let i = 7; i < 10; i++) assert.notEqual(all![i], others![i]);
    assert.deepEqual(all!.slice(0, 3), hashesOf(ids, 16, 100).slice(0, 3));
  });

  it('are none of an empty prompt, or of one that has too many', () => {
    assert.isUndefined(recordedBlocks(tokenIds(0), chainFor(tokenIds(0), 16), 512));
    const long = new Uint32Array((1 << 17) + 1);
    assert.isUndefined(recordedBlocks(long, chainFor(long.subarray(0, 16), 16), 1));
    const beyond = new Uint32Array((1 << 24) + 1);
    assert.isUndefined(recordedBlocks(beyond, chainFor(beyond.subarray(0, 16), 16), 65_536));
  });
});

describe('a file’s salt', () => {
  const hashes = Uint32Array.of(1, 2, 1, 2, 0xffffffff, 0xffffffff, 0, 0);

  it('makes numbers that JSON keeps, equal ones of equal hashes', () => {
    const salt = new FileSalt();
    const ids = salt.idsOf(hashes);
    for (const id of ids) assert.isTrue(Number.isSafeInteger(id) && id >= 0);
    assert.equal(ids[0], ids[1]);
    assert.lengthOf([...new Set(ids)], 3);
    assert.deepEqual(salt.idsOf(hashes.slice(4, 6)), [ids[2]!], 'whatever is beside it');
    assert.isEmpty(salt.idsOf(new Uint32Array()));
  });

  it('is another one for each file', () => {
    assert.notDeepEqual(new FileSalt().idsOf(hashes), new FileSalt().idsOf(hashes));
  });
});
