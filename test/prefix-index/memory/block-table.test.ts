import { assert } from 'chai';
import fc from 'fast-check';
import { BlockTable } from '../../../src/prefix-index/memory/block-table.ts';

describe('a block table', () => {
  const one = { hi: 1, lo: 7 };
  const twin = { hi: 2, lo: 7 };
  const third = { hi: 3, lo: 7 };

  it('tells hashes with the same low lane apart', () => {
    const table = new BlockTable<string>();
    for (const [hash, value] of [
      [one, 'one'],
      [twin, 'twin'],
      [third, 'third'],
    ] as const) {
      assert.equal(
        table.ensure(hash, () => value),
        value,
      );
    }
    assert.equal(table.size, 3);
    assert.deepEqual(
      [1, 2, 3, 4].map(hi => table.get(hi, 7)),
      ['one', 'twin', 'third', undefined],
    );
    table.delete(twin);
    assert.deepEqual(
      [1, 2, 3].map(hi => table.get(hi, 7)),
      ['one', undefined, 'third'],
    );
    table.delete(one);
    table.delete(third);
    assert.equal(table.size, 0);
    assert.isUndefined(table.get(3, 7));
  });

  it('makes a value once', () => {
    const table = new BlockTable<object>();
    const made = table.ensure(one, () => ({}));
    assert.strictEqual(
      table.ensure({ ...one }, () => assert.fail('made twice')),
      made,
    );
    assert.equal(table.size, 1);
  });

  it('does not mind the deletion of what it does not have', () => {
    const table = new BlockTable<string>();
    table.delete(one);
    table.ensure(one, () => 'one');
    table.delete(twin);
    table.delete({ hi: 1, lo: 8 });
    assert.equal(table.size, 1);
    assert.equal(table.get(1, 7), 'one');
  });

  it('is a map of hashes', () => {
    const lane = fc.constantFrom(0, 1, 2, 0xfffffffe, 0xffffffff);
    const step = fc.record({ hi: lane, lo: lane, keep: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), steps => {
        const table = new BlockTable<string>();
        const model = new Map<string, string>();
        for (const { hi, lo, keep } of steps) {
          const key = `${hi}/${lo}`;
          if (keep) {
            table.ensure({ hi, lo }, () => key);
            model.set(key, key);
          } else {
            table.delete({ hi, lo });
            model.delete(key);
          }
          assert.equal(table.get(hi, lo), model.get(key));
          assert.equal(table.size, model.size);
        }
      }),
    );
  });
});
