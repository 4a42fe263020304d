import { assert } from 'chai';
import type { CacheState } from '../../src/cache/cache-state.ts';
import type { Generation } from '../../src/cache/routing-history.ts';
import type { AppliedFact } from '../../src/events/batch-outcome.ts';
import { EventFeed, type FeedFact } from '../../src/events/event-feed.ts';
import { blockForm, chainOf, HASHER } from '../support/blocks.ts';
import { aCacheState, aPod } from '../support/builders.ts';
import { FakePublisher, sequenceFrame } from '../support/fake-publisher.ts';
import { freePort } from '../support/free-port.ts';
import { Inbox } from '../support/inbox.ts';
import { batchOf, recordedFrames, tokensOf } from '../support/kv-events.ts';

/** One `BlockStored` with blocks of two tokens. */
function store(hashes: readonly number[], parent: number | null = null): unknown {
  return ['BlockStored', hashes, parent, [...tokensOf(hashes)], 2];
}

/** A second and a half after the batches were made. */
const NOW = 1_700_000_001_750;

const CLEARED = ['AllBlocksCleared'];

const applied = (outcome: AppliedFact['outcome'], blocks: number) => ({
  kind: 'applied',
  event: 'stored',
  outcome,
  events: 1,
  blocks,
  dropped: 0,
});
const STORED = (blocks: number) => applied('stored', blocks);
const ORPHANED = applied('orphaned', 1);

