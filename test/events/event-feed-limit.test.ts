/** More publishers than there is room for. */
import { once } from 'node:events';
import { assert } from 'chai';
import type { CacheState } from '../../src/cache/cache-state.ts';
import { EventFeed, type FeedFact } from '../../src/events/event-feed.ts';
import { connectionLimit } from '../../src/events/wire/connection-limit.ts';
import { HASHER } from '../support/blocks.ts';
import { aCacheState, aPod } from '../support/builders.ts';
import { FakePublisher, sequenceFrame } from '../support/fake-publisher.ts';
import { Inbox } from '../support/inbox.ts';
import { batchOf, tokensOf } from '../support/kv-events.ts';
import { ZmtpPeer, zmtpFrame } from '../support/zmtp-peer.ts';

describe('the event feed with room for three publishers', () => {
  let publishers: FakePublisher[];
  let facts: Inbox<FeedFact>;
  let feed: EventFeed;

  beforeEach(() => {
    publishers = [];
    facts = new Inbox();
    feed = new EventFeed({
      ...{ cache: aCacheState(), hasher: HASHER, topic: '', maxPublishers: 3, onFact: facts.push },
    });
  });

  afterEach(async () => {
    await feed.stop();
    for (const publisher of publishers) await publisher.close();
  });

  async function follow(name: string, ranks = 1): Promise<void> {
    const bound = await FakePublisher.bindRanks(ranks);
    publishers.push(...bound);
    feed.follow(
      aPod({ name, kvEvents: { kind: 'zmq', port: bound[0]!.port, replayPort: undefined, ranks } }),
    );
  }

  const connected = (pod: string) =>
    facts.until(fact => fact.kind === 'link' && fact.event === 'connected' && fact.pod === pod);

  it('follows whoever comes first, and names the others', async () => {
    await follow('a', 2);
    await follow('b', 2);
    await follow('c');
    await connected('c');
    assert.deepEqual(feed.unfollowed, ['b']);
    assert.deepEqual(
      feed.snapshot().map(({ pod }) => pod),
      ['a', 'a', 'c'],
    );
    assert.equal(feed.progress.publishers, 3);
  });

  it('follows them when others have left, and not those that have left meanwhile', async () => {
    await follow('a', 3);
    await follow('b', 2);
    await follow('c', 1);
    await feed.leave('b');
    assert.deepEqual(feed.unfollowed, ['c']);
    await feed.leave('a');
    await connected('c');
    assert.isEmpty(feed.unfollowed);
    assert.deepEqual(feed.progress, { publishers: 1, settled: 1 });
  });
});

describe('the event feed of a fleet', () => {
  /** libzmq's context has room for the three sockets of each of 341. */
  const PODS = 400;
  let peer: ZmtpPeer;
  let cache: CacheState;
  let facts: Inbox<FeedFact>;
  let feed: EventFeed;

  beforeEach(async () => {
    peer = await ZmtpPeer.listen('0.0.0.0');
    cache = aCacheState();
    facts = new Inbox();
    feed = new EventFeed({ cache, hasher: HASHER, topic: '', onFact: facts.push });
  });

  afterEach(async () => {
    await feed.stop();
    await peer.close();
  });

  it('follows hundreds of publishers with one connection each, and leaves them', async function () {
    this.timeout(20_000);
    const kvEvents = { kind: 'zmq', port: peer.port, replayPort: undefined, ranks: 1 } as const;
    for (let i = 0; i < PODS; i++)
      feed.follow(aPod({ name: `engine-${i}`, ip: `127.0.${1 + (i >> 7)}.${1 + (i & 127)}`, kvEvents }));
    const batch = batchOf(['BlockStored', [7], null, [...tokensOf([7])], 2]);
    for (let i = 0; i < PODS; i++) {
      const socket = await peer.greeted();
      const frames = [Buffer.alloc(0), sequenceFrame(0n), Buffer.from(batch)];
      socket.write(Buffer.concat(frames.map((body, n) => zmtpFrame(body, n < 2 ? 1 : 0))));
    }
    for (let live = 0; live < PODS; live++)
      await facts.until(fact => fact.kind === 'state' && fact.state === 'live');
    assert.equal(feed.snapshot().filter(({ blocks }) => blocks === 1).length, PODS);
    assert.deepEqual(feed.progress, { publishers: PODS, settled: PODS });
    assert.lengthOf(peer.connections.all, PODS);
    const ends = peer.connections.all.map(socket => once(socket.resume(), 'close'));
    for (let i = 0; i < PODS; i++) void feed.leave(`engine-${i}`);
    await Promise.all(ends);
    assert.isEmpty(feed.snapshot());
  });
});

describe('how many connections the limit of open files has room for', () => {
  const limitsOf = (files: string) =>
    `Limit                     Soft Limit           Hard Limit           Units\nMax open files            ${files}                 1048576              files\n`;
  const rows: [limits: string, connections: number][] = [
    [limitsOf('20000'), 15_000],
    [limitsOf('1024'), 768],
    [limitsOf('256'), 128],
    [limitsOf('64'), 1],
    [limitsOf('unlimited'), Number.POSITIVE_INFINITY],
    ['', 768],
  ];
  for (const [limits, connections] of rows) {
    it(`${/files +(\w+)/.exec(limits)?.[1] ?? 'not known'}: ${connections}`, () => {
      assert.equal(connectionLimit(limits), connections);
    });
  }

  it('is read from the system', () => {
    assert.isAbove(connectionLimit(), 100);
  });
});
