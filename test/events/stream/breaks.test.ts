import { assert } from 'chai';
import {
  type Breaks,
  brokenAt,
  calmed,
  isOfTwoPublishers,
  onTrial,
  UNBROKEN,
} from '../../../src/events/stream/breaks.ts';

/** What is seen in live messages of these numbers, from the first on. */
function breaksOf(sequences: readonly number[], breaks: Breaks = UNBROKEN): Breaks {
  let watermark: number | undefined;
  for (const sequence of sequences) {
    breaks = brokenAt(breaks, watermark, sequence);
    watermark = sequence + 1;
  }
  return breaks;
}

const run = (from: number, messages: number) => Array.from({ length: messages }, (_, i) => from + i);

describe('how a stream breaks', () => {
  it('is not told by messages in order', () => {
    assert.deepEqual(breaksOf(run(7, 1_000)), { ...UNBROKEN, since: 7 });
  });

  const TWO: [what: string, sequences: number[]][] = [
    ['numbers far apart', run(0, 10).flatMap(i => [100 + i, 7_000 + i])],
    ['numbers next to each other', run(0, 10).flatMap(i => [10 + i, 8 + i])],
    ['the same numbers', run(5, 10).flatMap(i => [i, i])],
    ['three of them', run(0, 10).flatMap(i => [10 + i, 200 + i, 5_000 + i])],
    ['several batches in turn', run(0, 10).flatMap(i => [...run(10 + 8 * i, 8), ...run(900 + 5 * i, 5)])],
  ];
  for (const [what, sequences] of TWO) {
    it(`shows two publishers: ${what}`, () => {
      assert.isTrue(isOfTwoPublishers(breaksOf(sequences)));
    });
  }

  const ONE: [what: string, sequences: number[]][] = [
    ['gaps', run(0, 100).map(i => 3 * i)],
    ['a process that starts anew each time', run(0, 100).flatMap(() => [0, 1, 2])],
    ['one that is soon at the number where the last one ended', run(0, 100).flatMap(() => run(0, 17))],
    ['numbers that go back', run(0, 100).map(i => 1_000 - 2 * i)],
    ['a message that comes late', [...run(0, 50), ...run(51, 9), 50, ...run(60, 20)]],
    [
      'a late one now and then',
      run(0, 20).flatMap(i => [40 * i, 40 * i + 2, 40 * i + 1, ...run(40 * i + 3, 37)]),
    ],
  ];
  for (const [what, sequences] of ONE) {
    it(`shows no two publishers: ${what}`, () => {
      assert.isFalse(isOfTwoPublishers(breaksOf(sequences)));
    });
  }

  it('is told by a single turn more when that was tried', () => {
    const two = breaksOf(TWO[0]![1]);
    assert.isFalse(isOfTwoPublishers(onTrial(two)));
    assert.isFalse(isOfTwoPublishers(breaksOf([50, 51, 400, 401], onTrial(two))));
    assert.isTrue(isOfTwoPublishers(breaksOf([50, 51, 400, 401, 52], onTrial(two))));
  });

  it('counts requests until the stream is steady, or calm', () => {
    const asked = { ...UNBROKEN, requests: 5 };
    assert.equal(breaksOf([1, ...run(10, 15), 30], asked).requests, 5);
    assert.equal(breaksOf([1, ...run(10, 16), 30], asked).requests, 0);
    assert.equal(calmed(asked).requests, 0);
    assert.strictEqual(calmed(UNBROKEN), UNBROKEN);
  });
});
