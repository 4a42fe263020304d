import { assert } from 'chai';
import fc from 'fast-check';
import { type Entry, SortedBytes } from '../../src/prompt/known/sorted-bytes.ts';

const MAX_BYTES = 80;

describe('entries by their bytes', () => {
  it('are found where a list that is searched has them, and cost what they say, whatever is added, used and evicted', () => {
    const bytes = fc
      .uint8Array({ min: 0, max: 2, minLength: 1, maxLength: 4 })
      .map(each => Buffer.from(each));
    const step = fc.record({
      bytes,
      cost: fc.integer({ min: 1, max: 10 }),
      instead: fc.option(fc.nat(20)),
      used: fc.option(fc.nat(20)),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), bytes, (steps, looked) => {
        const sorted = new SortedBytes<Entry>(MAX_BYTES);
        const all: Entry[] = [];
        /** The one that was used longest ago first. */
        let model: Entry[] = [];
        for (const { bytes, cost, instead, used } of steps) {
          if (used !== null && all[used]) {
            sorted.use(all[used]);
            if (model.includes(all[used])) model = [...model.filter(each => each !== all[used]), all[used]];
          }
          const entry = { bytes, costBytes: cost };
          const replaced = instead === null ? undefined : all[instead];
          sorted.add(entry, replaced);
          all.push(entry);
          model = model.filter(each => each !== replaced);
          if (!model.some(each => each.bytes.equals(bytes))) model.push(entry);
          const sum = () => model.reduce((total, { costBytes }) => total + costBytes, 0);
          while (sum() > MAX_BYTES) model.shift();
          assert.equal(sorted.bytes, sum());
        }
        const inOrder = model.toSorted((a, b) => a.bytes.compare(b.bytes));
        for (const each of [looked, ...all.map(entry => entry.bytes)]) {
          const at = inOrder.filter(entry => entry.bytes.compare(each) < 0).length;
          const padded = Buffer.concat([Buffer.from('x'), each, Buffer.from('x')]);
          assert.deepEqual(sorted.neighbours(padded, 1, 1 + each.length), [inOrder[at - 1], inOrder[at]]);
        }
      }),
    );
  });
});
