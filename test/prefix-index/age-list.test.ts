import { assert } from 'chai';
import * as fc from 'fast-check';
import { type Aged, AgeList } from '../../src/prefix-index/age-list.ts';

interface Item extends Aged {
  readonly name: number;
}

function anItem(name: number): Item {
  return { name, older: undefined, newer: undefined };
}

function namesOf(list: AgeList<Item>): number[] {
  const names: number[] = [];
  for (let item = list.oldest; item; item = item.newer as Item | undefined) names.push(item.name);
  return names;
}

describe('AgeList', () => {
  it('keeps the order of appending, whatever is taken out and put back', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(9), { maxLength: 60 }), steps => {
        const list = new AgeList<Item>();
        const items = new Map<number, Item>();
        let expected: number[] = [];
        for (const name of steps) {
          const item = items.get(name) ?? anItem(name);
          if (expected.includes(name)) list.remove(item);
          expected = expected.filter(other => other !== name);
          // Every third time it stays out.
          if (name % 3 !== 0 || !items.has(name)) {
            list.append(item);
            expected.push(name);
          }
          items.set(name, item);
          assert.deepEqual(namesOf(list), expected);
          assert.equal(list.size, expected.length);
        }
      }),
    );
  });
});
