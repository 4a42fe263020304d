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

  const set = (ms: number, what = 'rung') => alarm.set(ms, () => rung.push(what));

  it('does nothing before it is time, and one thing then', async () => {
    assert.isFalse(alarm.isSet);
    set(100);
    assert.isTrue(alarm.isSet);
    clock.advance(99);
    assert.equal(clock.sleeping, 1);
    assert.isEmpty(rung);
    clock.advance(1);
    await alarm.settled();
    assert.deepEqual(rung, ['rung']);
    assert.isFalse(alarm.isSet);
    clock.advance(1_000);
    await alarm.settled();
    assert.lengthOf(rung, 1);
  });

  it('does nothing if it is called off, and leaves no timer', async () => {
    set(100);
    alarm.callOff();
    assert.isFalse(alarm.isSet);
    await alarm.settled();
    assert.equal(clock.sleeping, 0);
    clock.advance(100);
    assert.isEmpty(rung);
  });

  it('may be called off when nothing is set, and twice', async () => {
    alarm.callOff();
    await alarm.settled();
    set(100);
    alarm.callOff();
    alarm.callOff();
    await alarm.settled();
    assert.isEmpty(rung);
  });

  it('does nothing if it is called off just as it is due', async () => {
    set(100);
    clock.advance(100);
    alarm.callOff();
    await alarm.settled();
    assert.isEmpty(rung);
  });

  it('forgets what was set before', async () => {
    set(100, 'first');
    set(200, 'second');
    assert.equal(clock.sleeping, 1);
    clock.advance(100);
    assert.isEmpty(rung);
    clock.advance(100);
    await alarm.settled();
    assert.deepEqual(rung, ['second']);
  });

  it('forgets what is due, if it is set once more', async () => {
    set(100, 'first');
    clock.advance(100);
    set(50, 'second');
    clock.advance(50);
    await alarm.settled();
    assert.deepEqual(rung, ['second']);
  });

  it('may be set again and again, also by what it does', async () => {
    alarm.set(10, () => {
      assert.isFalse(alarm.isSet);
      set(20, 'the next');
    });
    clock.advance(10);
    assert.equal(await clock.sleeps.next(), 10);
    assert.equal(await clock.sleeps.next(), 20);
    assert.isTrue(alarm.isSet);
    clock.advance(20);
    await alarm.settled();
    assert.deepEqual(rung, ['the next']);
  });

  it('may ring at once', async () => {
    set(0);
    clock.advance(0);
    await alarm.settled();
    assert.lengthOf(rung, 1);
  });

  it('does nothing when everything ends before, and leaves no timer', async () => {
    set(100);
    ending.abort();
    await alarm.settled();
    assert.equal(clock.sleeping, 0);
    clock.advance(100);
    assert.isEmpty(rung);
  });

  it('does nothing when everything ends just as it is due', async () => {
    set(100);
    clock.advance(100);
    ending.abort();
    await alarm.settled();
    assert.isEmpty(rung);
  });

  it('does nothing when it is set after the end', async () => {
    ending.abort();
    set(0);
    await alarm.settled();
    clock.advance(0);
    assert.isEmpty(rung);
    assert.equal(clock.sleeping, 0);
  });

  it('is settled at first, and not while a timer is left', async () => {
    await alarm.settled();
    set(100);
    let settled = false;
    const settling = alarm.settled().then(() => {
      settled = true;
    });
    await Promise.resolve();
    assert.isFalse(settled);
    alarm.callOff();
    await settling;
  });

  it('fails if it cannot sleep', async () => {
    const broken = new Alarm(() => Promise.reject(new Error('no clock')), ending.signal);
    broken.set(100, () => rung.push('rung'));
    const error = await broken.settled().catch((reason: unknown) => reason);
    assert.propertyVal(error, 'message', 'no clock');
    assert.isEmpty(rung);
  });
});
