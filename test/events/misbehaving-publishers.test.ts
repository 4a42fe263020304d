/** Engines, proxies and configurations that do what none should: what it costs, and what is believed. */
import { assert } from 'chai';
import type { CacheState } from '../../src/cache/cache-state.ts';
import type { BlockChain } from '../../src/domain.ts';
import { EventFeed, type FeedFact } from '../../src/events/event-feed.ts';
import { chainOf, HASHER } from '../support/blocks.ts';
import { aCacheState, aPod } from '../support/builders.ts';
import { FakePublisher } from '../support/fake-publisher.ts';
import { FakeReplay, SHAPES } from '../support/fake-replay.ts';
import { HandClock } from '../support/hand-clock.ts';
import { Inbox } from '../support/inbox.ts';
import { pack, tokensOf } from '../support/kv-events.ts';

const START_MS = 1_700_000_000_000;
const WIRE = SHAPES['vLLM 0.32'];

/** One process: its batch `i` stores a block that no other batch of any process has. */
class Process {
  readonly #name: number;

  constructor(name: number) {
    this.#name = name;
  }

  chain(i: number): BlockChain {
    return chainOf(tokensOf([this.#block(i)]), 2);
  }

  #block(i: number): number {
    return 10_000 * this.#name + i + 1;
  }

  batch(i: number): Buffer {
    const block = this.#block(i);
    return pack([
      START_MS / 1_000 + i / 1_000,
      [['BlockStored', [block], null, [...tokensOf([block])], 2]],
      0,
    ]);
  }
}

const OURS = new Process(1);
const OTHER = new Process(2);

describe('a publisher that misbehaves', () => {
  let live: FakePublisher;
  let replay: FakeReplay;
  let cache: CacheState;
  let facts: Inbox<FeedFact>;
  let clock: HandClock;
  let feed: EventFeed;
  /** What each request is answered with. */
  let answer: (from: number) => { readonly sequence: number; readonly payload: Buffer }[];
  let asked: number[];

  beforeEach(async () => {
    live = await FakePublisher.bind();
    replay = await FakeReplay.bind();
    cache = aCacheState();
    facts = new Inbox();
    clock = new HandClock(START_MS);
    asked = [];
    answer = () => [];
    void answerAll();
    feed = new EventFeed({
      ...{ cache, hasher: HASHER, topic: '', onFact: facts.push },
      ...{ now: clock.now, wallClock: clock.now, sleep: clock.sleep },
    });
  });

  afterEach(async () => {
    await feed.stop();
    assert.equal(clock.sleeping, 0, 'nothing waits any more');
    await live.close();
    await replay.close();
  });

  async function answerAll(): Promise<void> {
    for (;;) {
      const { from, send } = await replay.asked();
      asked.push(from);
      for (const { sequence, payload } of answer(from)) await send(WIRE.batch(sequence, payload));
      await send(WIRE.end);
    }
  }

  /** The batches of a process from `from` on, up to `end`, but for those of `missing`. */
  function batches(process: Process, from: number, end: number, missing: readonly number[] = []) {
    return Array.from({ length: Math.max(0, end - from) }, (_, i) => from + i)
      .filter(sequence => !missing.includes(sequence))
      .map(sequence => ({ sequence, payload: process.batch(sequence) }));
  }

  function follow(): void {
    feed.follow(
      aPod({ name: 'a', kvEvents: { kind: 'zmq', port: live.port, replayPort: replay.port, ranks: 1 } }),
    );
  }

  const publish = (i: number, process = OURS) => live.publish(process.batch(i), { sequence: BigInt(i) });

  const until = (state: string, why?: string) =>
    facts.until(fact => fact.kind === 'state' && fact.state === state && fact.why === why);

  const applied = (sequence: number) =>
    facts.until(fact => fact.kind === 'batch' && fact.sequence === sequence);

  const report = () => feed.snapshot()[0]!;

  /** As `until`, or it is so already. */
  async function comesTo(state: string, why?: string): Promise<void> {
    while (report().state !== state || report().why !== why) await facts.next();
  }

  async function comesToRest(): Promise<void> {
    while (report().state !== 'live' && report().state !== 'cold') await facts.next();
  }

  /** Follows one that has said `count` batches, until they are known. */
  async function followed(count: number): Promise<void> {
    answer = from => batches(OURS, from, count);
    follow();
    await live.joined();
    await until('live');
    assert.equal(report().blocks, count);
  }

  /** All that was published has been dealt with: a message of nobody's is the last. */
  async function dealtWith(): Promise<void> {
    await live.send(['not one of ours']);
    await facts.until(fact => fact.kind === 'malformed_message');
  }

  /** How many blocks of a process are believed, of its batches below `end`. */
  function believed(process: Process, end: number): number {
    const holder = cache.holders.find('a', { kind: 'gpu', rank: 0 })!;
    return Array.from({ length: end }, (_, i) => process.chain(i)).filter(
      chain => cache.index.find(chain).depthOf(holder) > 0,
    ).length;
  }

  describe('whose replays leave a batch out', () => {
    for (const missing of [1, 2, 3, 6]) {
      it(`is asked a bounded number of times, for batch ${missing}`, async () => {
        answer = from => batches(OURS, from, 8, [missing]);
        follow();
        await live.joined();
        await until('cold', 'hole');
        assert.isAtMost(asked.length, 4);
        assert.equal(report().blocks, 7 - missing);
        clock.advance(60_000);
        await until('replaying', 'retry');
        await until('cold', 'hole');
        assert.isAtMost(asked.length, 9, 'and later, again');
      });
    }

    it('is asked a bounded number of times for every other batch', async () => {
      answer = from =>
        batches(
          OURS,
          from,
          200,
          Array.from({ length: 100 }, (_, i) => 2 * i + 1),
        );
      follow();
      await live.joined();
      await until('cold', 'hole');
      assert.isAtMost(asked.length, 8);
      assert.equal(report().blocks, 1);
    });
  });

  describe('whose stream breaks again and again', () => {
    it('is not asked each time where it skips', async () => {
      await followed(4);
      let last = 0;
      answer = from => batches(OURS, from, last + 1);
      for (last = 10; last < 1_000; last += 10) {
        await publish(last);
        await facts.until(fact => fact.kind === 'gap');
        await comesToRest();
      }
      await dealtWith();
      await comesTo('cold', 'backing_off');
      assert.isAtMost(asked.length, 9);
      assert.equal(report().blocks, 1);
      last -= 10;
      clock.advance(60_000);
      await until('live');
      assert.equal(report().blocks, last + 1);
    });

    it('nor where it goes back', async () => {
      await followed(4);
      for (let i = 2_000; i > 1_000; i -= 10) await publish(i);
      await dealtWith();
      await comesTo('cold', 'backing_off');
      assert.isAtMost(asked.length, 9);
      assert.isAtMost(report().blocks, 1);
    });

    it('is asked each time where it is calm in between', async () => {
      await followed(1);
      let last = 0;
      answer = from => batches(OURS, from, last + 1);
      for (let gap = 0; gap < 20; gap++) {
        last += 3;
        await publish(last);
        await until('live');
        clock.advance(60_000);
      }
      assert.deepInclude(report(), { state: 'live', gaps: 20, blocks: last + 1 });
    });

    it('is asked each time where it is steady in between', async () => {
      await followed(0);
      let next = 0;
      answer = from => batches(OURS, from, next);
      for (let gap = 0; gap < 20; gap++) {
        for (const end = next + 20; next < end; next++) await publish(next);
        next += 3;
        await publish(next++);
        await until('live');
      }
      assert.equal(report().state, 'live');
      assert.equal(report().gaps, 20);
      assert.equal(report().blocks, next);
    });
  });

  describe('that is two on one stream', () => {
    for (const [what, first] of [
      ['of the same numbers', 0],
      ['of numbers next to each other', 3],
      ['of numbers far apart', 5_000],
    ] as const) {
      it(`is seen as that, is asked a few times and not believed: ${what}`, async () => {
        follow();
        await live.joined();
        answer = from => batches(OURS, from, 50);
        for (let i = 50; i < 150; i++) {
          await publish(i);
          await publish(first + i, OTHER);
        }
        await dealtWith();
        await comesTo('cold', 'two_publishers');
        assert.isAtMost(asked.length, 8);
        assert.equal(report().blocks, 0);
        for (let minute = 0; minute < 10; minute++) {
          clock.advance(60_000);
          for (let i = 150; i < 155; i++) {
            await publish(10 * minute + i);
            await publish(10 * minute + first + i, OTHER);
          }
          await dealtWith();
        }
        assert.isAtMost(asked.length, 30, 'and later now and then');
        assert.isAbove(Math.max(...clock.sleeps.all), 15_000, 'the waits grow');
      });
    }

    it('is believed again when it is one', async () => {
      await followed(50);
      for (let i = 50; i < 100; i++) {
        await publish(i);
        await publish(i + 500, OTHER);
      }
      await dealtWith();
      await comesTo('cold', 'two_publishers');
      assert.equal(report().blocks, 0);
      answer = from => batches(OURS, from, 100);
      clock.advance(60_000);
      await until('live');
      await publish(100);
      await applied(100);
      assert.equal(report().blocks, 101);
      assert.equal(believed(OURS, 101), 101);
      assert.equal(believed(OTHER, 700), 0);
    });

    it('is seen without replays, too', async () => {
      feed.follow(
        aPod({ name: 'a', kvEvents: { kind: 'zmq', port: live.port, replayPort: undefined, ranks: 1 } }),
      );
      await live.joined();
      for (let i = 50; i < 60; i++) {
        await publish(i);
        await publish(i + 500, OTHER);
      }
      await dealtWith();
      await comesTo('cold', 'two_publishers');
      assert.equal(report().blocks, 0);
      clock.advance(60_000);
      await until('cold', 'no_replay');
      await publish(60);
      await applied(60);
      assert.equal(report().blocks, 1);
    });
  });

  describe('whose replay port is another process’s', () => {
    it('is not believed, where that one has said more', async () => {
      answer = from => batches(OTHER, from, 50);
      follow();
      await live.joined();
      await until('live');
      for (let i = 20; i < 23; i++) await publish(i);
      await until('cold', 'foreign_replay');
      await publish(23);
      await applied(23);
      assert.equal(believed(OTHER, 50), 0);
      assert.isAbove(believed(OURS, 24), 0);
      const before = asked.length;
      clock.advance(60_000);
      await until('replaying', 'retry');
      await until('cold', 'foreign_replay');
      assert.equal(believed(OTHER, 50), 0);
      assert.equal(asked.length, before + 1);
      answer = from => batches(OURS, from, 24);
      clock.advance(60_000);
      await until('live');
      assert.equal(believed(OURS, 24), 24, 'mended');
    });

    it('is not believed, where that one has said less', async () => {
      answer = from => batches(OTHER, from, 10);
      follow();
      await live.joined();
      await until('live');
      for (let i = 20; i < 23; i++) await publish(i);
      await until('cold', 'hole');
      await publish(23);
      await applied(23);
      assert.deepEqual([believed(OTHER, 10), believed(OURS, 24)], [0, 4]);
      answer = from => batches(OTHER, from, 30);
      clock.advance(60_000);
      await until('cold', 'foreign_replay');
      assert.deepEqual([believed(OTHER, 30), believed(OURS, 24)], [0, 4]);
    });

    it('is not believed after a gap', async () => {
      answer = () => [];
      follow();
      await live.joined();
      await until('live');
      for (let i = 0; i < 5; i++) await publish(i);
      await applied(4);
      answer = from => batches(OTHER, from, 50);
      await publish(9);
      await until('cold', 'foreign_replay');
      assert.equal(believed(OTHER, 50), 0);
      await publish(10);
      await publish(15);
      await applied(15);
      assert.equal(report().why, 'foreign_replay');
      assert.deepEqual([believed(OTHER, 50), believed(OURS, 16)], [0, 1], 'nor is it asked for the next gap');
    });
  });

  it('is no restart when it repeats its number with nothing to say', async () => {
    await followed(5);
    const heartbeat = pack([START_MS / 1_000 + 7, [], 0]);
    for (let i = 0; i < 3; i++) await live.publish(heartbeat, { sequence: 4n });
    await publish(5);
    await live.publish(heartbeat, { sequence: 5n });
    await publish(6);
    await applied(6);
    assert.deepInclude(report(), { state: 'live', blocks: 7, restarts: 0, gaps: 0 });
    assert.deepEqual(asked, [0]);
  });

  describe('that counts from 1', () => {
    beforeEach(async () => {
      answer = from => batches(OURS, Math.max(1, from), 6);
      follow();
      await live.joined();
      await until('cold', 'begins_at_1');
      assert.equal(report().blocks, 5);
    });

    it('is live when its buffer begins there still, after the next batch', async () => {
      answer = from => batches(OURS, Math.max(1, from), 7);
      await publish(6);
      await until('live');
      assert.deepInclude(report(), { blocks: 6, sequence: 6 });
    });

    it('is a part only, where batch 0 was evicted', async () => {
      answer = from => batches(OURS, Math.max(2, from), 7);
      await publish(6);
      await until('cold', 'evicted');
      assert.deepInclude(report(), { blocks: 6, sequence: 6 });
    });
  });
});
