import { assert } from 'chai';
import { pause, systemClock } from '../../src/simulator/clock.ts';

describe("the simulated engine's clock", () => {
  it('is the wall clock', () => {
    assert.closeTo(systemClock.now(), Date.now(), 60_000);
  });

  it('sleeps until the time is over', async () => {
    await systemClock.sleep(1);
    await systemClock.sleep(0);
  });

  it('ends a pause without an error when it is aborted, before or while it lasts', async () => {
    const abort = new AbortController();
    const paused = pause(systemClock, 3_600_000, abort.signal);
    abort.abort();
    await paused;
    await pause(systemClock, 3_600_000, abort.signal);
  });

  it('passes on what went wrong otherwise', async () => {
    const broken = { now: () => 0, sleep: () => Promise.reject(new Error('broken')) };
    const error = await pause(broken, 1, new AbortController().signal).catch((reason: unknown) => reason);
    assert.propertyVal(error, 'message', 'broken');
  });
});
