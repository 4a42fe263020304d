import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { assert } from 'chai';
import { type DoorExchange, HttpDoor } from '../../../src/ops/admin/http-door.ts';

const LIMITS = { maxConnections: 4, sliceBytes: 16, maxWaiting: 2, patienceMs: 60_000 };
const get = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${more}\r\n`;

describe('the HTTP door', () => {
  let door: HttpDoor;
  let port: number;
  const clients = new Set<Socket>();

  async function open(
    answer: (request: IncomingMessage, response: ServerResponse, exchange: DoorExchange) => void,
    limits: Partial<typeof LIMITS> = {},
  ): Promise<void> {
    door = new HttpDoor(exchange => answer(exchange.request, exchange.response, exchange), {
      ...LIMITS,
      ...limits,
    });
    ({ port } = await door.listen(0, '0.0.0.0'));
  }

  /** A connected client that sends `blob`. */
  async function client(blob = '', localAddress = '127.0.0.1'): Promise<Socket> {
    const socket = connect({ port, host: '127.0.0.1', localAddress });
    clients.add(socket);
    socket.on('error', () => {});
    await once(socket, 'connect');
    socket.write(blob);
    return socket;
  }

  const echo = ({ url }: IncomingMessage, response: ServerResponse) => void response.end(`<${url}>`);
  /** All paths that were answered on a connection that is closed at its end. */
  const answersOf = async (socket: Socket) => (await text(socket)).match(/(?<=<)\/\w*(?=>)/g) ?? [];

  afterEach(async () => {
    for (const socket of clients) socket.destroy();
    clients.clear();
    await door.stop(0);
  });

  it('answers what comes in many slices, and is kept alive', async () => {
    await open(echo);
    const socket = await client(get('/a', `x-long: ${'x'.repeat(1_000)}\r\n`));
    assert.include(String((await once(socket, 'data'))[0]), '</a>');
    socket.write(get('/b', 'Connection: close\r\n'));
    assert.deepEqual(await answersOf(socket), ['/b']);
  });

  it('answers a client that has ended its side', async () => {
    await open((_, response) => void setImmediate(() => response.end('</late>')));
    const socket = await client();
    socket.end(get('/', 'Connection: close\r\n'));
    assert.deepEqual(await answersOf(socket), ['/late']);
  });

  it('answers one request of a connection at a time, in order', async () => {
    const underWay: ServerResponse[] = [];
    const began: string[] = [];
    const next = Promise.withResolvers<void>();
    await open(({ url }, response) => {
      began.push(url!);
      underWay.push(response);
      next.resolve();
    });
    const socket = await client(get('/a') + get('/b', 'Connection: close\r\n'));
    // Another client is served meanwhile, and after the first one's requests have been parsed.
    await next.promise;
    const other = await client(get('/other', 'Connection: close\r\n'));
    while (underWay.length < 2) await new Promise(setImmediate);
    assert.deepEqual(began, ['/a', '/other']);
    underWay[1]!.end('</other>');
    assert.deepEqual(await answersOf(other), ['/other']);
    underWay[0]!.end('</a>');
    while (underWay.length < 3) await new Promise(setImmediate);
    underWay[2]!.end('</b>');
    assert.deepEqual(await answersOf(socket), ['/a', '/b']);
  });

  it('ends a connection with too many requests in advance after those that it remembers', async () => {
    await open((request, response) => void setImmediate(() => echo(request, response)), {
      sliceBytes: 4_096,
    });
    const socket = await client(Array.from({ length: 50 }, (_, i) => get(`/${i}`)).join(''));
    assert.deepEqual(await answersOf(socket), ['/0', '/1', '/2']);
  });

  it('lets a new connection in for the one that has asked nothing for longest', async () => {
    await open(echo);
    const sockets: Socket[] = [];
    for (let i = 0; i < 4; i++) {
      const socket = await client(get('/'));
      await once(socket, 'data');
      sockets.push(socket);
    }
    sockets[0]!.write(get('/again'));
    await once(sockets[0]!, 'data');
    const closed = once(sockets[1]!.resume(), 'close');
    const another = await client(get('/new', 'Connection: close\r\n'));
    assert.deepEqual(await answersOf(another), ['/new']);
    await closed;
    for (const i of [0, 2, 3]) {
      sockets[i]!.write(get('/still'));
      assert.include(String((await once(sockets[i]!, 'data'))[0]), '</still>');
    }
  });

  it('takes it from the address that has most of them', async () => {
    await open(echo);
    const early = await client(get('/'), '127.0.0.2');
    await once(early, 'data');
    for (let i = 0; i < 20; i++) await client();
    early.write(get('/still'));
    assert.include(String((await once(early, 'data'))[0]), '</still>');
  });

  it('loses patience with a client that does not take its answer', async () => {
    const closed = Promise.withResolvers<void>();
    await open(
      (_, response) => {
        response.once('close', closed.resolve);
        response.end(Buffer.alloc(64 << 20));
      },
      { patienceMs: 300 },
    );
    (await client(get('/'))).pause();
    await closed.promise;
  });

  it('loses patience with a client that sends nothing, or not all of it', async () => {
    await open(echo, { patienceMs: 20 });
    for (const blob of ['', 'GET / HT']) await once((await client(blob)).resume(), 'close');
  });

  it('has patience between two requests, and ends the connection then', async () => {
    await open(echo, { patienceMs: 300 });
    assert.deepEqual(await answersOf(await client(get('/only'))), ['/only']);
  });

  it('answers 400 to what is no HTTP', async () => {
    await open(echo);
    assert.match(await text(await client('hello?\r\n\r\n')), /^HTTP\/1\.1 400 /);
  });

  it('makes no tunnel, and lives on', async () => {
    await open(echo);
    assert.equal(await text(await client('CONNECT host:1 HTTP/1.1\r\nHost: host:1\r\n\r\n')), '');
    for (const protocol of ['websocket', 'h2c']) {
      const upgrade = get('/', `Upgrade: ${protocol}\r\nConnection: upgrade, close\r\n`);
      assert.deepEqual(await answersOf(await client(upgrade)), ['/']);
    }
    assert.deepEqual(await answersOf(await client(get('/', 'Connection: close\r\n'))), ['/']);
  });

  it('does not mind clients that leave at once', async () => {
    await open(echo);
    for (let i = 0; i < 3; i++) (await client(get('/').repeat(50))).resetAndDestroy();
    assert.deepEqual(await answersOf(await client(get('/', 'Connection: close\r\n'))), ['/']);
  });

  it('closes connections that wait to be accepted when it stops', async () => {
    await open(echo);
    const sockets = await Promise.all([client(), client(), client()]);
    const closed = sockets.map(socket => new Promise(resolve => socket.resume().once('close', resolve)));
    await door.stop(60_000);
    await Promise.all(closed);
  });
});
