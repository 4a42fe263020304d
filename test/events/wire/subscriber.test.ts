import { assert } from 'chai';
import { bindSubscriber } from '../../../src/events/wire/bound-subscriber.ts';
import { type Published, releaseMemory } from '../../../src/events/wire/published.ts';
import { type LinkEvent, type Subscription, subscribe } from '../../../src/events/wire/subscriber.ts';
import { FakePublisher, sequenceFrame } from '../../support/fake-publisher.ts';
import { freePort } from '../../support/free-port.ts';
import { Inbox } from '../../support/inbox.ts';
import { aWire } from '../../support/wire.ts';

describe('a subscription', () => {
  let open: { close(): Promise<void> }[];
  let inbox: Inbox<Published | 'malformed'>;

  beforeEach(() => {
    open = [];
    inbox = new Inbox();
  });

  afterEach(async () => {
    for (const each of open.reverse()) await each.close();
  });

  async function bind(port?: number): Promise<FakePublisher> {
    const publisher = await FakePublisher.bind(port);
    open.push(publisher);
    return publisher;
  }

  function follow(port: number, topic = '', host = '127.0.0.1'): Subscription {
    const subscription = subscribe({
      endpoint: `tcp://${host}:${port}`,
      topic,
      wire: aWire(),
      onMessage: inbox.push,
      onUnreadable: () => inbox.push('malformed'),
    });
    open.push({ close: async () => subscription.stop() });
    return subscription;
  }

  async function next(): Promise<[number, string]> {
    const message = await inbox.next();
    if (message === 'malformed') assert.fail('malformed');
    return [message.sequence, Buffer.from(message.payload).toString()];
  }

  it('hands over sequence and payload of every message, in order', async () => {
    const publisher = await bind();
    follow(publisher.port);
    await publisher.joined();
    await publisher.publish(Buffer.from('one'), { sequence: 2n ** 52n });
    await publisher.publish(Buffer.from('two'));
    await publisher.publish(Buffer.from(''));
    assert.deepEqual(await next(), [2 ** 52, 'one']);
    assert.deepEqual(await next(), [2 ** 52 + 1, 'two']);
    assert.deepEqual(await next(), [2 ** 52 + 2, '']);
  });

  it('lets the memory of a payload be released, and of nothing else', async () => {
    const publisher = await bind();
    follow(publisher.port);
    await publisher.joined();
    await publisher.publish(Buffer.alloc(1_000, 'a'));
    await publisher.publish(Buffer.alloc(1_000, 'b'));
    const [first, second] = [await inbox.next(), await inbox.next()];
    if (first === 'malformed' || second === 'malformed') assert.fail('malformed');
    releaseMemory(first.payload);
    assert.lengthOf(first.payload, 0);
    releaseMemory(second.payload.subarray(1));
    assert.deepEqual([...second.payload], [...Buffer.alloc(1_000, 'b')]);
  });

  it('joins a publisher that starts later', async () => {
    const port = await freePort();
    follow(port);
    const publisher = await bind(port);
    await publisher.joined();
    await publisher.publish(Buffer.from('one'));
    assert.deepEqual(await next(), [0, 'one']);
  });

  it('joins a publisher again that starts anew on its port', async () => {
    const first = await FakePublisher.bind();
    follow(first.port);
    await first.joined();
    await first.publish(Buffer.from('one'));
    await next();
    await first.close();
    const second = await bind(first.port);
    await second.joined();
    await second.publish(Buffer.from('two'));
    assert.deepEqual(await next(), [0, 'two']);
  });

  it('hears topics that start with its own, and no others', async () => {
    const publisher = await bind();
    follow(publisher.port, 'kv@');
    assert.equal(await publisher.joined(), 'kv@');
    await publisher.publish(Buffer.from('other'), { topic: 'metrics' });
    await publisher.publish(Buffer.from('mine'), { topic: 'kv@10.0.0.1:8000@demo' });
    assert.deepEqual(await next(), [1, 'mine']);
  });

  it('connects to an address in brackets', async () => {
    const publisher = await bind();
    follow(publisher.port, '', '[::ffff:127.0.0.1]');
    await publisher.joined();
    await publisher.publish(Buffer.from('one'));
    assert.deepEqual(await next(), [0, 'one']);
  });

  const malformed: [title: string, frames: (string | Uint8Array)[]][] = [
    ['a topic alone', ['']],
    ['no payload', ['', sequenceFrame(0n)]],
    ['a frame too many', ['', sequenceFrame(0n), 'payload', 'more']],
    ['a short sequence', ['', Buffer.alloc(4), 'payload']],
    ['a long sequence', ['', Buffer.alloc(9), 'payload']],
    ['no sequence', ['', '', 'payload']],
    ['a sequence beyond counting', ['', Buffer.alloc(8, 0xff), 'payload']],
  ];
  for (const [title, frames] of malformed) {
    it(`skips a message with ${title}, and says so`, async () => {
      const publisher = await bind();
      follow(publisher.port);
      await publisher.joined();
      await publisher.send(frames);
      await publisher.publish(Buffer.from('one'), { sequence: 7n });
      assert.equal(await inbox.next(), 'malformed');
      assert.deepEqual(await next(), [7, 'one']);
    });
  }

  it('hands nothing over after it is stopped, not even what has arrived', async () => {
    const publisher = await bind();
    let stopped = false;
    const subscription: Subscription = subscribe({
      endpoint: `tcp://127.0.0.1:${publisher.port}`,
      topic: '',
      wire: aWire(),
      onMessage: message => {
        inbox.push(message);
        subscription.stop();
        stopped = true;
      },
      onUnreadable: () => assert.fail('malformed'),
    });
    await publisher.joined();
    for (let i = 0; i < 100; i++) await publisher.publish(Buffer.from('one'));
    await inbox.next();
    assert.isTrue(stopped);
    await publisher.left();
    assert.lengthOf(inbox.all, 1);
  });

  it('leaves the publisher when it is stopped', async () => {
    const publisher = await bind();
    const subscription = follow(publisher.port);
    await publisher.joined();
    await subscription.stop();
    await publisher.left();
    await subscription.stop();
    assert.isEmpty(inbox.all);
  });

  it('may be stopped before it has ever connected', async () => {
    await follow(await freePort()).stop();
    assert.isEmpty(inbox.all);
  });

  it('tells when it is connected, when the connection is lost, and when it is there again', async () => {
    const links = new Inbox<LinkEvent>();
    const publisher = await FakePublisher.bind();
    const subscription = subscribe({
      endpoint: `tcp://127.0.0.1:${publisher.port}`,
      topic: '',
      wire: aWire(),
      onMessage: inbox.push,
      onUnreadable: () => assert.fail('malformed'),
      onLink: links.push,
    });
    open.push({ close: async () => subscription.stop() });
    assert.equal(await links.next(), 'connected');
    await publisher.close();
    assert.equal(await links.next(), 'lost');
    await bind(publisher.port);
    assert.equal(await links.next(), 'connected');
    await subscription.stop();
    assert.lengthOf(links.all, 3, 'its own end is no loss');
  });

  it('tells whether a message lay in the queue', async () => {
    const publisher = await bind();
    follow(publisher.port);
    await publisher.joined();
    await publisher.publish(Buffer.from('one'));
    assert.propertyVal(await inbox.next(), 'waited', false);
    for (let i = 0; i < 100; i++) await publisher.publish(Buffer.from('more'));
    await inbox.until(message => message !== 'malformed' && message.waited);
  });
});

