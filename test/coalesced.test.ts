import { assert } from 'chai';
import { coalesced } from '../src/coalesced.ts';
import { HandClock } from './support/hand-clock.ts';

describe('what is asked for again and again', () => {
  let clock: HandClock;
  let runs: number[];
  let tookMs: number;
  let ask: () => void;

  beforeEach(() => {
    clock = new HandClock();
    runs = [];
    tookMs = 0;
    ask = coalesced({
      ...{ everyMs: 50, now: clock.now, sleep: clock.sleep, signal: new AbortController().signal },
      task() {
        runs.push(clock.now());
        clock.advance(tookMs);
      },
    });
  });

  it('is done at once, and then once for all who asked meanwhile', async () => {
    const start = clock.now();
    ask();
    for (let i = 0; i < 100; i++) ask();
    assert.deepEqual(runs, [start]);
    assert.equal(await clock.sleeps.next(), 50);
    clock.advance(50);
    await Promise.resolve();
    assert.deepEqual(runs, [start, start + 50]);
  });

  it('takes no more than half of the time, however long it takes', async () => {
    tookMs = 80;
    const start = clock.now();
    ask();
    for (let i = 0; i < 100; i++) ask();
    assert.deepEqual(runs, [start]);
    assert.equal(await clock.sleeps.next(), 80);
    clock.advance(80);
    await Promise.resolve();
    assert.deepEqual(runs, [start, start + 160]);
  });
});
