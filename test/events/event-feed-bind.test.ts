/** Engines dial the feed, and their topics say who they are. */
import { assert } from 'chai';
import type { CacheState } from '../../src/cache/cache-state.ts';
import { EventFeed, type FeedFact, type RejectedMessage } from '../../src/events/event-feed.ts';
import { HASHER } from '../support/blocks.ts';
import { aCacheState, aPod } from '../support/builders.ts';
import { FakePublisher } from '../support/fake-publisher.ts';
import { FakeReplay, SHAPES } from '../support/fake-replay.ts';
import { HandClock } from '../support/hand-clock.ts';
import { Inbox } from '../support/inbox.ts';
import { batchOf, tokensOf } from '../support/kv-events.ts';

const store = (hash: number) => batchOf(['BlockStored', [hash], null, [...tokensOf([hash])], 2]);

describe('the event feed that engines dial', () => {
  let dialled: FakePublisher[];
  let cache: CacheState;
  let facts: Inbox<FeedFact>;
  let rejected: Inbox<RejectedMessage>;
  let feed: EventFeed;

  beforeEach(() => {
    dialled = [];
    cache = aCacheState();
    facts = new Inbox();
    rejected = new Inbox();
  });

  afterEach(async () => {
    for (const publisher of dialled) await publisher.close();
    await feed.stop();
  });

  function listen(ranks = 1, clock?: HandClock): Promise<readonly number[]> {
    feed = new EventFeed({
      ...{ cache, hasher: HASHER, topic: '', ...(clock && { now: clock.now, sleep: clock.sleep }) },
      mode: { kind: 'bind', addresses: Array.from({ length: ranks }, () => 'tcp://*:*') },
      onFact: facts.push,
      onRejected: rejected.push,
    });
    return feed.listen();
  }

  async function dial(port: number, from?: Parameters<typeof FakePublisher.dial>[1]): Promise<FakePublisher> {
    const publisher = FakePublisher.dial(port, from);
    dialled.push(publisher);
    await publisher.joined();
    return publisher;
  }

  function pod(
    name: string,
    ip: string,
    port: number,
    { replayPort = undefined as number | undefined, ranks = 1 } = {},
  ) {
    return aPod({ name, ip, port, kvEvents: { kind: 'zmq', port: 1, replayPort, ranks } });
  }

  async function heard(): Promise<[pod: string, rank: number, sequence: number]> {
    const fact = await facts.until(({ kind }) => kind === 'batch');
    return [fact.pod, fact.rank, fact.kind === 'batch' ? fact.sequence : -1];
  }

  it('knows a pod by its name, its address, or both parts of it', async () => {
    const [port] = await listen();
    feed.follow(pod('a', '127.0.0.2', 8000));
    feed.follow(pod('b', '::1', 8000));
    const [one, other] = [await dial(port!, '127.0.0.2'), await dial(port!, '::1')];
    for (const [i, topic] of ['kv@a@demo', 'kv@127.0.0.2@demo', 'kv@127.0.0.2:8000@org/model@v2'].entries()) {
      await one.publish(store(i + 1), { topic });
      assert.deepEqual(await heard(), ['a', 0, i]);
    }
    for (const [i, topic] of ['kv@b@demo', 'kv@::1@demo', 'kv@[::1]:8000@demo'].entries()) {
      await other.publish(store(i + 1), { topic });
      assert.deepEqual(await heard(), ['b', 0, i]);
    }
    assert.deepEqual(
      feed.snapshot().map(({ pod, endpoint, state, blocks }) => [pod, endpoint, state, blocks]),
      [
        ['a', undefined, 'live', 3],
        ['b', undefined, 'live', 3],
      ],
    );
    assert.isEmpty(rejected.all);
  });

  it('counts what it cannot tell from whom it is', async () => {
    const [port] = await listen();
    feed.follow(pod('a', '127.0.0.1', 8000));
    feed.follow(pod('b', '127.0.0.1', 8001));
    const publisher = await dial(port!);
    const topics = ['', 'kv@c@demo', 'kv@127.0.0.1@demo', 'kv@a', 'metrics'];
    for (const topic of topics) {
      await publisher.publish(store(1), { topic });
      assert.deepInclude(await rejected.next(), { why: 'unknown_topic', topic });
    }
    await publisher.send(['kv@a@demo']);
    assert.deepInclude(await rejected.next(), { why: 'unexpected_frames', topic: undefined });
    await publisher.publish(store(1), { topic: 'kv@127.0.0.1:8001@demo', sequence: 0n });
    assert.deepEqual(await heard(), ['b', 0, 0]);
  });

  it('takes a topic from the address of the pod that it names alone', async () => {
    const [port] = await listen();
    feed.follow(pod('a', '127.0.0.1', 8000));
    feed.follow(pod('b', '::ffff:127.0.0.2', 8000));
    const stranger = await dial(port!, '127.0.0.2');
    await stranger.publish(store(1), { topic: 'kv@a@demo' });
    assert.deepEqual(await rejected.next(), {
      why: 'foreign_address',
      from: '127.0.0.2',
      topic: 'kv@a@demo',
    });
    await stranger.publish(store(1), { topic: 'kv@b@demo', sequence: 0n });
    assert.deepEqual(await heard(), ['b', 0, 0]);
    assert.equal(feed.snapshot()[0]!.blocks, 0);
  });

  it('hears each rank at an address of its own', async () => {
    const ports = await listen(2);
    feed.follow(pod('a', '127.0.0.1', 8000, { ranks: 2 }));
    for (const [rank, port] of ports.entries()) {
      await (await dial(port)).publish(store(1), { topic: 'kv@a@demo' });
      assert.deepEqual(await heard(), ['a', rank, 0]);
    }
  });

  it('hears nothing of a pod that has left', async () => {
    const [port] = await listen();
    feed.follow(pod('a', '127.0.0.1', 8000));
    const publisher = await dial(port!);
    await publisher.publish(store(1), { topic: 'kv@a@demo' });
    await heard();
    await feed.leave('a');
    await publisher.publish(store(2), { topic: 'kv@127.0.0.1@demo' });
    assert.deepInclude(await rejected.next(), { why: 'unknown_topic', topic: 'kv@127.0.0.1@demo' });
  });

  it('asks a pod for what was published before it dialled', async () => {
    const replay = await FakeReplay.bind();
    try {
      const [port] = await listen();
      feed.follow(pod('a', '127.0.0.1', 8000, { replayPort: replay.port }));
      const publisher = await dial(port!);
      await publisher.publish(store(3), { topic: 'kv@a@demo', sequence: 2n });
      const { from, send } = await replay.asked();
      assert.equal(from, 0);
      for (let i = 0; i < 3; i++) await send(SHAPES['vLLM 0.32'].batch(i, store(i + 1)));
      await send(SHAPES['vLLM 0.32'].end);
      await facts.until(fact => fact.kind === 'state' && fact.state === 'live');
      assert.deepInclude(feed.snapshot()[0], { state: 'live', sequence: 2, blocks: 3 });
    } finally {
      await replay.close();
    }
  });

  describe('when a connection ends', () => {
    const gone = () => facts.until(fact => fact.kind === 'link' && fact.event === 'lost');
    const topic = 'kv@a@demo';

    it('keeps what an engine held for a while, and not for longer', async () => {
      const clock = new HandClock();
      const [port] = await listen(1, clock);
      feed.follow(pod('a', '127.0.0.1', 8000));
      const engine = await dial(port!);
      for (const i of [0, 1, 2]) await engine.publish(store(i + 1), { topic });
      for (const i of [0, 1, 2]) assert.deepEqual(await heard(), ['a', 0, i]);
      await engine.close();
      await gone();
      assert.deepInclude(feed.snapshot()[0], { state: 'connecting', blocks: 3 });
      clock.advance(30_000);
      await facts.until(fact => fact.kind === 'forgotten' && fact.why === 'unverified');
      assert.equal(feed.snapshot()[0]!.blocks, 0);
    });

    it('does not take another process for the same because its numbers go on', async () => {
      const [port] = await listen();
      feed.follow(pod('a', '127.0.0.1', 8000));
      const engine = await dial(port!);
      for (const i of [0, 1, 2]) await engine.publish(store(i + 1), { topic });
      await engine.close();
      await gone();
      await (await dial(port!)).publish(store(7), { topic, sequence: 3n });
      await facts.until(fact => fact.kind === 'forgotten' && fact.why === 'unverified');
      assert.deepEqual(await heard(), ['a', 0, 3]);
      assert.deepInclude(feed.snapshot()[0], { state: 'cold', why: 'no_replay', blocks: 1 });
    });

    it('asks an engine that has dialled again whether it is the same', async () => {
      const replay = await FakeReplay.bind();
      try {
        const [port] = await listen();
        feed.follow(pod('a', '127.0.0.1', 8000, { replayPort: replay.port }));
        const engine = await dial(port!);
        await engine.publish(store(1), { topic });
        assert.deepEqual(await heard(), ['a', 0, 0]);
        await engine.publish(store(2), { topic });
        assert.deepEqual(await heard(), ['a', 0, 1]);
        await engine.close();
        await gone();
        await (await dial(port!)).publish(store(4), { topic, sequence: 3n });
        let asked = await replay.asked();
        // That one was not waited for when the first batch had come.
        if (asked.from === 0) asked = await replay.asked();
        const { from, send } = asked;
        assert.equal(from, 1, 'its last batch');
        for (const i of [1, 2, 3]) await send(SHAPES['vLLM 0.32'].batch(i, store(i + 1)));
        await send(SHAPES['vLLM 0.32'].end);
        await facts.until(fact => fact.kind === 'state' && fact.state === 'live');
        assert.deepInclude(feed.snapshot()[0], { sequence: 3, blocks: 4, restarts: 0 });
      } finally {
        await replay.close();
      }
    });

    it('goes on with an engine that has dialled again before that', async () => {
      const [port] = await listen();
      feed.follow(pod('a', '127.0.0.1', 8000));
      const engine = await dial(port!);
      await engine.publish(store(1), { topic });
      assert.deepEqual(await heard(), ['a', 0, 0]);
      const again = await dial(port!);
      await again.publish(store(2), { topic, sequence: 0n });
      assert.deepEqual(await heard(), ['a', 0, 0]);
      await engine.close();
      await again.publish(store(3), { topic });
      assert.deepEqual(await heard(), ['a', 0, 1]);
      assert.deepInclude(feed.snapshot()[0], { state: 'live', blocks: 2 });
      assert.deepEqual(
        facts.all.flatMap(fact => (fact.kind === 'link' ? [fact.event] : [])),
        ['connected', 'lost', 'connected'],
      );
    });

    it('sees two engines of one topic', async () => {
      const [port] = await listen();
      feed.follow(pod('a', '127.0.0.1', 8000));
      const [one, other] = [await dial(port!), await dial(port!)];
      for (let i = 0; i < 12; i++) {
        await one.publish(store(i + 1), { topic, sequence: BigInt(i) });
        await facts.until(fact => fact.kind === 'batch' || fact.kind === 'dropped');
        await other.publish(store(i + 101), { topic, sequence: BigInt(i + 100) });
        await facts.until(fact => fact.kind === 'batch' || fact.kind === 'dropped');
      }
      assert.deepInclude(feed.snapshot()[0], { state: 'cold', why: 'two_publishers', blocks: 0 });
    });
  });

  it('takes a replay that cannot even be asked for as failed', async () => {
    const [port] = await listen();
    feed.follow(pod('a', '127.0.0.1', 8000, { replayPort: 65_536 }));
    await (await dial(port!)).publish(store(3), { topic: 'kv@a@demo', sequence: 2n });
    await facts.until(fact => fact.kind === 'replay' && fact.outcome === 'error');
    await facts.until(fact => fact.kind === 'state' && fact.state === 'cold');
    assert.lengthOf(feed.snapshot()[0]!.lastErrors, 2);
  });

  it('binds nothing when one of its addresses is taken', async () => {
    const [port] = await listen();
    const second = new EventFeed({
      ...{ cache, hasher: HASHER, topic: '', onFact: facts.push },
      mode: { kind: 'bind', addresses: ['tcp://127.0.0.1:*', `tcp://127.0.0.1:${port}`] },
    });
    try {
      await second.listen();
      assert.fail('bound twice');
    } catch (error) {
      assert.propertyVal(error, 'code', 'EADDRINUSE');
    }
    await second.stop();
  });
});
