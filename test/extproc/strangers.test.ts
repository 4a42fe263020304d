/** What reaches the gRPC port and is no Envoy, or has stopped being one. */
import { once } from 'node:events';
import { constants } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { assert } from 'chai';
import { requestBody, requestHeaders } from '../support/envoy-messages.ts';
import { eventually } from '../support/eventually.ts';
import { framed, RawEnvoy } from '../support/fake-envoy.ts';
import { TcpSwitch } from '../support/tcp-switch.ts';
import { useServer } from './server-fixture.ts';
import { toldReply } from './told.ts';

const LONG = 60_000;
const PATIENT = {
  ...{ prefaceMs: LONG, lingerMs: LONG, firstMessageMs: LONG },
  ...{ pingEveryMs: LONG, pingTimeoutMs: LONG },
};
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const EMPTY_SETTINGS = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);

/** A connection whose peer keeps its own half open for as long as it can, and hears everything. */
async function stranger(port: number, ...says: Buffer[]): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  // Data in flight when the server destroys the connection makes a reset of its end.
  socket.on('error', () => {});
  await once(socket, 'connect');
  for (const words of says) socket.write(words);
  return socket.resume();
}

/** The server has ended its half, or both at once. Never rejects. */
function over(socket: Socket): Promise<void> {
  return new Promise(resolve => {
    for (const end of ['end', 'close']) socket.once(end, () => resolve());
  });
}

/** A peer that keeps its half open learns that there is no other half any more by what it sends. */
async function gone(socket: Socket): Promise<void> {
  await eventually('nobody is there any more', () => {
    if (!socket.destroyed) socket.write(EMPTY_SETTINGS);
    return socket.destroyed;
  });
}

describe('A connection to the gRPC port', () => {
  describe('of which no HTTP/2 is heard', () => {
    const given = useServer({ patience: { ...PATIENT, prefaceMs: 100 } });

    for (const [what, words] of [
      ['nothing', []],
      ['half a preface', [PREFACE.subarray(0, 10)]],
      ['a preface without settings', [PREFACE]],
    ] as const) {
      it(`but ${what} is closed`, async () => {
        const { server, envoy } = given();
        const socket = await stranger(server.port, ...words);
        await over(socket);
        await gone(socket);
        assert.equal(await envoy.health('readiness'), 'NOT_SERVING');
      });
    }

    it('but HTTP/1 is closed', async () => {
      const socket = await stranger(given().server.port, Buffer.from('GET / HTTP/1.1\r\nhost: x\r\n\r\n'));
      await over(socket);
      await gone(socket);
    });

    it('is not closed once it has been', async () => {
      const { server, envoy } = given();
      const speaking = await stranger(server.port, PREFACE, EMPTY_SETTINGS);
      await over(await stranger(server.port));
      await over(await stranger(server.port));
      assert.isFalse(speaking.destroyed);
      assert.isFalse(speaking.readableEnded);
      speaking.destroy();
      assert.equal(await envoy.health('readiness'), 'NOT_SERVING');
    });
  });

  describe('without streams', () => {
    const given = useServer({ idleMs: 100, patience: { ...PATIENT, lingerMs: 100 } });

    it('is told to go away, and is closed even if its peer does not go', async () => {
      const socket = await stranger(given().server.port, PREFACE, EMPTY_SETTINGS);
      await over(socket);
      assert.isTrue(socket.writable);
      await gone(socket);
    });

    it('stays while it has one, for as long as that lasts', async () => {
      const { server, route, envoy } = given();
      const stream = envoy.open().send(requestHeaders(), requestBody('hello', 'end'));
      const call = await route.asked();
      await stream.reply();
      // Another one comes and goes meanwhile.
      const raw = await RawEnvoy.connect(server.port);
      await raw.goaway();
      call.decide();
      assert.equal(toldReply(await stream.reply()), 'request_body pick');
      await stream.halfClose();
      raw.drop();
    });
  });

  describe('beyond the most that there may be', () => {
    let refused = 0;
    const given = useServer({ maxConnections: 2, onRefused: () => refused++ });

    it('is refused, and those that are there are served', async () => {
      const { server, envoy } = given();
      assert.equal(await envoy.health('readiness'), 'NOT_SERVING');
      const second = await stranger(server.port, PREFACE, EMPTY_SETTINGS);
      await eventually('the second one is there', () => second.bytesRead > 0);
      const third = await stranger(server.port);
      await over(third);
      await gone(third);
      assert.equal(refused, 1);
      assert.equal(await envoy.health('readiness'), 'NOT_SERVING');
      second.destroy();
      await eventually('there is room again', async () => {
        const next = await stranger(server.port, PREFACE, EMPTY_SETTINGS);
        await Promise.race([over(next), once(next, 'data').catch(() => {})]);
        next.destroy();
        return next.bytesRead > 0;
      });
    });
  });

  describe('whose peer does not answer pings', () => {
    const given = useServer({ patience: { ...PATIENT, pingEveryMs: 50, pingTimeoutMs: 50 } });

    it('is closed, and the requests on it count no longer', async () => {
      const { server, route } = given();
      const wire = await TcpSwitch.listen(server.port);
      const raw = await RawEnvoy.connect(wire.port);
      raw.open(requestHeaders(), requestBody('hello', 'end'));
      const call = await route.asked();
      call.decide();
      wire.freeze();
      await call.released;
      await eventually('the stream is gone', () => server.openStreams === 0);
      raw.drop();
      await wire.close();
    });
  });
});

describe('An ext_proc stream on which nothing is said', () => {
  const given = useServer({ idleMs: 100, patience: { ...PATIENT, firstMessageMs: 100 } });

  it('is reset, and keeps its connection from ending no longer', async () => {
    const { server } = given();
    const raw = await RawEnvoy.connect(server.port);
    const goaway = raw.goaway();
    const stream = raw.open();
    await once(stream, 'close');
    assert.equal(stream.rstCode, constants.NGHTTP2_CANCEL);
    assert.equal(server.openStreams, 0);
    await goaway;
    raw.drop();
  });

  it('is not, once something was said', async () => {
    const { envoy, server, route } = given();
    const stream = envoy.open().send(requestHeaders());
    await stream.reply();
    const raw = await RawEnvoy.connect(server.port);
    await once(raw.open(), 'close');
    raw.drop();
    stream.send(requestBody('hello', 'end'));
    (await route.asked()).decide();
    assert.equal(toldReply(await stream.reply()), 'request_body pick');
    await stream.halfClose();
  });
});

describe('A peer that sends and does not read', () => {
  const given = useServer();

  it('is not heard any further than what it can be told', async () => {
    const { server, route } = given();
    const raw = await RawEnvoy.connect(server.port);
    const config = { request_body_mode: 'FULL_DUPLEX_STREAMED' } as const;
    const stream = raw.open(requestHeaders({ headers: { ':path': '/v1/files' }, config }));
    (await route.asked()).decide();
    await once(stream, 'data');
    stream.pause();
    const chunk = framed(requestBody(Buffer.alloc(1024 * 1024, 'x')));
    let taken = 0;
    const sendOn = () => {
      if (taken < 64)
        stream.write(chunk, () => {
          taken++;
          sendOn();
        });
    };
    sendOn();
    // Far less than was sent, and than the server would have to keep the echo of.
    let [before, looks] = [-1, 0];
    await eventually('no more is taken', () => {
      looks = taken === before ? looks + 1 : 0;
      before = taken;
      return looks === 50;
    });
    assert.isBelow(taken, 32);
    raw.drop();
    await eventually('the stream is gone', () => server.openStreams === 0);
  });
});
