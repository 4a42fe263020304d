/** One publisher over real sockets, which does what a test says. */
import { assert } from 'chai';
import type { CacheState } from '../../src/cache/cache-state.ts';
import { EventFeed, type FeedFact } from '../../src/events/event-feed.ts';
import type { PublisherLimits } from '../../src/events/publisher-limits.ts';
import { chainOf, HASHER } from '../support/blocks.ts';
import { aCacheState, aPod } from '../support/builders.ts';
import { FakePublisher } from '../support/fake-publisher.ts';
import { FakeReplay, SHAPES, type Shape } from '../support/fake-replay.ts';
import { HandClock } from '../support/hand-clock.ts';
import { Inbox } from '../support/inbox.ts';
import { pack, tokensOf } from '../support/kv-events.ts';

const START_MS = 1_700_000_000_000;
const LIMITS: Partial<PublisherLimits> = {
  replayIdleTimeoutMs: 1_000,
  replayTimeoutMs: 5_000,
  retryAfterMs: 2_000,
  breakerFailures: 2,
  breakerOpenMs: 600_000,
  maxBehindMs: 10_000,
};

/** Batch `i` of process `name`: block i + 1, which follows block i. */
function batch(i: number, name = 0): Buffer {
  const event = ['BlockStored', [i + 1], i === 0 ? null : i, [...tokensOf([i + 1])], 2];
  return pack([START_MS / 1_000 + i / 1_000 + 100 * name, [event], 0]);
}

