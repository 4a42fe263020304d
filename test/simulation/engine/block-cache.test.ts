import { assert } from 'chai';
import fc from 'fast-check';
import { BlockCache } from '../../../src/simulation/engine/block-cache.ts';

describe('the block cache', () => {
  it('finds what a map of lists finds, copies and evictions included', () => {
    // Few hashes that differ in few bits: probes run into one another.
    const step = fc.record({ hash: fc.nat(12), keep: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120, size: 'max' }), steps => {
        const copies = new Map<number, number>();
        const cache = new BlockCache(10, (hi, lo) => {
          assert.equal(hi, lo);
          copies.set(lo, copies.get(lo)! - 1);
        });
        const held: number[] = [];
        for (const { hash, keep } of steps) {
          if (cache.free === 0) cache.release(held.splice(0));
          const block = cache.take();
          cache.store(block, hash, hash);
          copies.set(hash, (copies.get(hash) ?? 0) + 1);
          if (keep) held.push(block);
          else cache.release([block]);
          const wrong = [...copies].filter(([each, count]) => isFound(cache, each) !== count > 0);
          assert.isEmpty(wrong);
        }
        const contents = [...cache.contents()].map(([, lo]) => lo).sort();
        const expected = [...copies]
          .flatMap(([hash, count]) => Array.from({ length: count }, () => hash))
          .sort();
        assert.deepEqual(contents, expected);
      }),
    );
  });

  it('counts blocks that are held again as taken', () => {
    const cache = new BlockCache(4, () => {});
    const [one, two] = [cache.take(), cache.take()];
    cache.store(one, 1, 1);
    cache.release([one, two]);
    assert.isTrue(cache.fits([one], 3));
    assert.isFalse(cache.fits([one], 4));
    cache.hold(one);
    assert.isTrue(cache.fits([one], 3));
    assert.equal(cache.free, 3);
  });
});

function isFound(cache: BlockCache, hash: number): boolean {
  return cache.prefix(Uint32Array.of(hash, hash), 1).length === 1;
}