describe('the event feed', () => {
  let publishers: FakePublisher[];
  let cache: CacheState;
  let facts: Inbox<FeedFact>;
  let feed: EventFeed;

  beforeEach(() => {
    publishers = [];
    cache = aCacheState();
    facts = new Inbox();
    feed = feedWith(facts.push);
  });

  afterEach(async () => {
    await feed.stop();
    for (const publisher of publishers) await publisher.close();
  });

  function feedWith(onFact: (fact: FeedFact) => void): EventFeed {
    return new EventFeed({ cache, hasher: HASHER, topic: '', onFact, wallClock: () => NOW });
  }

  async function follow(name = 'a', ranks = 1): Promise<FakePublisher[]> {
    const bound = await FakePublisher.bindRanks(ranks);
    publishers.push(...bound);
    feed.follow(podAt(bound[0]!.port, name, ranks));
    for (const publisher of bound) await publisher.joined();
    return bound;
  }

  function podAt(port: number, name = 'a', ranks = 1) {
    return aPod({ name, kvEvents: { kind: 'zmq', port, replayPort: undefined, ranks } });
  }

  /** The facts up to the end of the next batch, without whose they are, what state they led to and how long it took. */
  async function nextBatch(): Promise<unknown[]> {
    const seen: unknown[] = [];
    for (;;) {
      const { pod: _pod, rank: _rank, ...fact } = await facts.next();
      if (fact.kind === 'batch') {
        const { decodeSeconds, applySeconds, ...rest } = fact;
        for (const seconds of [decodeSeconds, applySeconds]) assert.isAtLeast(seconds, 0);
        return [...seen, rest];
      }
      if (fact.kind !== 'state' && fact.kind !== 'link') seen.push(fact);
    }
  }

  function depth(hashes: readonly number[], pod = 'a', rank = 0): number {
    const id = cache.holders.find(pod, { kind: 'gpu', rank });
    return id === undefined ? 0 : cache.index.find(chainOf(tokensOf(hashes), 2)).depthOf(id);
  }

  it('indexes what a pod says and tells of it', async () => {
    const [publisher] = await follow();
    await publisher!.publish(batchOf(store([1, 2]), store([3], 2), store([9], 8)));
    assert.deepEqual(await nextBatch(), [
      { ...STORED(3), events: 2 },
      ORPHANED,
      { kind: 'batch', sequence: 0, at: 1_700_000_000.25, lagSeconds: 1.5, blocks: 3 },
    ]);
    assert.equal(depth([1, 2, 3]), 3);
    assert.deepEqual(cache.catalog.blockForms('demo'), [blockForm(2)]);
  });

  it('starts wherever the stream is', async () => {
    const [publisher] = await follow();
    await publisher!.publish(batchOf(store([1])), { sequence: 4_711n });
    await publisher!.publish(batchOf(store([2], 1)));
    await nextBatch();
    assert.lengthOf(await nextBatch(), 2);
    assert.equal(depth([1, 2]), 2);
  });

  it('forgets a holder after a gap, before it applies what follows', async () => {
    const [publisher] = await follow();
    await publisher!.publish(batchOf(store([1, 2])));
    await nextBatch();
    await publisher!.publish(batchOf(store([5]), store([3], 2)), { sequence: 2n });
    assert.deepEqual(await nextBatch(), [
      { kind: 'gap', missed: 1 },
      { kind: 'forgotten', why: 'gap' },
      STORED(1),
      ORPHANED,
      { kind: 'batch', sequence: 2, at: 1_700_000_000.25, lagSeconds: 1.5, blocks: 1 },
    ]);
    assert.deepEqual([depth([1, 2]), depth([5])], [0, 1]);
    await publisher!.publish(batchOf());
    assert.lengthOf(await nextBatch(), 1, 'and goes on from there');
  });

  it('forgets a holder whose publisher has started anew, but not for a message that comes twice', async () => {
    const [publisher] = await follow();
    for (const sequence of [5n, 0n, 0n]) await publisher!.publish(batchOf(store([1])), { sequence });
    await publisher!.publish(batchOf(store([2], 1)));
    await nextBatch();
    assert.deepEqual((await nextBatch())[0], { kind: 'forgotten', why: 'restart' });
    assert.deepEqual((await nextBatch())[0], { kind: 'dropped', why: 'duplicate', messages: 1 });
    assert.equal(depth([1, 2]), 2);
  });

  it('learns a restarted vLLM 0.32.0 again, on one subscription', async () => {
    const [publisher] = await follow();
    for (const frames of recordedFrames('restart')) await publisher!.send(frames);
    const sizes: unknown[] = [];
    while (sizes.length < 5) {
      const fact = await facts.next();
      if (fact.kind === 'batch') sizes.push(fact.blocks);
      if (fact.kind === 'forgotten') sizes.push(fact.why);
      if (fact.kind === 'applied') assert.equal(fact.outcome, 'stored');
    }
    assert.deepEqual(sizes, [3, 6, 'restart', 3, 6]);
    await facts.until(fact => fact.kind === 'batch' && fact.blocks === 9);
  });

  it('counts what it cannot read, and skips it', async () => {
    const [publisher] = await follow();
    await publisher!.send(['', 'short', 'x']);
    await publisher!.send(['', sequenceFrame(0n)]);
    await publisher!.publish(Buffer.from([0x92]), { sequence: 0n });
    await publisher!.publish(batchOf(['BlockMoved'], store([1])));
    assert.deepEqual(await nextBatch(), [
      { kind: 'malformed_message', why: 'unexpected_frames' },
      { kind: 'malformed_message', why: 'unexpected_frames' },
      { kind: 'malformed_message', why: 'broken' },
      { kind: 'forgotten', why: 'damaged' },
      { kind: 'skipped_event', why: 'unknown_type' },
      STORED(1),
      { kind: 'batch', sequence: 1, at: 1_700_000_000.25, lagSeconds: 1.5, blocks: 1 },
    ]);
    for (const { pod, rank } of facts.all) assert.deepEqual([pod, rank], ['a', 0]);
    const [report] = feed.snapshot();
    assert.deepInclude(report, { pod: 'a', rank: 0, state: 'cold', why: 'damaged', sequence: 1, blocks: 1 });
    assert.deepEqual(
      report!.lastErrors.map(({ what }) => what),
      [
        'message not understood: unexpected_frames',
        'message not understood: unexpected_frames',
        'message not understood: broken',
        'event skipped: unknown_type',
      ],
    );
  });

  it('follows every rank of a pod on a port of its own, each with its own sequence', async () => {
    const ranks = await follow('a', 3);
    for (const [rank, publisher] of ranks.entries()) {
      await publisher.publish(batchOf(store([1, 2, 3].slice(0, rank + 1))), { sequence: BigInt(7 * rank) });
      const fact = await facts.until(({ kind }) => kind === 'batch');
      assert.equal(fact.rank, rank);
    }
    assert.deepEqual(
      [0, 1, 2].map(rank => depth([1, 2, 3], 'a', rank)),
      [1, 2, 3],
    );
    await ranks[1]!.publish(batchOf(CLEARED));
    await nextBatch();
    assert.deepEqual(
      [0, 1, 2].map(rank => depth([1, 2, 3], 'a', rank)),
      [1, 0, 3],
    );
    assert.isFalse(facts.all.some(({ kind }) => kind === 'forgotten'));
  });

  it('does not take the blocks of one pod for those of another', async () => {
    const [one] = await follow('a');
    const [other] = await follow('b');
    await one!.publish(batchOf(store([1, 2])));
    await nextBatch();
    await other!.publish(batchOf(store([3], 2), CLEARED, store([1])));
    await nextBatch();
    assert.deepEqual([depth([1, 2]), depth([1, 2], 'b')], [2, 1]);
  });

  it('ends the expectation of what an engine has evicted', async () => {
    const [publisher] = await follow();
    const chain = chainOf(tokensOf([1, 2]), 2);
    cache.history.store('a', chain);
    const [{ holder: expected }] = cache.history.of('a') as [Generation];
    assert.equal(cache.index.find(chain).depthOf(expected), 2);
    await publisher!.publish(batchOf(store([1, 2]), ['BlockRemoved', [2]]));
    await nextBatch();
    assert.equal(cache.index.find(chain).depthOf(expected), 1);
  });

  it('waits for a pod whose engine is not there yet', async () => {
    const port = await freePort();
    feed.follow(podAt(port));
    const publisher = await FakePublisher.bind(port);
    publishers.push(publisher);
    await publisher.joined();
    await publisher.publish(batchOf(store([1])));
    await nextBatch();
    assert.equal(depth([1]), 1);
  });

  it('has nothing to follow at a pod without events', async () => {
    feed.follow(aPod({ name: 'quiet' }));
    await feed.leave('quiet');
    await feed.leave('nobody');
    assert.deepEqual(cache.holders.of('quiet'), []);
  });

  it('applies nothing of a pod after leaving it, not even what has arrived', async () => {
    let leaving: Promise<void> | undefined;
    feed = feedWith(fact => {
      facts.push(fact);
      if (fact.kind === 'batch') leaving = feed.leave('a');
    });
    const [publisher] = await follow();
    for (let i = 1; i <= 100; i++) await publisher!.publish(batchOf(store([i])));
    await nextBatch();
    await leaving;
    await publisher!.left();
    assert.lengthOf(
      facts.all.filter(({ kind }) => kind === 'applied'),
      1,
    );
    assert.equal(cache.index.size().entries, 1);
  });

  it('starts from nothing with a pod that comes back', async () => {
    const [publisher] = await follow();
    await publisher!.publish(batchOf(store([1, 2])));
    await nextBatch();
    await feed.leave('a');
    cache.purge('a');
    await publisher!.left();
    feed.follow(podAt(publisher!.port));
    await publisher!.joined();
    await publisher!.publish(batchOf(store([3], 2), store([4])));
    assert.deepEqual((await nextBatch())[0], ORPHANED);
    assert.deepEqual(cache.index.size(), { blocks: 1, entries: 1 });
  });

  it('leaves every publisher when it stops, of every rank', async () => {
    const ranks = [...(await follow('a', 2)), ...(await follow('b'))];
    await feed.stop();
    for (const publisher of ranks) await publisher.left();
    await feed.stop();
  });
});
