/**
 * The data-parallel ranks of engines on one address: their batches say which is which.
 *
 *   rank 0 of a ──┐
 *   rank 1 of a ──┼──▶ tcp://127.0.0.1:*
 *   b           ──┘
 */
import { assert } from 'chai';
import type { CacheState } from '../../src/cache/cache-state.ts';
import { EventFeed, type FeedFact } from '../../src/events/event-feed.ts';
import { chainOf, HASHER } from '../support/blocks.ts';
import { aCacheState, aPod } from '../support/builders.ts';
import { FakePublisher } from '../support/fake-publisher.ts';
import { FakeReplay, SHAPES } from '../support/fake-replay.ts';
import { Inbox } from '../support/inbox.ts';
import { pack, tokensOf } from '../support/kv-events.ts';

const TS = 1_700_000_000.25;
const block = (hash: number) => ['BlockStored', [hash], null, [...tokensOf([hash])], 2];

/** One block, as this rank would announce it; undefined: it does not say which one it is. */
const store = (hash: number, rank?: number | null) =>
  pack(rank === undefined ? [TS, [block(hash)]] : [TS, [block(hash)], rank]);

describe('ranks on one address', () => {
  let dialled: FakePublisher[];
  let cache: CacheState;
  let facts: Inbox<FeedFact>;
  let unknown: Inbox<string | undefined>;
  let feed: EventFeed;
  let port: number;

  beforeEach(async () => {
    dialled = [];
    cache = aCacheState();
    facts = new Inbox();
    unknown = new Inbox();
    feed = new EventFeed({
      ...{ cache, hasher: HASHER, topic: '' },
      mode: { kind: 'bind', addresses: ['tcp://127.0.0.1:*'] },
      onFact: facts.push,
      onRejected: ({ topic }) => unknown.push(topic),
    });
    [port] = (await feed.listen()) as [number];
  });

  afterEach(async () => {
    for (const publisher of dialled) await publisher.close();
    await feed.stop();
    cache.index.check();
  });

  function follow(name: string, ranks: number, { replayPort = undefined as number | undefined } = {}): void {
    feed.follow(aPod({ name, ip: '127.0.0.1', kvEvents: { kind: 'zmq', port: 1, replayPort, ranks } }));
  }

  /** One process for each rank, with a sequence of its own. */
  async function ranksOf(count: number): Promise<FakePublisher[]> {
    for (let i = 0; i < count; i++) dialled.push(FakePublisher.dial(port));
    for (const publisher of dialled) await publisher.joined();
    return dialled;
  }

  const AS_A = { topic: 'kv@a@demo' };

  async function heard(): Promise<[pod: string, rank: number, sequence: number]> {
    const fact = await facts.until(({ kind }) => kind === 'batch');
    return fact.kind === 'batch' ? [fact.pod, fact.rank, fact.sequence] : assert.fail();
  }

  function depth(hash: number, rank: number, pod = 'a'): number {
    const id = cache.holders.find(pod, { kind: 'gpu', rank })!;
    return cache.index.find(chainOf(tokensOf([hash]), 2)).depthOf(id);
  }

  it('are told apart by what their batches say, each with its own sequence', async () => {
    follow('a', 3);
    const ranks = await ranksOf(3);
    for (const sequence of [0, 1, 2]) {
      for (const rank of [2, 0, 1]) {
        await ranks[rank]!.publish(store(10 * rank + sequence + 1, rank), AS_A);
        assert.deepEqual(await heard(), ['a', rank, sequence]);
      }
    }
    assert.deepEqual(
      feed
        .snapshot()
        .map(({ rank, sequence, gaps, restarts, blocks }) => [rank, sequence, gaps, restarts, blocks]),
      [0, 1, 2].map(rank => [rank, 2, 0, 0, 3]),
    );
    assert.deepEqual([depth(11, 0), depth(11, 1), depth(11, 2)], [0, 1, 0]);
    assert.isEmpty(unknown.all);
  });

  it('are told apart in maps, and as SGLang calls them', async () => {
    follow('a', 2);
    const [publisher] = await ranksOf(1);
    for (const [i, name] of ['data_parallel_rank', 'attn_dp_rank'].entries()) {
      await publisher!.publish(pack({ ts: TS, [name]: 1, events: [block(i + 1)] }), AS_A);
      assert.deepEqual(await heard(), ['a', 1, i]);
    }
  });

  it('are the first one where a batch does not say', async () => {
    follow('a', 2);
    const [publisher] = await ranksOf(1);
    for (const [i, rank] of [undefined, null].entries()) {
      await publisher!.publish(store(i + 1, rank), AS_A);
      assert.deepEqual(await heard(), ['a', 0, i]);
    }
  });

  it('are not known beyond those of the pod', async () => {
    follow('a', 2);
    const [publisher] = await ranksOf(1);
    for (const rank of [2, -1, 70_000]) {
      await publisher!.publish(store(1, rank), AS_A);
      assert.equal(await unknown.next(), AS_A.topic);
    }
    await publisher!.publish(store(1, 1), { ...AS_A, sequence: 0n });
    assert.deepEqual(await heard(), ['a', 1, 0]);
    assert.equal(cache.index.size().entries, 1);
  });

  it('are one and the same for a pod that has only one, whatever its number', async () => {
    follow('a', 1);
    const [publisher] = await ranksOf(1);
    for (const [i, rank] of [0, 5, undefined].entries()) {
      await publisher!.publish(store(i + 1, rank), AS_A);
      assert.deepEqual(await heard(), ['a', 0, i]);
    }
  });

  it('are those of the pod that the topic names', async () => {
    follow('a', 2);
    follow('b', 2);
    const [publisher] = await ranksOf(1);
    await publisher!.publish(store(1, 1), { topic: 'kv@b@demo', sequence: 0n });
    assert.deepEqual(await heard(), ['b', 1, 0]);
    await publisher!.publish(store(1, 1), { ...AS_A, sequence: 0n });
    assert.deepEqual(await heard(), ['a', 1, 0]);
    assert.deepEqual([depth(1, 0), depth(1, 1), depth(1, 1, 'b')], [0, 1, 1]);
  });

  it('lose only their own when one of them misses something, or starts anew', async () => {
    follow('a', 2);
    const [zero, one] = (await ranksOf(2)) as [FakePublisher, FakePublisher];
    for (const [rank, publisher] of [zero, one].entries()) {
      await publisher.publish(store(1, rank), AS_A);
      await heard();
    }
    await one.publish(store(2, 1), { ...AS_A, sequence: 5n });
    assert.deepEqual(await heard(), ['a', 1, 5]);
    assert.deepEqual([depth(1, 0), depth(1, 1), depth(2, 1)], [1, 0, 1]);
    await zero.publish(store(3, 0), { ...AS_A, sequence: 0n });
    assert.deepEqual(await heard(), ['a', 0, 0]);
    assert.deepEqual([depth(1, 0), depth(3, 0), depth(2, 1)], [0, 1, 1]);
    assert.deepEqual(
      feed.snapshot().map(({ gaps, restarts }) => [gaps, restarts]),
      [
        [0, 1],
        [1, 0],
      ],
    );
  });

  it('are asked each for what was missed of it', async () => {
    const replay = await FakeReplay.bind();
    try {
      // Rank r replays on port + r.
      follow('a', 2, { replayPort: replay.port - 1 });
      const [publisher] = await ranksOf(1);
      await publisher!.publish(store(3, 1), { ...AS_A, sequence: 2n });
      const { from, send } = await replay.asked();
      assert.equal(from, 0);
      for (let i = 0; i < 3; i++) await send(SHAPES['vLLM 0.32'].batch(i, store(i + 1, 1)));
      await send(SHAPES['vLLM 0.32'].end);
      await facts.until(fact => fact.kind === 'state' && fact.rank === 1 && fact.state === 'live');
      assert.deepEqual([depth(1, 1), depth(2, 1), depth(3, 1), depth(1, 0)], [1, 1, 1, 0]);
    } finally {
      await replay.close();
    }
  });

  it('may be where the engine says that they are', async () => {
    const publishers = [0, 3].map(rank => ({ rank, port: undefined, replayPort: undefined }));
    feed.follow(aPod({ name: 'a', kvEvents: { kind: 'auto' } }), publishers);
    const [publisher] = await ranksOf(1);
    await publisher!.publish(store(1, 3), AS_A);
    assert.deepEqual(await heard(), ['a', 3, 0]);
    await publisher!.publish(store(1, 1), AS_A);
    assert.equal(await unknown.next(), AS_A.topic);
  });

  it('count what cannot be read against the first one, and go on', async () => {
    follow('a', 2);
    const [publisher] = await ranksOf(1);
    await publisher!.publish(Buffer.of(0xc1), AS_A);
    const fact = await facts.until(({ kind }) => kind === 'malformed_message');
    assert.deepEqual([fact.pod, fact.rank], ['a', 0]);
    await publisher!.publish(store(1, 1), { ...AS_A, sequence: 0n });
    assert.deepEqual(await heard(), ['a', 1, 0]);
  });

  it('are left together', async () => {
    follow('a', 2);
    const [publisher] = await ranksOf(1);
    await publisher!.publish(store(1, 1), AS_A);
    await heard();
    await feed.leave('a');
    for (const rank of [0, 1]) {
      await publisher!.publish(store(2, rank), AS_A);
      assert.equal(await unknown.next(), AS_A.topic);
    }
    assert.isEmpty(feed.snapshot());
  });
});
