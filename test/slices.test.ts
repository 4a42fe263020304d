import { setImmediate } from 'node:timers/promises';
import { assert } from 'chai';
import { Slices } from '../src/slices.ts';

/** Longer than a slice. */
function workLong(): void {
  for (const until = performance.now() + 6; performance.now() < until; );
}

describe('work in slices', () => {
  let done: string[];
  let errors: unknown[];
  let slices: Slices;

  beforeEach(() => {
    done = [];
    errors = [];
    slices = new Slices(error => errors.push(error));
  });

  it('is done at once when it takes no time', () => {
    slices.add(() => done.push('a'));
    slices.add(() => done.push('b'));
    assert.deepEqual(done, ['a', 'b']);
  });

  it('waits for the next turn behind what has taken long, in order', async () => {
    slices.add(workLong);
    for (const name of ['a', 'b']) slices.add(() => done.push(name));
    slices.add(workLong);
    slices.add(() => done.push('c'));
    assert.isEmpty(done);
    await setImmediate();
    assert.deepEqual(done, ['a', 'b']);
    slices.add(() => done.push('d'));
    assert.deepEqual(done, ['a', 'b'], 'not before the others');
    while (done.length < 4) await setImmediate();
    assert.deepEqual(done, ['a', 'b', 'c', 'd']);
  });

  it('goes on behind a task that has thrown', () => {
    slices.add(() => {
      throw new Error('failed');
    });
    slices.add(() => done.push('a'));
    assert.deepEqual(done, ['a']);
    assert.lengthOf(errors, 1);
  });

  it('is not done after it is stopped', async () => {
    slices.add(workLong);
    slices.add(() => done.push('a'));
    slices.stop();
    slices.add(() => done.push('b'));
    await setImmediate();
    await setImmediate();
    assert.isEmpty(done);
  });

  it('may add to itself', () => {
    slices.add(() => slices.add(() => done.push('later')));
    assert.deepEqual(done, ['later']);
  });
});
