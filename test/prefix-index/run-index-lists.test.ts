import { assert } from 'chai';
import fc from 'fast-check';
import { START } from '../../src/prefix-index/prefix-index.ts';
import { RunIndex } from '../../src/prefix-index/run-index.ts';
import { chainOf, engineHashAt, engineHashesOf, holder, slice } from '../support/blocks.ts';

const HOLDERS = 3;
const BLOCKS = 120;
/** Of prompts that begin alike. */
const PROMPTS = 3;

describe('an index whose holders evict as much as they store', () => {
  it('finds all that a holder has, whenever it leaves', () => {
    const step = fc.record({
      by: fc.nat({ max: HOLDERS - 1 }),
      prompt: fc.nat({ max: PROMPTS - 1 }),
      what: fc.constantFrom('store', 'store', 'remove', 'remove', 'remove', 'leave'),
      from: fc.nat({ max: BLOCKS - 1 }),
      blocks: fc.oneof(fc.integer({ min: 1, max: BLOCKS }), fc.integer({ min: 1, max: 4 })),
    });
    const prompts = Array.from({ length: PROMPTS }, (_, prompt) =>
      chainOf(Array.from({ length: BLOCKS }, (_, i) => (i < 8 ? 1 : prompt))),
    );
    fc.assert(
      fc.property(fc.array(step, { minLength: 400, maxLength: 800, size: 'max' }), steps => {
        const index = new RunIndex({ capacityBytes: 1 << 20, maxHolders: 8, seed: 1 });
        for (const [number, { by, prompt, what, from, blocks }] of steps.entries()) {
          const to = Math.min(BLOCKS, from + blocks);
          const chain = prompts[prompt]!;
          if (what === 'store') {
            const head = slice(chain, 0, to);
            index.store(holder(by), head, {
              ...{ after: START, engineHashes: engineHashesOf(head), again: 'same' },
            });
          } else if (what === 'remove') {
            for (let i = from; i < to; i++) index.remove(holder(by), engineHashAt(chain, i));
          } else if (number % 10 === 0) {
            index.clear(holder(by));
            assert.equal(index.held(holder(by)), 0);
          }
          index.check();
        }
        for (let by = 0; by < HOLDERS; by++) index.clear(holder(by));
        index.check();
        assert.deepEqual(index.size(), { blocks: 0, entries: 0 });
      }),
      { numRuns: 20, interruptAfterTimeLimit: 15_000 },
    );
  }).timeout(20_000);
});
