import { once } from 'node:events';
import { Agent, type IncomingMessage, type RequestOptions, request } from 'node:http';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { text } from 'node:stream/consumers';
import { assert } from 'chai';
import { type Admin, type AdminOptions, startAdmin } from '../../../src/ops/admin/admin.ts';
import type { AdminExchange, AdminRoute } from '../../../src/ops/admin/route.ts';
import { type StatusParts, statusRoutes } from '../../../src/ops/admin/status-routes.ts';

describe('startAdmin', () => {
  let admin: Admin;
  let agent: Agent;

  async function start(
    options: Partial<AdminOptions & StatusParts> = {},
    further: readonly AdminRoute[] = [],
  ): Promise<void> {
    const status = statusRoutes({
      metrics: ({ response }) => void response.writeHead(200, { 'content-type': 'text/plain' }).end('up 1\n'),
      isReady: () => ({ ready: true, why: 'ready' }),
      version: '1.2.3',
      models: () => [],
      pods: () => [{ pod: 'engine-0', health: 'healthy' }],
      publishers: () => [{ pod: 'engine-0', state: 'live' }],
      tokenizers: () => [{ model: 'a', tokenizer: { kind: 'loaded' } }],
      now: () => 1_700_000_000_999,
      ...options,
    });
    admin = await startAdmin({
      ...{ host: '127.0.0.1', port: 0, operators: 'loopback', hosts: [], routes: [...status, ...further] },
      ...options,
    });
  }

  async function ask(path: string, options: RequestOptions = {}, body = '') {
    const { address: host, port } = admin;
    const sent = request({ host, port, path, agent, ...options }).end(body);
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    return { status: response.statusCode, headers: response.headers, body: await text(response) };
  }

  beforeEach(() => {
    agent = new Agent({ keepAlive: true });
  });

  afterEach(async () => {
    await admin.stop();
    agent.destroy();
  });

  it('is healthy while it runs', async () => {
    await start();
    const { status, body } = await ask('/healthz');
    assert.deepEqual([status, body], [200, 'ok']);
  });

  it('is ready or says why not', async () => {
    let answer = { ready: false, why: 'no pod is known' };
    await start({ isReady: () => answer });
    const before = await ask('/readyz');
    assert.deepEqual([before.status, JSON.parse(before.body)], [503, answer]);
    answer = { ready: true, why: '2 pods' };
    const after = await ask('/readyz');
    assert.deepEqual([after.status, JSON.parse(after.body)], [200, answer]);
    assert.equal(after.headers['content-type'], 'application/json');
  });

  it('says its version', async () => {
    await start();
    const { status, body } = await ask('/version');
    assert.deepEqual([status, JSON.parse(body)], [200, { version: '1.2.3' }]);
  });

  it('hands /metrics on, with its query', async () => {
    await start({ metrics: ({ request, response }) => void response.end(request.url) });
    const { status, body } = await ask('/metrics?name=up');
    assert.deepEqual([status, body], [200, '/metrics?name=up']);
  });

  it('lists the models as OpenAI does', async () => {
    await start({
      models: () => [
        { id: 'base', root: 'base' },
        { id: 'lora', root: 'base' },
      ],
    });
    const { status, body } = await ask('/v1/models');
    assert.equal(status, 200);
    const shared = { object: 'model', created: 1_700_000_000, owned_by: 'warmroute', root: 'base' };
    assert.deepEqual(JSON.parse(body), {
      object: 'list',
      data: [
        { id: 'base', ...shared },
        { id: 'lora', ...shared },
      ],
    });
  });

  for (const path of ['/healthz', '/readyz', '/metrics', '/version', '/v1/models']) {
    it(`answers HEAD ${path} like GET, without the content`, async () => {
      await start();
      const [get, head] = [await ask(path), await ask(path, { method: 'HEAD' })];
      assert.deepEqual([head.status, head.body], [200, '']);
      assert.equal(head.headers['content-type'], get.headers['content-type']);
      assert.notEqual(get.body, '');
    });

    it(`does not let anybody POST ${path}`, async () => {
      await start();
      const { status, headers, body } = await ask(path, { method: 'POST' }, '{}');
      assert.deepEqual([status, headers.allow, body], [405, 'GET, HEAD', '{"error":"method not allowed"}']);
    });
  }

  for (const path of ['/', '/healthz/', '/v1/model', '*']) {
    it(`has nothing at ${path}`, async () => {
      await start();
      const { status, body } = await ask(path, { method: path === '*' ? 'OPTIONS' : 'GET' });
      assert.deepEqual([status, body], [404, '{"error":"not found"}']);
    });
  }

  it('refuses a body that is announced as too long', async () => {
    await start();
    const sent = request({ host: admin.address, port: admin.port, path: '/healthz', agent });
    sent.setHeader('content-length', 1 << 20);
    sent.flushHeaders();
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    assert.deepEqual([response.statusCode, response.headers.connection], [413, 'close']);
    response.resume();
    await once(response, 'close');
    sent.destroy();
  });

  it('cuts off a body that turns out too long', async () => {
    await start();
    const sent = request({ host: admin.address, port: admin.port, path: '/healthz', method: 'POST', agent });
    const closed = new Promise<void>(resolve => sent.once('close', () => resolve()));
    sent.on('response', response => response.resume().on('error', () => {})).on('error', () => {});
    const chunk = Buffer.alloc(16 << 10);
    // Without the cut this would be accepted for ever.
    const pump = () => void (sent.destroyed || sent.write(chunk, error => error ?? setImmediate(pump)));
    pump();
    await closed;
  });

  it('answers 500 without a word of why when a page fails', async () => {
    const fail = (): never => {
      throw new Error('hunter2');
    };
    await start({ isReady: fail, models: fail, metrics: fail });
    for (const path of ['/readyz', '/v1/models', '/metrics']) {
      const { status, body } = await ask(path);
      assert.deepEqual([status, body], [500, '{"error":"internal error"}']);
    }
  });

  it('breaks off an answer that fails halfway', async () => {
    await start({
      metrics: ({ response }) => {
        response.writeHead(200, { 'content-length': 100 });
        response.write('up');
        throw new Error('halfway');
      },
    });
    const error = await ask('/metrics').then(
      () => assert.fail('was answered'),
      caught => caught,
    );
    assert.equal(error.code, 'ECONNRESET');
  });

  for (const host of ['::1', '[::1]']) {
    it(`listens on ${host}`, async () => {
      await start({ host });
      assert.equal(admin.address, '::1');
      assert.equal((await ask('/healthz')).status, 200);
    });
  }

  it('shows what the event streams are doing', async () => {
    await start();
    const { status, body } = await ask('/debug/publishers');
    assert.equal(status, 200);
    assert.deepEqual(JSON.parse(body), { publishers: [{ pod: 'engine-0', state: 'live' }] });
  });

  it('shows how the pods are', async () => {
    await start();
    const { status, body } = await ask('/debug/pods');
    assert.equal(status, 200);
    assert.deepEqual(JSON.parse(body), { pods: [{ pod: 'engine-0', health: 'healthy' }] });
  });

  describe('what is for clients on the same host', () => {
    const elsewhere = { headers: { host: 'router.example' } };

    for (const path of ['/v1/models', '/debug/publishers', '/debug/pods', '/debug/anything', '/']) {
      it(`${path} is refused to others, with the setting to switch it on`, async () => {
        await start();
        const { status, headers, body } = await ask(path, elsewhere);
        assert.deepEqual([status, headers['content-type']], [403, 'application/json']);
        assert.include((JSON.parse(body) as { error: string }).error, 'WARMROUTE_ADMIN_DEBUG=true');
      });
    }

    for (const path of ['/healthz', '/readyz', '/metrics', '/version']) {
      it(`${path} is not`, async () => {
        await start();
        assert.equal((await ask(path, elsewhere)).status, 200);
      });
    }

    for (const host of ['127.0.0.1', '::1', '::']) {
      it(`is served to them at ${host}`, async () => {
        await start({ host });
        for (const from of host === '::' ? ['127.0.0.1', '::1'] : [host])
          assert.equal((await ask('/v1/models', { host: from })).status, 200, from);
      });
    }

    it('is refused to a client at another address of this host', async function () {
      const [address] = Object.values(networkInterfaces())
        .flatMap(addresses => addresses ?? [])
        .filter(({ internal, family }) => !internal && family === 'IPv4');
      if (address === undefined) this.skip();
      await start({ host: '::' });
      const { status } = await ask('/debug/publishers', {
        host: address.address,
        headers: { host: 'localhost' },
      });
      assert.equal(status, 403);
      assert.equal((await ask('/metrics', { host: address.address })).status, 200);
    });

    it('is served to everyone if that is wanted, by a name that is listed', async () => {
      await start({ operators: 'everyone', hosts: ['router.example'] });
      for (const path of ['/v1/models', '/debug/publishers'])
        assert.equal((await ask(path, elsewhere)).status, 200);
    });

    it('is refused by any other name, with the setting that lists names', async () => {
      await start({ operators: 'everyone' });
      for (const path of ['/v1/models', '/debug/publishers']) {
        const { status, body } = await ask(path, elsewhere);
        assert.equal(status, 403);
        assert.include((JSON.parse(body) as { error: string }).error, 'WARMROUTE_ADMIN_HOSTS');
      }
    });

    it('is refused to pages of other sites, wherever operators may ask from', async () => {
      for (const operators of ['loopback', 'everyone'] as const) {
        await start({ operators });
        for (const origin of ['https://evil.example', 'null']) {
          const { status, body } = await ask('/debug/pods', { headers: { origin } });
          assert.deepEqual(
            [status, JSON.parse(body)],
            [403, { error: 'not served to pages of other sites' }],
            origin,
          );
        }
        const origin = `http://${admin.address}:${admin.port}`;
        assert.equal((await ask('/debug/pods', { headers: { origin } })).status, 200);
        await admin.stop();
      }
    });
  });

  it('answers 500 when a page fails later', async () => {
    await start({ metrics: () => Promise.reject(new Error('hunter2')) });
    const { status, body } = await ask('/metrics');
    assert.deepEqual([status, body], [500, '{"error":"internal error"}']);
  });

  describe('a page with a body', () => {
    const json = { 'content-type': 'application/json' };
    const echo: AdminRoute = {
      ...{ method: 'POST', path: '/debug/echo', audience: 'operator', maxBodyBytes: 100_000 },
      answer: ({ response }, body) => void response.end(body),
    };

    it('gets all of it, also where it is longer than bodies that nobody wants', async () => {
      await start({}, [echo]);
      for (const sent of ['', '{"a":1}', JSON.stringify('x'.repeat(99_998))]) {
        const { status, body } = await ask('/debug/echo', { method: 'POST', headers: json }, sent);
        assert.deepEqual([status, body], [200, sent]);
      }
    });

    it('takes no longer one, whether its length is announced or not', async () => {
      await start({}, [echo]);
      const long = 'x'.repeat(100_001);
      const announced = await ask(
        '/debug/echo',
        { method: 'POST', headers: { ...json, 'content-length': long.length } },
        long,
      );
      assert.equal(announced.status, 413);
      const headers = { ...json, 'transfer-encoding': 'chunked' };
      const cut = await ask('/debug/echo', { method: 'POST', headers }, long).then(
        () => assert.fail('was answered'),
        caught => caught,
      );
      assert.include(['ECONNRESET', 'EPIPE'], cut.code);
    });

    it('shares the memory for bodies with all others that are not answered yet', async () => {
      const begun = Promise.withResolvers<void>();
      const over = Promise.withResolvers<void>();
      const slow: AdminRoute = {
        ...{ method: 'POST', path: '/debug/slow', audience: 'operator', maxBodyBytes: 100_000 },
        async answer({ response }: AdminExchange) {
          begun.resolve();
          await over.promise;
          response.end();
        },
      };
      await start({ maxKeptBytes: 150_000 }, [echo, slow]);
      const post = (path: string, length: number) =>
        ask(path, { method: 'POST', headers: json }, 'x'.repeat(length));
      const first = post('/debug/slow', 90_000);
      await begun.promise;
      const refused = await post('/debug/echo', 90_000);
      assert.deepEqual([refused.status, refused.headers.connection], [503, 'close']);
      assert.equal((await post('/debug/echo', 50_000)).body.length, 50_000);
      over.resolve();
      assert.equal((await first).status, 200);
      for (let i = 0; i < 3; i++) assert.equal((await post('/debug/echo', 90_000)).status, 200);
    });

    it('takes JSON alone, which no form of another site can send', async () => {
      await start({}, [echo]);
      for (const type of [
        'text/plain',
        'application/x-www-form-urlencoded',
        'application/jsonp',
        undefined,
      ]) {
        const headers = type === undefined ? {} : { 'content-type': type };
        const { status } = await ask('/debug/echo', { method: 'POST', headers }, '{}');
        assert.equal(status, 415, type);
      }
    });

    it('is not there for GET, and is refused to others', async () => {
      await start({}, [echo]);
      const { status, headers } = await ask('/debug/echo');
      assert.deepEqual([status, headers.allow], [405, 'POST']);
      const foreign = { ...json, host: 'router.example' };
      assert.equal((await ask('/debug/echo', { method: 'POST', headers: foreign }, '{}')).status, 403);
    });
  });

  describe('a page for all paths that begin alike', () => {
    const shown: AdminRoute = {
      ...{ method: 'GET', path: '/debug/things/*', audience: 'operator' },
      answer: ({ response, rest, query }: AdminExchange) =>
        void response.end(JSON.stringify([rest, query.get('limit')])),
    };

    for (const [path, expected] of [
      ['/debug/things/a', ['a', null]],
      ['/debug/things/a%2Fb?limit=3&limit=4', ['a/b', '3']],
      ['/debug/things/a/b', ['a/b', null]],
      ['/debug/things/%00%F0%9F%92%A5', ['\0💥', null]],
    ] as const)
      it(`gets what stands in the place of the star of ${path}`, async () => {
        await start({}, [shown]);
        const { status, body } = await ask(path);
        assert.deepEqual([status, JSON.parse(body)], [200, expected]);
      });

    for (const path of ['/debug/things/', '/debug/things', '/debug/things/%ff', '/debug/things/*'])
      it(`has nothing at ${path}`, async () => {
        await start({}, [shown]);
        assert.equal((await ask(path)).status, 404);
      });
  });

  describe('an answer that is held open', () => {
    it('outlasts the patience with clients, and ends when the server stops', async () => {
      const held: AdminRoute = {
        ...{ method: 'GET', path: '/events', audience: 'operator' },
        answer({ response, holdOpen }: AdminExchange) {
          holdOpen();
          response.write('begun');
        },
      };
      await start({ patienceMs: 20, stopGraceMs: 100_000 }, [held]);
      const sent = request({ host: admin.address, port: admin.port, path: '/events', agent: false }).end();
      const [response] = (await once(sent, 'response')) as [IncomingMessage];
      const ended = new Promise(resolve => response.once('close', resolve));
      response.on('error', () => {}).resume();
      // Who neither asks nor is answered is cut off meanwhile.
      const silent = connect(admin.port, admin.address);
      await once(silent.resume(), 'close');
      assert.isFalse(response.destroyed);
      await admin.stop();
      await ended;
    });
  });

  it('rejects when the port is taken', async () => {
    await start();
    const { port } = admin;
    const error = await startAdmin({
      ...{ host: '127.0.0.1', port, operators: 'loopback', hosts: [], routes: [] },
    }).then(
      () => assert.fail('started'),
      caught => caught,
    );
    assert.equal(error.code, 'EADDRINUSE');
  });

  describe('stop', () => {
    it('closes connections that are kept alive or have not asked yet', async () => {
      await start();
      await ask('/healthz');
      const silent = connect(admin.port, admin.address);
      await once(silent, 'connect');
      // The server has accepted the silent connection when a later one is answered.
      await ask('/healthz', { agent: false });
      const ended = once(silent.resume(), 'close');
      await admin.stop();
      await ended;
    });

    it('lets a running answer finish', async () => {
      const asked = Promise.withResolvers<() => void>();
      await start({
        metrics: ({ response }) => asked.resolve(() => void response.end('late')),
        stopGraceMs: 100_000,
      });
      const answer = ask('/metrics');
      const finish = await asked.promise;
      const stopped = Promise.all([admin.stop(), admin.stop()]);
      finish();
      assert.equal((await answer).body, 'late');
      await stopped;
    });

    it('does not wait for ever for an answer', async () => {
      const asked = Promise.withResolvers<void>();
      await start({ metrics: () => asked.resolve(), stopGraceMs: 1 });
      const answer = ask('/metrics').then(
        () => assert.fail('was answered'),
        caught => caught,
      );
      await asked.promise;
      await admin.stop();
      assert.equal((await answer).code, 'ECONNRESET');
    });
  });
});
