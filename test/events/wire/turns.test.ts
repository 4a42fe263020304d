import { setImmediate } from 'node:timers/promises';
import { assert } from 'chai';
import { Lane, Turns } from '../../../src/events/wire/turns.ts';

describe('the turns of the event loop', () => {
  let nowMs: number;
  let turns: Turns;
  let handled: string[];
  let errors: unknown[];

  beforeEach(() => {
    nowMs = 0;
    handled = [];
    errors = [];
    turns = new Turns({ onUnexpected: error => errors.push(error), now: () => nowMs });
  });

  function aLane({ maxBytes = 100, costMs = 1, onRoom = () => {} } = {}): Lane<string> {
    return new Lane(turns, {
      maxBytes,
      onRoom,
      handle: item => {
        handled.push(item);
        nowMs += costMs;
      },
    });
  }

  /** Whatever else there is to do comes between two turns. */
  async function untilEmpty(...lanes: Lane<string>[]): Promise<number[]> {
    const perTurn: number[] = [];
    for (let before = 0; lanes.some(({ length }) => length > 0); before = handled.length) {
      await setImmediate();
      perTurn.push(handled.length - before);
    }
    return perTurn;
  }

  it('handles nothing before its turn', async () => {
    const lane = aLane();
    lane.push('a', 1);
    assert.isEmpty(handled);
    await setImmediate();
    assert.deepEqual(handled, ['a']);
  });

  it('ends a turn after two milliseconds, and goes on in the next', async () => {
    const lane = aLane({ costMs: 0.5 });
    for (let i = 0; i < 10; i++) lane.push(`${i}`, 1);
    assert.deepEqual(await untilEmpty(lane), [4, 4, 2]);
    assert.deepEqual(handled, [...'0123456789']);
  });

  it('lets lanes take turns, however much one has', async () => {
    const [busy, calm] = [aLane(), aLane()];
    for (let i = 0; i < 5; i++) busy.push(`busy ${i}`, 1);
    calm.push('calm', 1);
    await untilEmpty(busy, calm);
    assert.deepEqual(handled.slice(0, 3), ['busy 0', 'calm', 'busy 1']);
  });

  it('goes on with a lane whose item has thrown', async () => {
    const lane = new Lane<string>(turns, {
      ...{ maxBytes: 100, onRoom: () => {} },
      handle: item => {
        if (item === 'bad') throw new Error(item);
        handled.push(item);
      },
    });
    lane.push('bad', 1);
    lane.push('good', 1);
    await setImmediate();
    assert.deepEqual(handled, ['good']);
    assert.lengthOf(errors, 1);
  });

  it('tells a full lane when it has room again', async () => {
    let rooms = 0;
    const lane = aLane({ maxBytes: 10, costMs: 2, onRoom: () => rooms++ });
    for (let i = 0; i < 4; i++) lane.push(`${i}`, 3);
    assert.isFalse(lane.hasRoom);
    await setImmediate();
    assert.equal(rooms, 0, 'nine of ten bytes wait');
    await setImmediate();
    assert.equal(rooms, 0, 'and six are more than half');
    await setImmediate();
    assert.equal(rooms, 1);
    await untilEmpty(lane);
    assert.equal(rooms, 1);
    assert.isTrue(lane.hasRoom);
  });

  it('has no room for anybody while all lanes together have too much, but for who has nothing', async () => {
    const [huge, small, empty] = [aLane({ maxBytes: 2 ** 40 }), aLane(), aLane()];
    huge.push('huge', 2 ** 30);
    small.push('small', 1);
    assert.deepEqual([huge.hasRoom, small.hasRoom, empty.hasRoom], [false, false, true]);
    await untilEmpty(huge, small);
    assert.deepEqual([huge.hasRoom, small.hasRoom, empty.hasRoom], [true, true, true]);
  });

  it('has no room for more than so much between two turns', async () => {
    let rooms = 0;
    const [one, other] = [aLane({ maxBytes: 2 ** 40, onRoom: () => rooms++ }), aLane({ maxBytes: 2 ** 40 })];
    one.push('one', 2 ** 18);
    assert.isTrue(one.hasRoom);
    other.push('other', 2 ** 18);
    assert.deepEqual([one.hasRoom, other.hasRoom], [false, false]);
    await setImmediate();
    assert.equal(rooms, 1);
    one.push('more', 1);
    assert.isTrue(one.hasRoom);
  });

  it('handles nothing of a lane that is closed', async () => {
    const [closed, open] = [aLane({ costMs: 2 }), aLane({ costMs: 2 })];
    closed.push('first', 2 ** 30);
    closed.push('second', 2 ** 30);
    await setImmediate();
    open.push('open', 1);
    assert.isFalse(open.hasRoom);
    closed.close();
    assert.isTrue(open.hasRoom, 'what waited there counts no more');
    await untilEmpty(open);
    assert.deepEqual(handled, ['first', 'open']);
  });

  it('keeps the order over thousands of items, some of which come meanwhile', async () => {
    const lane = aLane({ costMs: 0.01 });
    let next = 0;
    while (next < 10_000) {
      for (let i = 0; i < 700; i++) lane.push(`${next++}`, 1);
      await setImmediate();
    }
    await untilEmpty(lane);
    assert.deepEqual(
      handled,
      Array.from({ length: next }, (_, i) => `${i}`),
    );
  });
});
