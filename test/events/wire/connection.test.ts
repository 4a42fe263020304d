/** What a subscription makes of peers that libzmq would never be. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { assert } from 'chai';
import { bindSubscriber } from '../../../src/events/wire/bound-subscriber.ts';
import type { UnreadableMessage } from '../../../src/events/wire/published.ts';
import { subscribe } from '../../../src/events/wire/subscriber.ts';
import type { WireLimits } from '../../../src/events/wire/wire-reader.ts';
import { sequenceFrame } from '../../support/fake-publisher.ts';
import { Inbox } from '../../support/inbox.ts';
import { aWire } from '../../support/wire.ts';
import { dialZmtp, HANDSHAKE, ZmtpPeer, zmtpCommand, zmtpFrame, zmtpHead } from '../../support/zmtp-peer.ts';

type Heard = readonly ['message' | 'unreadable' | 'link' | 'retry', string];

function published(payload: string | Uint8Array, sequence = 0n): Buffer {
  return Buffer.concat([
    zmtpFrame(Buffer.alloc(0), 1),
    zmtpFrame(sequenceFrame(sequence), 1),
    zmtpFrame(Buffer.from(payload as string)),
  ]);
}

/** As many empty frames as fit into a chunk of a socket. */
const EMPTY_FRAMES = Buffer.concat(Array.from({ length: 32_768 }, () => Buffer.from([1, 0])));

describe('a subscription to a peer that does as it likes', () => {
  let peer: ZmtpPeer;
  let heard: Inbox<Heard>;
  let stops: (() => unknown)[];

  beforeEach(async () => {
    peer = await ZmtpPeer.listen();
    heard = new Inbox();
    stops = [() => peer.close()];
  });

  afterEach(async () => {
    for (const stop of stops.reverse()) await stop();
  });

  function follow(port = peer.port, limits: Partial<WireLimits> = {}): void {
    const subscription = subscribe({
      ...{ endpoint: `tcp://127.0.0.1:${port}`, topic: '', wire: aWire(limits) },
      onMessage: ({ payload }) => heard.push(['message', Buffer.from(payload).toString()]),
      onUnreadable: why => heard.push(['unreadable', why]),
      onLink: event => heard.push(['link', event]),
      onRetry: why => heard.push(['retry', why]),
    });
    stops.push(() => subscription.stop());
  }

  async function next(count: number): Promise<Heard[]> {
    const items: Heard[] = [];
    while (items.length < count) items.push(await heard.next());
    return items;
  }

  it('hears what came before the end, then of the end, then what comes next', async () => {
    follow();
    const first = await peer.greeted();
    first.end(Buffer.concat([published('one'), published('two')]));
    const second = await peer.greeted();
    second.write(published('three'));
    assert.deepEqual(await next(7), [
      ['link', 'connected'],
      ['message', 'one'],
      ['message', 'two'],
      ['link', 'lost'],
      ['retry', 'ended'],
      ['link', 'connected'],
      ['message', 'three'],
    ]);
  });

  it('says what keeps it from connecting', async () => {
    const { port } = peer;
    await peer.close();
    stops.shift();
    follow(port);
    assert.deepEqual(await next(1), [['retry', 'ECONNREFUSED']]);
  });

  it('does not wait for ever for a handshake', async () => {
    follow(peer.port, { handshakeMs: 20 });
    await peer.connections.next();
    assert.deepEqual(await next(1), [['retry', 'no_handshake']]);
    await peer.greeted();
    assert.deepEqual(await next(1), [['link', 'connected']]);
  });

  it('leaves a port alone that speaks another protocol', async () => {
    const http = createServer((_, response) => response.end('hello')).listen(0, '127.0.0.1');
    await once(http, 'listening');
    stops.push(() => http.close());
    follow((http.address() as AddressInfo).port);
    assert.deepEqual(await next(2), [
      ['unreadable', 'not_zmtp'],
      ['retry', 'not_zmtp'],
    ]);
  });

  it('does not take a message before the handshake, nor a refusal for one', async () => {
    follow();
    (await peer.connections.next()).write(Buffer.concat([HANDSHAKE.subarray(0, 64), published('early')]));
    assert.deepEqual(await next(2), [
      ['unreadable', 'not_zmtp'],
      ['retry', 'not_zmtp'],
    ]);
    (await peer.connections.next()).write(
      Buffer.concat([HANDSHAKE.subarray(0, 64), zmtpCommand('ERROR', Buffer.from('\x07refused'))]),
    );
    assert.deepEqual((await next(2))[0], ['unreadable', 'not_zmtp']);
  });

  it('answers a PING', async () => {
    follow();
    const socket = await peer.greeted();
    await next(1);
    const answer = new Inbox<Buffer>();
    socket.on('data', answer.push);
    socket.write(zmtpCommand('PING', Buffer.from([0, 30, 1, 2, 3])));
    await answer.until(() =>
      Buffer.concat(answer.all).includes(Buffer.from('\x04PONG\x01\x02\x03', 'latin1')),
    );
  });

  it('ends with a peer that asks and never reads the answers', async () => {
    follow();
    const socket = await peer.greeted();
    await next(1);
    const pings = Buffer.concat(Array.from({ length: 1_000 }, () => zmtpCommand('PING', Buffer.alloc(200))));
    const pinging = setInterval(() => socket.write(pings), 1);
    stops.push(() => clearInterval(pinging));
    assert.deepEqual(await next(2), [
      ['unreadable', 'not_zmtp'],
      ['link', 'lost'],
    ]);
  });

  it('is not stopped by a message of a million frames', async () => {
    follow();
    const socket = await peer.greeted();
    for (let i = 0; i < 31; i++) socket.write(EMPTY_FRAMES);
    assert.deepEqual(await next(4), [
      ['link', 'connected'],
      ['unreadable', 'too_many_frames'],
      ['link', 'lost'],
      ['retry', 'too_many_frames'],
    ]);
  });

  it('is not filled by a message without an end', async () => {
    follow(peer.port, { maxMessageBytes: 100_000 });
    (await peer.greeted()).write(zmtpHead(100_001));
    assert.deepEqual((await next(2))[1], ['unreadable', 'too_large']);
  });

  it('lets the peer keep what it does not get round to', async () => {
    let isBusy = true;
    const wire = aWire();
    let messages = 0;
    const subscription = subscribe({
      ...{ endpoint: `tcp://127.0.0.1:${peer.port}`, topic: '', wire },
      onMessage: () => {
        messages++;
        // A turn each.
        for (const until = performance.now() + 2; isBusy && performance.now() < until; );
      },
      onUnreadable: why => assert.fail(why),
    });
    stops.push(() => subscription.stop());
    const socket = await peer.greeted();
    const message = published(Buffer.alloc(50_000));
    let sent = 0;
    while (socket.writableLength < 4 * message.length) {
      for (let i = 0; i < 20; i++, sent++) socket.write(message);
      await setImmediate();
      assert.isBelow(sent, 2_000, 'the peer may send for ever');
    }
    isBusy = false;
    while (messages < sent) await setImmediate();
    assert.equal(messages, sent, 'nothing is lost');
  });
});

