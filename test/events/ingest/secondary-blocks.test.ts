import { assert } from 'chai';
import fc from 'fast-check';
import { type BlockRef, SecondaryBlocks } from '../../../src/events/ingest/secondary-blocks.ts';
import { engineHash } from '../../support/kv-events.ts';

describe('blocks of secondary groups', () => {
  let blocks: SecondaryBlocks;
  beforeEach(() => {
    blocks = new SecondaryBlocks(7);
  });

  const ensure = (hash: number, group = 0) => blocks.ensure(group, engineHash(hash));
  const find = (hash: number, group = 0) => blocks.find(group, engineHash(hash));

  function childrenOf(block: BlockRef): number[] {
    const children: number[] = [];
    for (let child = blocks.firstChildOf(block); child !== 0; child = blocks.nextChild(child))
      children.push(blocks.hashOf(child).lo);
    return children.sort();
  }

  it('are found by their group and their hash', () => {
    const [one, other] = [ensure(11), ensure(11, 1)];
    assert.notEqual(one, other);
    assert.deepEqual([find(11), find(11, 1), find(11, 2), find(12)], [one, other, 0, 0]);
    assert.deepEqual([blocks.groupOf(other), blocks.hashOf(other)], [1, engineHash(11)]);
    assert.equal(ensure(11), one);
    assert.equal(blocks.size, 2);
  });

  it('count copies, and know whether they end a cell', () => {
    const block = ensure(1);
    assert.deepEqual([blocks.copiesOf(block), blocks.isEnd(block)], [0, false]);
    for (let copy = 0; copy < 3; copy++) blocks.addCopy(block);
    blocks.markEnd(block);
    assert.deepEqual([blocks.removeCopy(block), blocks.isEnd(block), blocks.groupOf(block)], [2, true, 0]);
    blocks.dropCopies(block);
    assert.equal(blocks.copiesOf(block), 0);
  });

  it('follow what was said, and what was inferred where nothing was', () => {
    const [a, b, c] = [ensure(1), ensure(2), ensure(3)];
    blocks.inferParent(c, b);
    assert.equal(blocks.parentOf(c), b);
    blocks.inferParent(c, a);
    assert.equal(blocks.parentOf(c), b, 'what was inferred first');
    blocks.setParent(c, a);
    assert.deepEqual([blocks.parentOf(c), childrenOf(a), childrenOf(b)], [a, [3], []]);
    blocks.setParent(c, 0);
    assert.deepEqual([blocks.parentOf(c), childrenOf(a)], [0, []]);
    blocks.setParent(c, c);
    assert.equal(blocks.parentOf(c), 0, 'none follows itself');
  });

  it('are pruned when they have no copies and none follows them', () => {
    const [a, b, c] = [ensure(1), ensure(2), ensure(3)];
    blocks.setParent(b, a);
    blocks.setParent(c, b);
    blocks.addCopy(c);
    blocks.prune(a);
    blocks.prune(c);
    assert.equal(blocks.size, 3, 'one has a copy, and others are followed by it');
    blocks.removeCopy(c);
    blocks.prune(c);
    assert.equal(blocks.size, 0);
    assert.deepEqual([find(1), find(2), find(3)], [0, 0, 0]);
  });

  it('leave those that follow them without a parent when they are deleted', () => {
    const [a, b, c] = [ensure(1), ensure(2), ensure(3)];
    for (const child of [b, c]) blocks.setParent(child, a);
    blocks.delete(a);
    assert.deepEqual(
      [blocks.parentOf(b), blocks.parentOf(c), blocks.nextChild(b), blocks.nextChild(c)],
      [0, 0, 0, 0],
    );
    const again = ensure(4);
    assert.deepEqual(
      [again, childrenOf(again), blocks.copiesOf(again)],
      [a, [], 0],
      'its record is used again',
    );
  });

  it('are evicted in turn', () => {
    assert.equal(blocks.nextVictim(), 0);
    const [a, b, c] = [ensure(1), ensure(2), ensure(3)];
    blocks.delete(b);
    assert.deepEqual(
      [1, 2, 3, 4].map(() => blocks.nextVictim()),
      [a, c, a, c],
    );
  });

  it('grow to their bound, and have no room beyond it', function () {
    this.timeout(20_000);
    const first = ensure(1);
    const second = ensure(2);
    blocks.setParent(second, first);
    for (let hash = 3; hash <= blocks.capacity; hash++) assert.notEqual(ensure(hash), 0);
    assert.deepEqual([blocks.size, ensure(blocks.capacity + 1)], [blocks.capacity, 0]);
    assert.deepEqual(
      [find(1), find(2), blocks.parentOf(second), childrenOf(first)],
      [first, second, first, [2]],
    );
    assert.notEqual(find(blocks.capacity), 0);
    blocks.delete(second);
    assert.equal(ensure(blocks.capacity + 1), second);
  });

  it('are what a plain map has of them, after any history', () => {
    const hash = fc.nat(8);
    const step = fc.oneof(
      fc.tuple(fc.constantFrom('add', 'remove', 'delete', 'prune'), hash, hash),
      fc.tuple(fc.constantFrom('set', 'infer'), hash, hash),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), steps => {
        blocks = new SecondaryBlocks(7);
        const model = new Map<number, { copies: number; parent: number | undefined }>();
        for (const [what, a, b] of steps) {
          const known = model.get(a);
          if (what === 'add') {
            blocks.addCopy(ensure(a + 1));
            model.set(a, { parent: known?.parent, copies: (known?.copies ?? 0) + 1 });
          }
          if (known === undefined) continue;
          const block = find(a + 1);
          if (what === 'remove' && known.copies > 0) assert.equal(blocks.removeCopy(block), --known.copies);
          if ((what === 'set' || what === 'infer') && a !== b && model.has(b)) {
            if (what === 'set') blocks.setParent(block, find(b + 1));
            else blocks.inferParent(block, find(b + 1));
            if (what === 'set' || known.parent === undefined) known.parent = b;
          }
          const followed = (of: number) => [...model.values()].some(({ parent }) => parent === of);
          if (what === 'delete') {
            blocks.delete(block);
            model.delete(a);
            for (const each of model.values()) if (each.parent === a) each.parent = undefined;
          }
          if (what === 'prune') {
            blocks.prune(block);
            for (let last: number | undefined = a; last !== undefined; ) {
              if (model.get(last)!.copies > 0 || followed(last)) break;
              const parent: number | undefined = model.get(last)!.parent;
              model.delete(last);
              last = parent;
            }
          }
        }
        assert.equal(blocks.size, model.size);
        for (const [of, { copies, parent }] of model) {
          const block = find(of + 1);
          assert.equal(blocks.copiesOf(block), copies);
          assert.equal(blocks.parentOf(block), parent === undefined ? 0 : find(parent + 1));
          const children = [...model].filter(([, each]) => each.parent === of).map(([child]) => child + 1);
          assert.deepEqual(childrenOf(block), children.sort());
        }
      }),
      { numRuns: 300 },
    );
  });
});
