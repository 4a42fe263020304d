import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { assert } from 'chai';
import { Publisher } from 'zeromq';
import { PortWatch, type WatchedPort } from '../../src/engine-api/port-watch.ts';
import { aPod } from '../support/builders.ts';
import { freePort } from '../support/free-port.ts';
import { HandClock } from '../support/hand-clock.ts';
import { Inbox } from '../support/inbox.ts';

/** Accepts connections and does with them what the test says. */
async function listen(
  onConnection: (socket: Socket) => void,
  port = 0,
): Promise<{ port: number; stop(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server: Server = createServer(socket => {
    sockets.add(socket);
    socket.on('error', () => {});
    onConnection(socket);
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

describe('the watch on ports', function () {
  this.timeout(20_000);
  const pod = aPod();
  let clock: HandClock;
  let changes: Inbox<WatchedPort>;
  let watch: PortWatch;
  let stops: (() => unknown)[];

  beforeEach(() => {
    clock = new HandClock();
    changes = new Inbox();
    stops = [];
    watch = new PortWatch({
      onChange: (_, port) => changes.push(port),
      sleep: clock.sleep,
      random: () => 0.5,
    });
  });
  afterEach(async () => {
    await watch.stop();
    for (const stop of stops) await stop();
  });

  function follow(port: number | undefined, replayPort?: number): void {
    watch.follow(pod, [{ rank: 0, port, replayPort }]);
  }

  it('is satisfied with a ZeroMQ socket, and looks again seldom', async () => {
    const publisher = new Publisher({ linger: 0 });
    stops.push(() => publisher.close());
    await publisher.bind('tcp://127.0.0.1:*');
    follow(Number(new URL(publisher.lastEndpoint!).port));
    assert.equal(await clock.passNext(), 500);
    assert.equal(await clock.sleeps.next(), 60_000);
    assert.isEmpty(changes.all);
    assert.deepInclude(watch.of(pod.name)[0]!, { what: 'events', answers: true, why: '' });
  });

  it('names a port that nothing listens on when it was tried twice, and says when it answers', async () => {
    const port = await freePort();
    follow(undefined, port);
    assert.deepEqual([await clock.passNext(), await clock.passNext()], [500, 2_000]);
    const tried = `tcp://127.0.0.1:${port}`;
    const silent = { what: 'replay', rank: 0, tried, answers: false, why: 'nothing listens there' };
    assert.deepEqual(await changes.next(), silent as WatchedPort);
    assert.deepEqual(watch.of(pod.name), [silent as WatchedPort]);
    assert.equal(await clock.passNext(), 10_000);
    await clock.sleeps.next();
    assert.lengthOf(changes.all, 1, 'it is not named again');
    const { stop } = await listen(socket => socket.write(Buffer.from([0xff, 0])), port);
    stops.push(stop);
    watch.recheck(pod.name);
    assert.deepEqual(await changes.next(), { ...silent, answers: true, why: '' } as WatchedPort);
  });

  for (const [title, onConnection, why] of [
    ['accepts and says nothing', () => {}, 'connected, but no ZeroMQ greeting within 2 s'],
    [
      'speaks something else',
      (socket: Socket) => socket.write('HTTP/1.1 400\r\n'),
      'what listens there is not ZeroMQ',
    ],
    ['hangs up', (socket: Socket) => socket.end(), 'the connection was closed'],
  ] as const) {
    it(`names one that ${title}`, async () => {
      const { port, stop } = await listen(onConnection);
      stops.push(stop);
      follow(port);
      await clock.passNext();
      await clock.passNext();
      assert.deepInclude(await changes.next(), { what: 'events', answers: false, why } as WatchedPort);
    });
  }

  it('says nothing of pods that have left, and watches the ports that a pod has now', async () => {
    const [first, second] = [await freePort(), await freePort()];
    follow(first);
    await clock.sleeps.next();
    follow(second);
    assert.deepEqual(
      watch.of(pod.name).map(({ tried }) => tried),
      [`tcp://127.0.0.1:${second}`],
    );
    watch.leave(pod.name);
    assert.isEmpty(watch.of(pod.name));
    assert.equal(clock.sleeping, 0);
    watch.recheck(pod.name);
  });
});