describe('a port that publishers dial', () => {
  const unreadable = new Inbox<readonly [UnreadableMessage, string]>();
  const heard = new Inbox<readonly [topic: string, from: string]>();

  it('outlives strangers of all kinds, and hears the others', async () => {
    const bound = await bindSubscriber({
      ...{ endpoint: 'tcp://127.0.0.1:*', topic: '', wire: aWire({ handshakeMs: 50 }) },
      onMessage: (topic, _, from) => heard.push([topic, from]),
      onUnreadable: (why, from) => unreadable.push([why, from]),
    });
    const silent = await dialZmtp(bound.port);
    const flooding = await dialZmtp(bound.port);
    flooding.write(EMPTY_FRAMES);
    assert.deepEqual(await unreadable.next(), ['too_many_frames', '127.0.0.1']);
    const named = await dialZmtp(bound.port);
    named.write(
      Buffer.concat([
        zmtpFrame(Buffer.alloc(2_000), 1),
        zmtpFrame(sequenceFrame(0n), 1),
        zmtpFrame(Buffer.from('x')),
      ]),
    );
    assert.deepEqual(await unreadable.next(), ['unexpected_frames', '127.0.0.1'], 'no topic is that long');
    named.write(
      Buffer.concat([
        zmtpFrame(Buffer.from('kv@a@m'), 1),
        zmtpFrame(sequenceFrame(1n), 1),
        zmtpFrame(Buffer.from('x')),
      ]),
    );
    assert.deepEqual(await heard.next(), ['kv@a@m', '127.0.0.1']);
    const ends = [silent, flooding, named].map(socket => (socket.closed ? undefined : once(socket, 'close')));
    await bound.stop();
    await Promise.all(ends);
  });

  it('hands nothing over after it is stopped, not even of a publisher that has gone', async () => {
    let messages = 0;
    const bound = await bindSubscriber({
      ...{ endpoint: 'tcp://127.0.0.1:*', topic: '', wire: aWire() },
      onMessage: () => {
        messages++;
        // A turn each.
        for (const until = performance.now() + 3; performance.now() < until; );
      },
      onUnreadable: why => assert.fail(why),
    });
    const publisher = await dialZmtp(bound.port);
    publisher.end(Buffer.concat(Array.from({ length: 200 }, () => published('x'))));
    await once(publisher, 'close');
    const before = messages;
    assert.isBelow(before, 200);
    await bound.stop();
    for (let i = 0; i < 3; i++) await setImmediate();
    assert.equal(messages, before);
  });
});