describe('a subscription that publishers dial', () => {
  let open: { close(): Promise<void> }[];
  const inbox = new Inbox<[topic: string, sequence: number, payload: string]>();
  const malformed = new Inbox<'malformed'>();

  beforeEach(() => {
    open = [];
  });

  afterEach(async () => {
    for (const each of open.reverse()) await each.close();
  });

  async function listen(address = 'tcp://127.0.0.1:*', topic = '') {
    const bound = await bindSubscriber({
      endpoint: address,
      topic,
      wire: aWire(),
      onMessage: (from, { sequence, payload }) =>
        inbox.push([from, sequence, Buffer.from(payload).toString()]),
      onUnreadable: () => malformed.push('malformed'),
    });
    open.push({ close: () => bound.stop() });
    return bound;
  }

  async function dial(port: number): Promise<FakePublisher> {
    const publisher = FakePublisher.dial(port);
    open.push(publisher);
    await publisher.joined();
    return publisher;
  }

  it('hears many publishers on one port, and by their topics who they are', async () => {
    const { port } = await listen();
    const one = await dial(port);
    const other = await dial(port);
    await one.publish(Buffer.from('one'), { topic: 'kv@a@demo' });
    assert.deepEqual(await inbox.next(), ['kv@a@demo', 0, 'one']);
    await other.publish(Buffer.from('other'), { topic: 'kv@b@demo', sequence: 7n });
    assert.deepEqual(await inbox.next(), ['kv@b@demo', 7, 'other']);
    await one.send(['kv@a@demo', 'short', 'x']);
    assert.equal(await malformed.next(), 'malformed');
  });

  it('frees its port when it is stopped', async () => {
    const { port, stop } = await listen();
    await stop();
    await stop();
    assert.equal((await listen(`tcp://127.0.0.1:${port}`)).port, port);
  });

  it('rejects when the port is taken, and leaves nothing behind', async () => {
    const { port } = await listen();
    try {
      await listen(`tcp://127.0.0.1:${port}`);
      assert.fail('bound twice');
    } catch (error) {
      assert.propertyVal(error, 'code', 'EADDRINUSE');
    }
  });
});
