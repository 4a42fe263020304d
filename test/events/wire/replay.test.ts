import { setImmediate } from 'node:timers/promises';
import { assert } from 'chai';
import { type ReplayOptions, type ReplayOutcome, replay } from '../../../src/events/wire/replay.ts';
import { Turns } from '../../../src/events/wire/turns.ts';
import { monotonicClock, realSleep } from '../../../src/time.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeReplay, SHAPES } from '../../support/fake-replay.ts';
import { freePort } from '../../support/free-port.ts';
import { HandClock } from '../../support/hand-clock.ts';
import { Inbox } from '../../support/inbox.ts';
import { aWire } from '../../support/wire.ts';

const SHAPE = SHAPES['vLLM 0.32'];

describe('a replay', () => {
  let publisher: FakeReplay;
  let got: Inbox<[sequence: number, payload: string]>;

  beforeEach(async () => {
    publisher = await FakeReplay.bind();
    got = new Inbox();
  });

  afterEach(async () => {
    await publisher.close();
  });

  function start(given: Partial<ReplayOptions> = {}): Promise<ReplayOutcome> {
    return replay({
      endpoint: publisher.endpoint,
      from: 3,
      idleTimeoutMs: 60_000,
      timeoutMs: 60_000,
      maxBytes: 1_000,
      wire: aWire(),
      signal: new AbortController().signal,
      sleep: realSleep,
      now: monotonicClock,
      onMessage: (sequence, payload) => got.push([sequence, Buffer.from(payload).toString()]),
      ...given,
    });
  }

  for (const [name, shape] of Object.entries(SHAPES)) {
    it(`reads the answers of ${name}`, async () => {
      const outcome = start();
      const { from, send } = await publisher.asked();
      assert.equal(from, 3);
      await send(shape.batch(3, Buffer.from('three')));
      await send(shape.batch(4, Buffer.from('four')));
      await send(shape.end);
      assert.equal(await outcome, 'ended');
      assert.deepEqual(got.all, [
        [3, 'three'],
        [4, 'four'],
      ]);
    });
  }

  it('asks in the two frames that a REQ socket would send', async () => {
    const stop = new AbortController();
    const outcome = start({ from: 2 ** 33 + 1, signal: stop.signal });
    const { frames, peer } = await publisher.requests.next();
    assert.deepEqual(
      frames.map(frame => frame.toString('hex')),
      ['', '0000000200000001'],
    );
    assert.isAbove(peer.length, 0);
    stop.abort();
    assert.equal(await outcome, 'aborted');
  });

  it('hands over thousands, in order', async () => {
    const outcome = start({ maxBytes: 1_000_000 });
    const { send } = await publisher.asked();
    for (let i = 0; i < 5_000; i++) await send(SHAPE.batch(i, Buffer.from('x')));
    await send(SHAPE.end);
    assert.equal(await outcome, 'ended');
    assert.deepEqual(
      got.all.map(([sequence]) => sequence),
      Array.from({ length: 5_000 }, (_, i) => i),
    );
  });

  const malformed: [title: string, frames: (string | Uint8Array)[]][] = [
    ['does not begin with an empty frame', ['x', Buffer.alloc(8), 'payload']],
    ['is empty', ['']],
    ['has a frame too many', ['', '', Buffer.alloc(8), 'payload', 'more']],
    ['has a payload alone', ['', 'payload']],
    ['has a short sequence', ['', Buffer.alloc(7), 'payload']],
    ['has a sequence beyond counting', ['', Buffer.alloc(8, 0xff), 'payload']],
  ];
  for (const [title, frames] of malformed) {
    it(`is given up at an answer that ${title}`, async () => {
      const outcome = start();
      const { send } = await publisher.asked();
      await send(frames);
      assert.equal(await outcome, 'malformed');
      assert.isEmpty(got.all);
    });
  }

  it('is given up beyond its size', async () => {
    const outcome = start({ maxBytes: 10 });
    const { send } = await publisher.asked();
    await send(SHAPE.batch(3, Buffer.from('five5')));
    await send(SHAPE.batch(4, Buffer.from('five5')));
    await send(SHAPE.batch(5, Buffer.from('x')));
    assert.equal(await outcome, 'too_large');
    assert.lengthOf(got.all, 2);
  });

  it('is idle when nothing has come for too long', async () => {
    const clock = new HandClock();
    const outcome = start({ idleTimeoutMs: 100, timeoutMs: 1_000, now: clock.now, sleep: clock.sleep });
    assert.equal(await clock.sleeps.next(), 100);
    const { send } = await publisher.asked();
    clock.advance(60);
    await send(SHAPE.batch(3, Buffer.from('three')));
    await got.next();
    clock.advance(40);
    assert.equal(await clock.sleeps.next(), 60, 'a message gives it time again');
    clock.advance(60);
    assert.equal(await outcome, 'idle');
  });

  it('times out however lively it is', async () => {
    const clock = new HandClock();
    const outcome = start({ idleTimeoutMs: 100, timeoutMs: 150, now: clock.now, sleep: clock.sleep });
    const { send } = await publisher.asked();
    await clock.sleeps.next();
    clock.advance(90);
    await send(SHAPE.batch(3, Buffer.from('three')));
    await got.next();
    clock.advance(10);
    assert.equal(await clock.sleeps.next(), 50);
    clock.advance(50);
    assert.equal(await outcome, 'timeout');
  });

  it('is given up by its deadline where nobody listens', async () => {
    const clock = new HandClock();
    const outcome = start({
      endpoint: `tcp://127.0.0.1:${await freePort()}`,
      now: clock.now,
      sleep: clock.sleep,
    });
    await clock.sleeps.next();
    clock.advance(60_000);
    assert.oneOf(await outcome, ['unreachable', 'timeout']);
  });

  it('hands nothing over after it is aborted, not even what has arrived', async () => {
    const stop = new AbortController();
    const outcome = start({
      signal: stop.signal,
      onMessage: (sequence, payload) => {
        got.push([sequence, Buffer.from(payload).toString()]);
        stop.abort();
      },
    });
    const { send } = await publisher.asked();
    for (let i = 0; i < 10; i++) await send(SHAPE.batch(i, Buffer.from('x')));
    assert.equal(await outcome, 'aborted');
    assert.lengthOf(got.all, 1);
  });

  it('hands nothing over after its time is over, not even what has arrived', async () => {
    const clock = new HandClock();
    let turnsMs = 0;
    // Each message takes a turn of its own.
    const turns = new Turns({ onUnexpected: aWire().onUnexpected, now: () => (turnsMs += 1_000) });
    const outcome = start({
      ...{ timeoutMs: 100, now: clock.now, sleep: clock.sleep, wire: { ...aWire(), turns } },
      onMessage: (sequence, payload) => {
        got.push([sequence, Buffer.from(payload).toString()]);
        clock.advance(100);
      },
    });
    const { send } = await publisher.asked();
    for (let i = 0; i < 10; i++) await send(SHAPE.batch(i, Buffer.from('x')));
    assert.equal(await outcome, 'timeout');
    for (let i = 0; i < 20; i++) await setImmediate();
    assert.lengthOf(got.all, 1);
  });

  describe('leaves nothing open', () => {
    const open = () =>
      process
        .getActiveResourcesInfo()
        .filter(kind => /TCP|Timeout/.test(kind))
        .sort()
        .join();

    /** Mocha's own timer of a test is there from the next turn on. */
    async function openBefore(): Promise<string> {
      await setImmediate();
      return open();
    }

    it('when it has come to its end', async () => {
      const before = await openBefore();
      const outcome = start({ sleep: new HandClock().sleep });
      const { send } = await publisher.asked();
      await send(SHAPE.end);
      assert.equal(await outcome, 'ended');
      await eventually('its connection is closed', () => open() === before);
    });

    it('when it is over while it waits to knock again', async () => {
      const clock = new HandClock();
      const before = await openBefore();
      const outcome = start({
        endpoint: `tcp://127.0.0.1:${await freePort()}`,
        ...{ timeoutMs: 90_000, now: clock.now, sleep: clock.sleep },
      });
      await eventually('it was refused, and waits', () => open() === `${before},Timeout`);
      clock.advance(60_000);
      assert.equal(await outcome, 'unreachable');
      assert.equal(open(), before);
    });
  });

  it('does not begin when it is aborted before', async () => {
    assert.equal(await start({ signal: AbortSignal.abort() }), 'aborted');
    assert.isEmpty(publisher.requests.all);
  });
});
