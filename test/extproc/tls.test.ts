/** The gRPC port with TLS: what is served by it, what is refused, and what a new certificate changes. */
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { assert } from 'chai';
import type { ConnectionFailure } from '../../src/extproc/connections.ts';
import type { ServerIdentity } from '../../src/extproc/tls-handshakes.ts';
import { type Authority, createAuthority, type Issued } from '../support/certificates.ts';
import { requestBody, requestHeaders } from '../support/envoy-messages.ts';
import { eventually } from '../support/eventually.ts';
import { type DialledBy, FakeEnvoy, RawEnvoy } from '../support/fake-envoy.ts';
import { useServer } from './server-fixture.ts';
import { toldReply } from './told.ts';

const LONG = 60_000;
const PATIENT = {
  ...{ prefaceMs: LONG, lingerMs: LONG, firstMessageMs: LONG },
  ...{ pingEveryMs: LONG, pingTimeoutMs: LONG },
};
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const EMPTY_SETTINGS = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
/** The beginning of a handshake whose rest never comes. */
const HALF_A_HELLO = Buffer.from([0x16, 3, 1, 2, 0, 1]);

let authority: Authority;
let identity: ServerIdentity;
let failures: ConnectionFailure[];

async function issue(by: Authority = authority, clientCa?: string): Promise<Issued> {
  const issued = await by.issue();
  identity = { cert: issued.cert, key: issued.key, clientCa };
  return issued;
}

const WITH_TLS = {
  transport: { kind: 'tls', identity: () => identity },
  onFailed: (failure: ConnectionFailure) => failures.push(failure),
} as const;

const verifying = (client?: Issued): DialledBy => ({
  kind: 'tls',
  ca: authority.ca,
  ...(client && { client }),
});

async function healthOf(port: number, by: DialledBy): Promise<string> {
  const envoy = new FakeEnvoy(port, by);
  try {
    return await envoy.health('readiness');
  } finally {
    envoy.close();
  }
}

/** Resolves when the connection is gone, whichever way. */
function over(socket: Socket): Promise<void> {
  socket.on('error', () => {});
  socket.resume();
  return new Promise(resolve => socket.once('close', () => resolve()));
}

const tcp = (port: number) => connectTcp(port, '127.0.0.1');
const tls = (port: number, options: ConnectionOptions = {}) =>
  connectTls({
    port,
    host: '127.0.0.1',
    servername: 'localhost',
    rejectUnauthorized: false,
    ALPNProtocols: ['h2'],
    ...options,
  });

const whys = () => failures.map(({ why }) => why);

