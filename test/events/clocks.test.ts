/** What becomes of time-outs when somebody sets the system's clock. */
import { assert } from 'chai';
import { EventFeed, type FeedFact } from '../../src/events/event-feed.ts';
import { RankIngest } from '../../src/events/ingest/rank-ingest.ts';
import { Publisher } from '../../src/events/publisher.ts';
import { DEFAULT_LIMITS } from '../../src/events/publisher-limits.ts';
import { HASHER } from '../support/blocks.ts';
import { aCacheState, aPod } from '../support/builders.ts';
import { FakePublisher } from '../support/fake-publisher.ts';
import { FakeReplay, SHAPES } from '../support/fake-replay.ts';
import { HandClock } from '../support/hand-clock.ts';
import { Inbox } from '../support/inbox.ts';
import { pack } from '../support/kv-events.ts';
import { aWire } from '../support/wire.ts';

describe('following a publisher, when the clock is set back by an hour', () => {
  const realNow = Date.now;
  let setBackMs: number;
  let live: FakePublisher;
  let replay: FakeReplay;
  let feed: EventFeed;
  let facts: Inbox<FeedFact>;

  beforeEach(async () => {
    setBackMs = 0;
    Date.now = () => realNow() - setBackMs;
    live = await FakePublisher.bind();
    replay = await FakeReplay.bind();
    facts = new Inbox();
    feed = new EventFeed({
      ...{ cache: aCacheState(), hasher: HASHER, topic: '' },
      onFact: facts.push,
      limits: {
        ...{ replayIdleTimeoutMs: 30, replayTimeoutMs: 5_000, retryAfterMs: 10, maxRetryAfterMs: 10 },
        ...{ breakerFailures: 1, breakerOpenMs: 30 },
      },
    });
  });

  afterEach(async () => {
    Date.now = realNow;
    await feed.stop();
    await live.close();
    await replay.close();
  });

  it('a replay times out, and its circuit closes again', async () => {
    feed.follow(
      aPod({ name: 'a', kvEvents: { kind: 'zmq', port: live.port, replayPort: replay.port, ranks: 1 } }),
    );
    await live.joined();
    await replay.asked();
    setBackMs = 3_600_000;
    await facts.until(fact => fact.kind === 'replay' && fact.outcome === 'idle');
    await facts.until(fact => fact.kind === 'circuit' && fact.state === 'half_open');
    const { send } = await replay.asked();
    await send(SHAPES['vLLM 0.32'].end);
    await facts.until(fact => fact.kind === 'circuit' && fact.state === 'closed');
    assert.equal(feed.snapshot()[0]?.circuit, 'closed');
  });
});

describe('falling behind a publisher', () => {
  let engineMs: number;
  let wallMs: number;
  let clock: HandClock;
  let publisher: Publisher;
  let sequence: number;

  beforeEach(() => {
    [engineMs, wallMs, sequence] = [0, 0, 0];
    clock = new HandClock();
    publisher = new Publisher({
      feed: new RankIngest({ pod: 'a', rank: 0, model: 'm', cache: aCacheState(), hasher: HASHER }),
      source: { kind: 'received' },
      replayEndpoint: undefined,
      limits: { ...DEFAULT_LIMITS, maxBehindMs: 10_000 },
      now: clock.now,
      wallClock: () => wallMs,
      sleep: clock.sleep,
      onFact: () => {},
      wire: aWire(),
      onRelease: () => {},
    });
    receive('read_at_once');
  });
  afterEach(() => publisher.stop());

  function receive(how: 'read_at_once' | 'waited'): void {
    const payload = pack([engineMs / 1_000, [], 0]);
    publisher.receive({ sequence: sequence++, payload, waited: how === 'waited' });
  }

  it('is told from a wall clock that is set forward', () => {
    wallMs += 3_600_000;
    receive('waited');
    assert.deepInclude(publisher.snapshot(), { state: 'live', lagSeconds: 3_600 });
  });

  it('is told from clocks that drift apart: what had not waited last is what counts', () => {
    for (let i = 0; i < 5; i++) {
      clock.advance(9_000);
      receive('read_at_once');
    }
    clock.advance(9_000);
    receive('waited');
    assert.equal(publisher.snapshot().state, 'live');
    clock.advance(1_001);
    receive('waited');
    assert.deepInclude(publisher.snapshot(), { state: 'cold', why: 'overflow' });
  });

  it('is noticed by what has waited too long, and not by what has not', () => {
    clock.advance(3_600_000);
    engineMs += 3_590_000;
    receive('waited');
    assert.equal(publisher.snapshot().state, 'live');
    clock.advance(1);
    receive('waited');
    assert.deepInclude(publisher.snapshot(), { state: 'cold', why: 'overflow' });
  });
});