describe('following a publisher', () => {
  let live: FakePublisher;
  let replay: FakeReplay;
  let cache: CacheState;
  let facts: Inbox<FeedFact>;
  let clock: HandClock;
  let feed: EventFeed;

  beforeEach(async () => {
    live = await FakePublisher.bind();
    replay = await FakeReplay.bind();
    cache = aCacheState();
    facts = new Inbox();
    clock = new HandClock(START_MS);
  });

  afterEach(async () => {
    await feed.stop();
    assert.equal(clock.sleeping, 0, 'nothing waits any more');
    await live.close();
    await replay.close();
  });

  async function follow(limits: Partial<PublisherLimits> = {}): Promise<void> {
    feed = new EventFeed({
      ...{ cache, hasher: HASHER, topic: '' },
      onFact: facts.push,
      limits: { ...LIMITS, ...limits },
      now: clock.now,
      wallClock: clock.now,
      sleep: clock.sleep,
    });
    feed.follow(
      aPod({ name: 'a', kvEvents: { kind: 'zmq', port: live.port, replayPort: replay.port, ranks: 1 } }),
    );
    await live.joined();
  }

  /** Answers one request with the batches `[first, end)`; resolves to what was asked for. */
  async function answer(first: number, end: number, shape: Shape = SHAPES['vLLM 0.32'], name = 0) {
    const { from, send } = await replay.asked();
    for (let i = first; i < end; i++) await send(shape.batch(i, batch(i, name)));
    await send(shape.end);
    return from;
  }

  /** Follows one that has published `count` batches, until that is known. */
  async function followed(count: number, limits?: Partial<PublisherLimits>): Promise<void> {
    await follow(limits);
    assert.equal(await answer(0, count), 0);
    await until('live');
  }

  const publish = (i: number, name = 0) => live.publish(batch(i, name), { sequence: BigInt(i) });

  async function until(state: string): Promise<void> {
    await facts.until(fact => fact.kind === 'state' && fact.state === state);
  }

  /** Facts of a kind, in few words. */
  function told(kind: 'forgotten' | 'dropped' | 'replay' | 'circuit' | 'gap'): string[] {
    return facts.all.flatMap(fact => {
      if (fact.kind !== kind) return [];
      if (fact.kind === 'replay') return [`${fact.why} from ${fact.from}: ${fact.messages} ${fact.outcome}`];
      if (fact.kind === 'circuit') return [fact.state];
      if (fact.kind === 'gap') return [`${fact.missed}`];
      return fact.kind === 'dropped' ? [`${fact.why} ${fact.messages}`] : 'why' in fact ? [fact.why] : [];
    });
  }

  /** How many blocks of the one long prompt are held, from its start; and how many at all. */
  function held(): [depth: number, blocks: number] {
    const id = cache.holders.find('a', { kind: 'gpu', rank: 0 })!;
    const chain = chainOf(tokensOf(Array.from({ length: 50 }, (_, i) => i + 1)), 2);
    return [cache.index.find(chain).depthOf(id), cache.index.size().entries];
  }

  for (const [name, shape] of Object.entries(SHAPES)) {
    it(`asks for what was published before, and reads the answer of ${name}`, async () => {
      await follow();
      const { from, send } = await replay.asked();
      assert.equal(from, 0);
      await publish(2);
      await publish(3);
      await facts.until(fact => fact.kind === 'link');
      for (let i = 0; i < 3; i++) await send(shape.batch(i, batch(i)));
      await send(shape.end);
      await until('live');
      await publish(4);
      await facts.until(fact => fact.kind === 'batch' && fact.sequence === 4);
      assert.deepEqual(held(), [5, 5]);
      assert.deepEqual(told('forgotten'), []);
    });
  }

  it('is live at once with one that starts', async () => {
    await follow();
    await replay.asked();
    await publish(0);
    await until('live');
    assert.deepEqual(held(), [1, 1]);
    await facts.until(fact => fact.kind === 'replay' && fact.outcome === 'aborted');
  });

  it('mends a gap', async () => {
    await followed(3);
    await publish(6);
    assert.equal(await answer(2, 7), 2, 'its last one once more');
    await until('live');
    assert.deepEqual(held(), [7, 7]);
    assert.deepEqual(told('gap'), ['3']);
    assert.deepEqual(told('forgotten'), []);
    assert.deepEqual(told('dropped'), ['covered 1']);
    assert.deepEqual(told('replay'), ['first_contact from 0: 3 ended', 'gap from 2: 5 ended']);
  });

  it('asks again for what a replay leaves out', async () => {
    await followed(3);
    await publish(6);
    const { send } = await replay.asked();
    for (const i of [2, 3, 5]) await send(SHAPES['vLLM 0.32'].batch(i, batch(i)));
    assert.equal(await answer(3, 7), 3);
    await until('live');
    assert.deepEqual(held(), [7, 7]);
    assert.deepEqual(told('replay').slice(1), ['gap from 2: 3 aborted', 'hole from 3: 4 ended']);
  });

  it('forgets what can no longer be known', async () => {
    await followed(3);
    await publish(6);
    assert.equal(await answer(5, 7), 2);
    await until('cold');
    assert.deepEqual(told('forgotten'), ['evicted']);
    assert.deepEqual(held(), [0, 0], 'both have an unknown parent');
    assert.deepInclude(feed.snapshot()[0], {
      state: 'cold',
      why: 'evicted',
      sequence: 6,
      gaps: 1,
      replays: 2,
    });
  });

  it('does not wait for a replay that never comes, and tries again later', async () => {
    await followed(3);
    await publish(6);
    const { from } = await replay.asked();
    assert.equal(from, 2);
    await facts.until(fact => fact.kind === 'gap');
    clock.advance(1_000);
    await until('cold');
    assert.deepEqual(told('forgotten'), ['replay_failed']);
    assert.deepInclude(feed.snapshot()[0], { state: 'cold', why: 'replay_failed', sequence: 6 });
    await publish(7);
    await facts.until(fact => fact.kind === 'batch' && fact.sequence === 7);

    clock.advance(60_000);
    assert.equal(await answer(0, 8), 0);
    await until('live');
    assert.deepEqual(held(), [8, 8]);
    assert.deepEqual(told('forgotten'), ['replay_failed', 'relearned']);
  });

  it('leaves one alone that keeps failing', async () => {
    await follow({ breakerFailures: 1 });
    await replay.asked();
    clock.advance(1_000);
    await until('cold');
    assert.deepEqual(told('circuit'), ['open']);
    await publish(3);
    await publish(5);
    await facts.until(fact => fact.kind === 'replay' && fact.outcome === 'circuit_open');
    assert.deepInclude(feed.snapshot()[0], { circuit: 'open', state: 'cold' });
    assert.equal(replay.requests.all.length, 1);

    clock.advance(600_000);
    await answer(0, 6);
    await until('live');
    assert.deepEqual(held(), [6, 6]);
    assert.deepEqual(told('circuit'), ['open', 'half_open', 'closed']);
  });

  it('knows another process by its bytes', async () => {
    await followed(3);
    await live.close();
    await facts.until(fact => fact.kind === 'link' && fact.event === 'lost');
    assert.deepEqual(held(), [3, 3], 'until it is known better');
    live = await FakePublisher.bind(live.port);
    assert.equal(await answer(2, 4, SHAPES['vLLM 0.23'], 1), 2);
    assert.equal(await answer(0, 4, SHAPES['vLLM 0.23'], 1), 0);
    await until('live');
    assert.deepEqual(told('forgotten'), ['restart']);
    assert.deepEqual(held(), [4, 4]);
    assert.deepInclude(feed.snapshot()[0], { restarts: 1, state: 'live', sequence: 3 });
  });

  it('goes on with the same process after a lost connection, and has missed nothing', async () => {
    await followed(3);
    await live.close();
    live = await FakePublisher.bind(live.port);
    assert.equal(await answer(2, 5), 2);
    await until('live');
    assert.deepEqual(held(), [5, 5]);
    assert.deepEqual(told('forgotten'), []);
  });

  it('forgets what it knew of one that stays away', async () => {
    await followed(3);
    await live.close();
    await until('connecting');
    clock.advance(30_000);
    await facts.until(fact => fact.kind === 'forgotten' && fact.why === 'unverified');
    assert.deepEqual(held(), [0, 0]);
    live = await FakePublisher.bind(live.port);
    assert.equal(await answer(0, 2), 0);
    await until('live');
    clock.advance(30_000);
    assert.deepEqual(held(), [2, 2]);
  });

  it('is not held up when its pod leaves during a replay', async () => {
    await follow();
    const { send } = await replay.asked();
    await publish(3);
    await send(SHAPES['vLLM 0.23'].batch(0, batch(0)));
    await facts.until(fact => fact.kind === 'batch');
    const before = facts.all.length;
    await feed.leave('a');
    await send(SHAPES['vLLM 0.23'].batch(1, batch(1)));
    assert.isEmpty(feed.snapshot());
    await live.left();
    assert.equal(facts.all.length, before);
    assert.deepEqual(held(), [1, 1]);
  });

  it('forgets at a batch that is damaged, until the cache is cleared', async () => {
    await followed(3);
    await live.publish(Buffer.from('rubbish'), { sequence: 3n });
    await until('cold');
    assert.deepEqual(held(), [0, 0]);
    const again = pack([
      START_MS / 1_000,
      [['AllBlocksCleared'], ['BlockStored', [1], null, [...tokensOf([1])], 2]],
    ]);
    await live.publish(again, { sequence: 4n });
    await until('live');
    assert.deepEqual(held(), [1, 1]);
  });

  for (const [what, event] of [
    ['a removal that cannot be read', ['BlockRemoved', 'all']],
    ['an unknown event that says that blocks are gone', { type: 'TierBlocksCleared', medium: 'CPU' }],
  ] as const) {
    it(`forgets at ${what}, too`, async () => {
      await followed(3);
      await live.publish(pack([START_MS / 1_000, [event]]), { sequence: 3n });
      await until('cold');
      assert.deepEqual(held(), [0, 0]);
    });
  }

  it('goes on at an unknown event that says nothing of that', async () => {
    await followed(3);
    await live.publish(pack([START_MS / 1_000, [{ type: 'BlockTouched', block_hashes: [1] }]]), {
      sequence: 3n,
    });
    await facts.until(fact => fact.kind === 'skipped_event');
    assert.equal(feed.snapshot()[0]!.state, 'live');
    assert.deepEqual(held(), [3, 3]);
  });

  it('believes nothing that is too old when it is heard', async () => {
    await followed(0);
    await live.publish(pack([START_MS / 1_000, []]), { sequence: 0n });
    await facts.until(fact => fact.kind === 'batch');
    for (let i = 1; i < 100; i++) {
      const event = ['BlockStored', [i], null, [...tokensOf([i])], 2];
      await live.publish(pack([START_MS / 1_000 - i, [event]]), { sequence: BigInt(i) });
    }
    await until('cold');
    await facts.until(fact => fact.kind === 'batch' && fact.sequence === 99);
    assert.deepInclude(feed.snapshot()[0], { why: 'overflow', lagSeconds: 99, blocks: 0 });
    assert.equal(clock.sleeping, 1, 'it is relearned later');
  });

  it('tells where it stands while it waits', async () => {
    await follow();
    await replay.asked();
    await publish(7);
    await publish(8);
    await publish(8);
    await facts.until(fact => fact.kind === 'dropped');
    assert.deepEqual(feed.snapshot(), [
      {
        pod: 'a',
        rank: 0,
        endpoint: `tcp://127.0.0.1:${live.port}`,
        state: 'replaying',
        why: 'first_contact',
        circuit: 'closed',
        sequence: undefined,
        lagSeconds: undefined,
        blocks: 0,
        orphans: 0,
        held: 2,
        gaps: 0,
        replays: 0,
        restarts: 0,
        lastErrors: [],
      },
    ]);
  });

  it('keeps the last five errors', async () => {
    await followed(1);
    for (let i = 0; i < 7; i++) await live.send([`${i}`]);
    await publish(1);
    await facts.until(fact => fact.kind === 'batch' && fact.sequence === 1);
    const { lastErrors } = feed.snapshot()[0]!;
    assert.lengthOf(lastErrors, 5);
    assert.deepEqual(lastErrors[0], { at: START_MS, what: 'message not understood: unexpected_frames' });
  });
});
