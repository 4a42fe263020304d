import { assert } from 'chai';
import { UsualWaits } from '../../src/health/usual-waits.ts';

describe('the usual waits', () => {
  let waits: UsualWaits;
  beforeEach(() => {
    waits = new UsualWaits();
  });

  function waited(kind: string, ms: number, times = 8): void {
    for (let i = 0; i < times; i++) waits.waited(kind, ms);
  }

  it('call nothing long while they know little', () => {
    waited('a', 1, 7);
    assert.isFalse(waits.isLong('a', 1e9));
    assert.isFalse(waits.isLong('b', 1e9));
  });

  it('call long what takes eight times as long, and two seconds', () => {
    waited('a', 1_000);
    assert.deepEqual([waits.isLong('a', 7_999), waits.isLong('a', 8_000)], [false, true]);
    waited('b', 10);
    assert.deepEqual([waits.isLong('b', 1_999), waits.isLong('b', 2_000)], [false, true]);
  });

  it('call short what takes less than an eighth', () => {
    waited('a', 80, 7);
    assert.isFalse(waits.isShort('a', 1), 'as long as they know little');
    waited('a', 80);
    assert.deepEqual(
      [waits.isShort('a', 9), waits.isShort('a', 11), waits.isShort('b', 0)],
      [true, false, false],
    );
  });

  it('go with the time, and are another for each kind', () => {
    waited('a', 10);
    waited('a', 1_000, 200);
    assert.isFalse(waits.isLong('a', 7_900));
    waited('b', 10_000);
    assert.isFalse(waits.isLong('b', 70_000));
  });

  it('know a bounded number of kinds', () => {
    for (let i = 0; i < 300; i++) waited(`${i}`, 10);
    assert.isTrue(waits.isLong('0', 2_000));
    assert.isFalse(waits.isLong('299', 2_000));
  });
});
