import { assert } from 'chai';
import { Alarm } from '../../src/events/alarm.ts';
import { HandClock } from '../support/hand-clock.ts';

describe('an alarm', () => {
  let clock: HandClock;
  let ending: AbortController;
  let alarm: Alarm;
  let rung: string[];

  beforeEach(() => {
    clock = new HandClock();
    ending = new AbortController();
    alarm = new Alarm(clock.sleep, ending.signal);
    rung = [];
  });

  const schedule = (ms: number, what = 'rung') => alarm.schedule(ms, () => rung.push(what));

  it('does nothing before it is time, and one thing then', async () => {
    assert.isFalse(alarm.isScheduled);
    schedule(100);
    assert.isTrue(alarm.isScheduled);
    clock.advance(99);
    assert.equal(clock.sleeping, 1);
    assert.isEmpty(rung);
    clock.advance(1);
    await alarm.settled();
    assert.deepEqual(rung, ['rung']);
    assert.isFalse(alarm.isScheduled);
    clock.advance(1_000);
    await alarm.settled();
    assert.lengthOf(rung, 1);
  });

  it('does nothing if it is cancelled, and leaves no timer', async () => {
    schedule(100);
    alarm.cancel();
    assert.isFalse(alarm.isScheduled);
    await alarm.settled();
    assert.equal(clock.sleeping, 0);
    clock.advance(100);
    assert.isEmpty(rung);
  });

  it('may be cancelled when nothing is scheduled, and twice', async () => {
    alarm.cancel();
    await alarm.settled();
    schedule(100);
    alarm.cancel();
    alarm.cancel();
    await alarm.settled();
    assert.isEmpty(rung);
  });

  it('does nothing if it is cancelled just as it is due', async () => {
    schedule(100);
    clock.advance(100);
    alarm.cancel();
    await alarm.settled();
    assert.isEmpty(rung);
  });

  it('forgets what was scheduled before', async () => {
    schedule(100, 'first');
    schedule(200, 'second');
    assert.equal(clock.sleeping, 1);
    clock.advance(100);
    assert.isEmpty(rung);
    clock.advance(100);
    await alarm.settled();
    assert.deepEqual(rung, ['second']);
  });

  it('forgets what is due, if it is scheduled once more', async () => {
    schedule(100, 'first');
    clock.advance(100);
    schedule(50, 'second');
    clock.advance(50);
    await alarm.settled();
    assert.deepEqual(rung, ['second']);
  });

  it('may be scheduled again and again, also by what it does', async () => {
    alarm.schedule(10, () => {
      assert.isFalse(alarm.isScheduled);
      schedule(20, 'the next');
    });
    clock.advance(10);
    assert.equal(await clock.sleeps.next(), 10);
    assert.equal(await clock.sleeps.next(), 20);
    assert.isTrue(alarm.isScheduled);
    clock.advance(20);
    await alarm.settled();
    assert.deepEqual(rung, ['the next']);
  });

  it('may ring at once', async () => {
    schedule(0);
    clock.advance(0);
    await alarm.settled();
    assert.lengthOf(rung, 1);
  });

  it('does nothing when everything ends before, and leaves no timer', async () => {
    schedule(100);
    ending.abort();
    await alarm.settled();
    assert.equal(clock.sleeping, 0);
    clock.advance(100);
    assert.isEmpty(rung);
  });

  it('does nothing when everything ends just as it is due', async () => {
    schedule(100);
    clock.advance(100);
    ending.abort();
    await alarm.settled();
    assert.isEmpty(rung);
  });

  it('does nothing when it is scheduled after the end', async () => {
    ending.abort();
    schedule(0);
    await alarm.settled();
    clock.advance(0);
    assert.isEmpty(rung);
    assert.equal(clock.sleeping, 0);
  });

  it('is settled at first, and not while a timer is left', async () => {
    await alarm.settled();
    schedule(100);
    let settled = false;
    const settling = alarm.settled().then(() => {
      settled = true;
    });
    await Promise.resolve();
    assert.isFalse(settled);
    alarm.cancel();
    await settling;
  });

  it('fails if it cannot sleep', async () => {
    const broken = new Alarm(() => Promise.reject(new Error('no clock')), ending.signal);
    broken.schedule(100, () => rung.push('rung'));
    const error = await broken.settled().catch((reason: unknown) => reason);
    assert.propertyVal(error, 'message', 'no clock');
    assert.isEmpty(rung);
  });
});
