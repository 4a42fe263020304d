import { setImmediate } from 'node:timers/promises';
import { assert } from 'chai';
import { Slots } from '../src/slots.ts';

const NEVER = new AbortController().signal;

describe('slots', () => {
  /** Tasks that run until they are told to end. */
  function aTask() {
    const end = Promise.withResolvers<string>();
    const task = { isRunning: false, end: end.resolve, fail: end.reject };
    return Object.assign(task, {
      run: () => {
        task.isRunning = true;
        return end.promise;
      },
    });
  }

  it('let so many run at once, and the others in the order of asking', async () => {
    const slots = new Slots(2);
    const tasks = Array.from({ length: 4 }, aTask);
    const results = tasks.map(({ run }) => slots.run(NEVER, run));
    await setImmediate();
    assert.deepEqual(
      tasks.map(({ isRunning }) => isRunning),
      [true, true, false, false],
    );
    tasks[1]!.end('one');
    await setImmediate();
    assert.deepEqual(
      tasks.map(({ isRunning }) => isRunning),
      [true, true, true, false],
    );
    for (const [i, { end }] of tasks.entries()) end(`${i}`);
    assert.deepEqual(await Promise.all(results), ['0', 'one', '2', '3']);
  });

  it('are free again after a failure', async () => {
    const slots = new Slots(1);
    const failing = slots.run(NEVER, () => Promise.reject(new Error('failed')));
    assert.equal(await failing.catch(({ message }) => message), 'failed');
    assert.equal(await slots.run(NEVER, async () => 'next'), 'next');
  });

  it('are not waited for when that is called off', async () => {
    const slots = new Slots(1);
    const first = aTask();
    const running = slots.run(NEVER, first.run);
    const calledOff = new AbortController();
    const second = aTask();
    const waiting = slots.run(calledOff.signal, second.run);
    const third = slots.run(NEVER, async () => 'third');
    calledOff.abort(new Error('called off'));
    assert.equal(await waiting.catch(({ message }) => message), 'called off');
    first.end('first');
    assert.deepEqual(await Promise.all([running, third]), ['first', 'third']);
    assert.isFalse(second.isRunning);
    assert.instanceOf(await slots.run(calledOff.signal, second.run).catch(error => error), Error);
  });
});