describe('The gRPC port with TLS', () => {
  before(async () => {
    authority = await createAuthority();
  });
  beforeEach(async () => {
    failures = [];
    await issue();
  });

  describe('whose clients need no certificate', () => {
    const given = useServer(WITH_TLS);

    it('serves streams and health to who verifies it, and to who does not', async () => {
      const { server, route } = given();
      for (const by of [verifying(), { kind: 'tls' }] as const) {
        const envoy = new FakeEnvoy(server.port, by);
        const stream = envoy.open().send(requestHeaders(), requestBody('hello', 'end'));
        (await route.asked()).decide();
        assert.equal(toldReply(await stream.reply()), 'request_headers');
        assert.equal(toldReply(await stream.reply()), 'request_body pick');
        await stream.halfClose();
        assert.equal(await envoy.health('readiness'), 'NOT_SERVING');
        envoy.close();
      }
      assert.deepEqual(failures, []);
    });

    it('serves a client that negotiates no protocol, as Envoy does by default', async () => {
      const socket = tls(given().server.port, { ALPNProtocols: [] });
      socket.write(PREFACE);
      socket.write(EMPTY_SETTINGS);
      const [settings] = (await once(socket, 'data')) as [Buffer];
      assert.equal(settings[3], 4, 'a SETTINGS frame');
      socket.destroy();
    });

    it('closes connections of plain text, and tells of them', async () => {
      const { server } = given();
      for (const words of [PREFACE, 'GET / HTTP/1.1\r\nhost: x\r\n\r\n', '\0']) {
        const socket = tcp(server.port);
        socket.write(words);
        await over(socket);
      }
      assert.deepEqual(failures, Array(3).fill({ why: 'plain_text', code: undefined, from: '127.0.0.1' }));
    });

    it('tells of handshakes that fail', async () => {
      const { server } = given();
      const other = await createAuthority('another one');
      for (const [options, code] of [
        [{ ca: other.ca, rejectUnauthorized: true }, /UNKNOWN_CA|ECONNRESET/],
        [{ ALPNProtocols: ['http/1.1'] }, /NO_APPLICATION_PROTOCOL/],
        [{ maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'ALL:@SECLEVEL=0' }, /VERSION|PROTOCOL/],
      ] as const) {
        await over(tls(server.port, options as ConnectionOptions));
        const failure = await eventually('it is told', () => failures.pop());
        assert.equal(failure.why, 'handshake');
        assert.match(failure.code ?? '', code);
      }
    });

    it('says nothing of connections that end before they say anything', async () => {
      const { server } = given();
      tcp(server.port).end();
      const socket = tcp(server.port);
      socket.end();
      await over(socket);
      assert.equal(await healthOf(server.port, verifying()), 'NOT_SERVING');
      assert.deepEqual(failures, []);
    });

    it('shows a new certificate to new connections, and lets the others go on', async () => {
      const { server, route } = given();
      const envoy = new FakeEnvoy(server.port, verifying());
      const stream = envoy.open().send(requestHeaders());
      await stream.reply();
      const raw = await RawEnvoy.connect(server.port, verifying());
      const first = raw.serialNumber;

      const next = await issue();
      assert.notEqual(next.serialNumber, first);
      const later = await RawEnvoy.connect(server.port, verifying());
      assert.equal(later.serialNumber, next.serialNumber);
      stream.send(requestBody('hello', 'end'));
      (await route.asked()).decide();
      assert.equal(toldReply(await stream.reply()), 'request_body pick');
      await stream.halfClose();
      assert.equal(await envoy.health('readiness'), 'NOT_SERVING', 'on the old connection');
      assert.deepEqual(raw.goaways, []);

      envoy.close();
      raw.drop();
      later.drop();
    });

    it('drains as it does without: peers are told to go, streams end OK, handshakes under way end', async () => {
      const { server, health, route } = given();
      health.setReadiness('SERVING');
      const envoy = new FakeEnvoy(server.port, verifying());
      const readiness = envoy.watchHealth('readiness');
      assert.equal(await readiness.next(), 'SERVING');
      const stream = envoy.open().send(requestHeaders(), requestBody('hello', 'end'));
      const call = await route.asked();
      const raw = await RawEnvoy.connect(server.port, verifying());
      const told = raw.goaway();
      const silent = tcp(server.port);
      const slow = tcp(server.port);
      slow.write(HALF_A_HELLO);
      await Promise.all([once(silent, 'connect'), once(slow, 'connect')]);
      const gone = [over(silent), over(slow)];

      const drained = server.drain(0);
      assert.equal(await readiness.next(), 'NOT_SERVING');
      await told;
      await Promise.all(gone);
      call.decide();
      assert.equal((await stream.status).code, 0);
      await drained;
      assert.deepEqual(failures, [], 'who was ended has not failed');
      envoy.close();
    });
  });

  describe('of which no HTTP/2 is heard', () => {
    const given = useServer({ ...WITH_TLS, patience: { ...PATIENT, prefaceMs: 100 } });

    it('closes the connection: silent, in the middle of a handshake, or after it', async () => {
      const { server } = given();
      const slow = tcp(server.port);
      slow.write(HALF_A_HELLO);
      const idle = tls(server.port);
      await Promise.all([over(tcp(server.port)), over(slow), over(idle)]);
      assert.equal(await healthOf(server.port, verifying()), 'NOT_SERVING');
    });

    it('keeps what speaks', async () => {
      const { server } = given();
      const raw = await RawEnvoy.connect(server.port, verifying());
      await over(tcp(server.port));
      await over(tls(server.port));
      const stream = raw.open(requestHeaders());
      await once(stream, 'data');
      raw.drop();
    });
  });

  describe('with few connections', () => {
    let refused = 0;
    const given = useServer({ ...WITH_TLS, maxConnections: 2, onRefused: () => refused++ });

    it('has room again after handshakes that failed, however many', async () => {
      const { server } = given();
      for (let i = 0; i < 50; i++) {
        const socket = tcp(server.port);
        socket.write([HALF_A_HELLO, Buffer.alloc(600, 0x16), PREFACE, Buffer.from([0x16])][i % 4]!);
        if (i % 4 !== 1) socket.end();
        await over(socket);
      }
      assert.equal(refused, 0);
      const raw = await RawEnvoy.connect(server.port, verifying());
      assert.equal(await healthOf(server.port, verifying()), 'NOT_SERVING');
      raw.drop();
    });
  });

  describe('without streams', () => {
    const given = useServer({ ...WITH_TLS, idleMs: 100, patience: { ...PATIENT, lingerMs: 100 } });

    it('tells its peer to go away', async () => {
      const raw = await RawEnvoy.connect(given().server.port, verifying());
      await raw.goaway();
    });

    it('is closed even if its peer does not go', async () => {
      const socket = tls(given().server.port, { allowHalfOpen: true } as ConnectionOptions).on(
        'error',
        () => {},
      );
      socket.write(PREFACE);
      socket.write(EMPTY_SETTINGS);
      await once(socket.resume(), 'end');
      assert.isTrue(socket.writable);
      await eventually('nobody is there any more', () => {
        if (!socket.destroyed) socket.write(EMPTY_SETTINGS);
        return socket.destroyed;
      });
    });
  });

  describe('whose clients need a certificate', () => {
    beforeEach(() => issue(authority, authority.ca));
    const given = useServer(WITH_TLS);

    async function assertRefused(port: number, by: DialledBy, why: ConnectionFailure['why']): Promise<void> {
      failures = [];
      const error: unknown = await healthOf(port, by).catch((reason: unknown) => reason);
      assert.instanceOf(error, Error);
      assert.include(whys(), why);
    }

    it('serves those with one of the authority, and refuses the others', async () => {
      const { server } = given();
      assert.equal(await healthOf(server.port, verifying(await authority.issue())), 'NOT_SERVING');
      assert.deepEqual(failures, []);
      await assertRefused(server.port, verifying(), 'no_client_certificate');
      const stranger = await createAuthority('a stranger’s');
      await assertRefused(server.port, verifying(await stranger.issue()), 'client_certificate');
      const past = await authority.issue({ endsAt: Date.now() - 60_000 });
      await assertRefused(server.port, verifying(past), 'client_certificate');
    });

    it('takes those of a new authority when it is there, and of the old one no longer', async () => {
      const { server } = given();
      const next = await createAuthority('the next one');
      const [before, after] = [await authority.issue(), await next.issue()];
      const raw = await RawEnvoy.connect(server.port, verifying(before));
      await issue(authority, next.ca);
      assert.equal(await healthOf(server.port, verifying(after)), 'NOT_SERVING');
      await assertRefused(server.port, verifying(before), 'client_certificate');
      const stream = raw.open(requestHeaders());
      await once(stream, 'data');
      raw.drop();
    });

    it('resumes no session from before the authority was replaced', async () => {
      const { server } = given();
      const next = await createAuthority('the next one');
      const { cert, key } = await authority.issue();
      const options: ConnectionOptions = { cert, key, maxVersion: 'TLSv1.2' };
      /** Whether the session of a connection before was resumed, and its own, for the next one. */
      const dial = async (session?: Buffer) => {
        const socket = tls(server.port, { ...options, ...(session && { session }) }).on('error', () => {});
        await once(socket, 'secureConnect');
        const [isReused, own] = [socket.isSessionReused(), socket.getSession()];
        socket.destroy();
        return { isReused, session: own };
      };
      const { session } = await dial();
      assert.isTrue((await dial(session)).isReused, 'before');
      await issue(authority, next.ca);
      failures = [];
      await dial(session).catch(() => {});
      await eventually('it is refused', () => whys().includes('client_certificate'));
    });
  });
});

describe('The gRPC port without TLS', () => {
  const told: ConnectionFailure[] = [];
  const given = useServer({ onFailed: failure => told.push(failure) });

  it('closes connections of TLS, and tells of them', async () => {
    const { server, envoy } = given();
    await over(tls(server.port));
    assert.deepEqual(told, [{ why: 'tls', code: undefined, from: '127.0.0.1' }]);
    assert.equal(await envoy.health('readiness'), 'NOT_SERVING');
  });
});
