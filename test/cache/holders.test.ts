import { assert } from 'chai';
import { Holders, type MultiPart, type Part } from '../../src/cache/holders.ts';
import { holder } from '../support/blocks.ts';

const gpu = (rank: number): Part => ({ kind: 'gpu', rank });
/** All parts that there are, of two ranks, groups and generations. */
const PARTS: Part[] = [
  ...[0, 1].flatMap(rank => (['gpu', 'cpu', 'storage', 'anywhere'] as const).map(kind => ({ kind, rank }))),
  ...[0, 1].flatMap(rank => [1, 2].map(group => ({ kind: 'group', rank, group }) as const)),
  ...[0, 1].map(generation => ({ kind: 'expected', generation }) as const),
];

describe('holders', () => {
  let holders: Holders;
  beforeEach(() => {
    holders = new Holders();
  });

  it('are small integers, one for each part of each pod', () => {
    const ids = ['a', 'b'].flatMap(pod => PARTS.map(part => holders.ensure(pod, part)));
    assert.deepEqual(
      ids.map(Number),
      ids.map((_, i) => i),
    );
    assert.equal(holders.ensure('a', { ...PARTS[5]! }), ids[5]);
  });

  it('are found by pod and part, and say whose they are', () => {
    const id = holders.ensure('a', gpu(1));
    assert.equal(holders.find('a', gpu(1)), id);
    assert.deepEqual(holders.get(id), {
      ...{ pod: 'a', slot: holders.slotOf('a'), part: gpu(1) },
    });
    for (const part of PARTS.filter(({ kind }) => kind !== 'gpu'))
      assert.isUndefined(holders.find('a', part));
    assert.isUndefined(holders.find('a', gpu(0)));
    assert.isUndefined(holders.find('b', gpu(1)));
    assert.isUndefined(holders.get(holder(99)));
  });

  it('know all parts of a pod', () => {
    const ids = PARTS.map(part => holders.ensure('a', part));
    holders.ensure('b', gpu(0));
    assert.sameMembers(holders.of('a'), ids);
    assert.deepEqual(holders.of('nobody'), []);
  });

  it('stand alone on the GPU and where something is expected, and otherwise among others', () => {
    holders.slotOf('the first');
    const alone = PARTS.filter(part => holders.slotOfLone(holders.ensure('a', part)) === 1);
    assert.deepEqual([...new Set(alone.map(({ kind }) => kind))], ['gpu', 'expected']);
    const [id] = holders.of('a');
    holders.releaseAll('a');
    assert.deepEqual([holders.slotOfLone(id!), holders.slotOfLone(holder(99))], [-1, -1]);
  });

  it('are used again after the pod has gone, and those of others stay', () => {
    const freed = [holders.ensure('a', gpu(0)), holders.ensure('a', gpu(1))];
    const other = holders.ensure('b', gpu(0));
    holders.releaseAll('a');
    for (const id of freed) assert.isUndefined(holders.get(id));
    assert.deepEqual(holders.of('a'), []);
    assert.isUndefined(holders.find('a', gpu(0)));
    assert.equal(holders.find('b', gpu(0)), other);
    const again = [holders.ensure('c', gpu(0)), holders.ensure('c', gpu(1))];
    assert.sameMembers(again, freed);
    assert.deepInclude(holders.get(again[0]!), { pod: 'c', part: gpu(0) });
    assert.equal(Number(holders.ensure('c', gpu(2))), 3);
  });

  it('may be released one by one', () => {
    const [first, second] = [0, 1].map(generation =>
      holders.ensure('a', { kind: 'expected', generation }),
    ) as [never, never];
    holders.release(first);
    assert.isUndefined(holders.get(first));
    assert.isUndefined(holders.find('a', { kind: 'expected', generation: 0 }));
    assert.deepEqual(holders.of('a'), [second]);
    assert.equal(holders.ensure('a', { kind: 'expected', generation: 2 }), first);
  });

  it('may be released of a pod that nobody knows, and twice', () => {
    const id = holders.ensure('a', gpu(0));
    holders.releaseAll('nobody');
    holders.releaseAll('a');
    holders.releaseAll('a');
    assert.equal(holders.ensure('b', gpu(0)), id);
    assert.equal(Number(holders.ensure('b', gpu(1))), 1);
  });

  describe('slots of pods', () => {
    it('are small integers that all holders of a pod share', () => {
      assert.deepEqual(
        ['a', 'b', 'a'].map(pod => holders.slotOf(pod)),
        [0, 1, 0],
      );
      for (const part of PARTS) assert.equal(holders.get(holders.ensure('b', part))!.slot, 1);
      for (const id of holders.of('b')) holders.release(id);
      assert.equal(holders.slotOf('b'), 1, 'a pod keeps it without holders');
    });

    it('are used again when the pod has gone', () => {
      for (const pod of ['a', 'b']) holders.ensure(pod, gpu(0));
      holders.releaseAll('a');
      assert.deepEqual(
        ['c', 'd', 'b'].map(pod => holders.slotOf(pod)),
        [0, 2, 1],
      );
    });
  });

  describe('multiParts', () => {
    function compose(pod: string, rank: number, given: Partial<MultiPart> = {}): MultiPart {
      const multiPart = {
        ...{ slot: holders.slotOf(pod), gpu: holders.ensure(pod, gpu(rank)), tiers: undefined },
        ...{ hybrid: { alignBlocks: 1, needs: [] }, ...given },
      };
      holders.compose(multiPart);
      return multiPart;
    }

    it('are one for each rank, the last that was said of it', () => {
      compose('a', 0);
      const other = compose('a', 1);
      const need = { holder: holders.ensure('a', { kind: 'group', rank: 0, group: 1 }), before: undefined };
      const needs = [{ ...need, cells: 3, cellBlocks: 1 }];
      const first = compose('a', 0, { hybrid: { alignBlocks: 1, needs } });
      assert.sameDeepMembers([...holders.multiParts()], [first, other]);
    });

    it('are none without further parts: the GPU stands alone again', () => {
      const { gpu: id } = compose('a', 0);
      compose('a', 0, { hybrid: undefined });
      assert.deepEqual([...holders.multiParts()], []);
      assert.equal(holders.slotOfLone(id), holders.slotOf('a'));
    });

    it('take the GPU of their rank from those that stand alone', () => {
      const [one, other] = [0, 1].map(rank => holders.ensure('a', gpu(rank)));
      compose('a', 0);
      assert.deepEqual(
        [one, other].map(id => holders.slotOfLone(id!)),
        [-1, 0],
      );
      assert.deepInclude(holders.get(one!), { pod: 'a', part: gpu(0), slot: 0 });
    });

    it('are gone with their pod, and the next one to get the id stands alone', () => {
      const { gpu: id } = compose('a', 0);
      const other = compose('b', 0);
      holders.releaseAll('a');
      assert.deepEqual([...holders.multiParts()], [other]);
      assert.equal(holders.ensure('c', gpu(0)), id);
      assert.equal(holders.slotOfLone(id), holders.slotOf('c'));
    });
  });
});
