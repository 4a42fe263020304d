import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert } from 'chai';
import { smoke } from '../../src/smoke/smoke.ts';
import { SmokeFailure } from '../../src/smoke/smoke-failure.ts';
import { type CliResult, runCli, startCli } from '../support/cli.ts';
import { type Asked, type FakeGateway, sendJson, startFakeGateway } from '../support/fake-gateway.ts';
import { freePort } from '../support/free-port.ts';

type Answer = Parameters<typeof startFakeGateway>[0];

const fixture = (name: string) => new URL(`../fixtures/tls/${name}`, import.meta.url).pathname;

/** Holds the last prompt's prefix, as one engine would. */
const serving: Answer = ({ path, body }, response) => {
  if (path.endsWith('/v1/models')) {
    sendJson(response, 200, { object: 'list', data: [{ id: 'demo' }, { id: 'other' }] });
    return;
  }
  const isSecond = body.includes('how many rules');
  const prompt_tokens_details = { cached_tokens: isSecond ? 960 : 0 };
  sendJson(
    response,
    200,
    { choices: [{}], usage: { prompt_tokens: 1000, prompt_tokens_details } },
    { 'target-pod': 'engine-1', 'target-pod-ip': '10.0.0.5:8000' },
  );
};

describe('warmroute smoke', function () {
  this.timeout(20_000);
  let gateway: FakeGateway | undefined;
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'warmroute-smoke-'));
  });
  afterEach(async () => {
    await gateway?.stop();
    gateway = undefined;
  });
  after(() => rm(folder, { recursive: true }));

  async function run(answer: Answer, ...args: string[]): Promise<CliResult & { asked: readonly Asked[] }> {
    gateway = await startFakeGateway(answer);
    return { ...(await runCli(['smoke', gateway.url, '--pause', '0', ...args])), asked: gateway.asked };
  }

  it('ends with 0 when the second prompt was warm, and says who served', async () => {
    const { code, stdout, stderr, asked } = await run(serving);
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, /^served by +engine-1 at 10\.0\.0\.5:8000 +engine-1 at 10\.0\.0\.5:8000$/m);
    assert.match(stdout, /^cached tokens +0 of 1000 +960 of 1000$/m);
    assert.match(stdout, /^WARM: the engine had 960 of 1000 tokens/m);
    assert.notInclude(stdout, 'served by: shown with');
    assert.isAtMost(stdout.split('\n').length, 24, 'one screen');
    const [models, first, second] = asked;
    assert.deepEqual(
      [models?.path, first?.path, second?.path],
      ['/v1/models', '/v1/chat/completions', '/v1/chat/completions'],
    );
    assert.equal(first?.headers['x-warmroute-debug'], '1');
    const [one, other] = [first, second].map(
      each => JSON.parse(each!.body) as { model: string; messages: object[] },
    );
    assert.equal(one?.model, 'demo');
    assert.deepEqual(one?.messages[0], other?.messages[0]);
    assert.notDeepEqual(one?.messages[1], other?.messages[1]);
  });

  it('has a prefix of its own each time', async () => {
    const { asked } = await run(serving);
    const before = asked[1]?.body;
    await runCli(['smoke', gateway!.url, '--pause', '0']);
    assert.notEqual(asked[4]?.body, before);
  });

  it('asks the same gateway by its URL as OpenAI clients are given it', async () => {
    gateway = await startFakeGateway(serving);
    const { code, stdout } = await runCli(['smoke', `${gateway.url}/v1`, '--pause', '0']);
    assert.equal(code, 0);
    assert.include(stdout, `POST ${gateway.url}/v1/chat/completions, `);
    assert.deepEqual(
      gateway.asked.map(({ path }) => path),
      ['/v1/models', '/v1/chat/completions', '/v1/chat/completions'],
    );
  });

  it('asks completions, another model, a path below and with the headers that it is told', async () => {
    const key = join(folder, 'key');
    await writeFile(key, 'sk-secret\n');
    gateway = await startFakeGateway(serving);
    const { code, stdout } = await runCli([
      ...['smoke', `${gateway.url}/llm/v1/`, '--api', 'completions', '--model', 'other', '--pause', '0'],
      ...['--api-key-file', key, '--header', 'X-Tenant: a b', '--header', 'routing-strategy:prefix-cache'],
    ]);
    assert.equal(code, 0);
    assert.notInclude(stdout, 'sk-secret');
    assert.lengthOf(gateway.asked, 2);
    for (const { path, headers, body } of gateway.asked) {
      assert.equal(path, '/llm/v1/completions');
      assert.include(headers, {
        authorization: 'Bearer sk-secret',
        'x-tenant': 'a b',
        'routing-strategy': 'prefix-cache',
      });
      const { model, prompt } = JSON.parse(body) as { model: string; prompt: string };
      assert.equal(model, 'other');
      assert.isAbove(prompt.length, 3_000);
    }
  });

  it('ends with 1 when the second prompt was not warm', async () => {
    const { code, stdout, stderr } = await run((asked, response) =>
      asked.path === '/v1/models'
        ? serving(asked, response)
        : sendJson(response, 200, {
            choices: [{}],
            usage: { prompt_tokens: 1000, prompt_tokens_details: { cached_tokens: 0 } },
          }),
    );
    assert.deepEqual([code, stderr], [1, '']);
    assert.match(stdout, /^NOT WARM: /m);
  });

  it('ends with 1 when nothing tells, and believes no nonsense', async () => {
    const { code, stdout } = await run((asked, response) =>
      asked.path === '/v1/models'
        ? serving(asked, response)
        : sendJson(
            response,
            200,
            { choices: [], usage: { prompt_tokens: -1, prompt_tokens_details: { cached_tokens: 'all' } } },
            { 'x-warmroute-reason': 'x', 'x-warmroute-matched-blocks': 'NaN' },
          ),
    );
    assert.equal(code, 1);
    assert.match(stdout, /^CANNOT TELL: /m);
  });

  const answers: readonly [string, Answer, RegExp][] = [
    [
      '401',
      (_, response) => sendJson(response, 401, { error: { message: 'Incorrect API key', type: 'x' } }),
      /GET \/v1\/models was answered 401: Incorrect API key\n.*--api-key-file/,
    ],
    [
      'a model that is not served',
      (asked, response) =>
        asked.path === '/v1/models'
          ? serving(asked, response)
          : sendJson(response, 404, { error: { message: 'The model `demo` does not exist.' } }),
      /POST \/v1\/chat\/completions was answered 404: The model `demo` does not exist\.\n.*--model/,
    ],
    [
      'a page for people',
      (_, response) =>
        void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>\u001b[31m Hi'),
      /was answered 200: <html> \[31m Hi\nit is text\/html and no JSON: is this the URL of the gateway\?/,
    ],
    [
      'a page for people that says 404',
      (_, response) =>
        void response.writeHead(404, { 'content-type': 'text/html' }).end('<h1>Not Found</h1>'),
      /is this the URL/,
    ],
    [
      'a redirect',
      (_, response) => void response.writeHead(308, { location: 'https://other.example/' }).end(),
      /answered 308, to ask at https:\/\/other\.example\/: give that URL/,
    ],
    [
      'an error without words',
      (_, response) => void response.writeHead(503).end(),
      /GET \/v1\/models was answered 503: nothing$/,
    ],
    [
      'an error in FastAPI’s form',
      (_, response) => sendJson(response, 500, { detail: 'broken' }),
      /500: broken$/,
    ],
    [
      'no list of models',
      (_, response) => sendJson(response, 200, { data: [] }),
      /lists no model: name one with --model/,
    ],
    [
      'JSON of something else',
      (asked, response) =>
        asked.path === '/v1/models' ? serving(asked, response) : sendJson(response, 200, { ok: true }),
      /answered 200, but not as the OpenAI API is: \{"ok":true\}/,
    ],
    [
      'more than there can be',
      (_, response) => void response.end('x'.repeat((1 << 20) + 1)),
      /longer than 1048576 bytes: is this the URL/,
    ],
    [
      'half an answer',
      (_, response) => void response.socket?.destroy(),
      /cannot be asked: the connection was closed/,
    ],
  ];
  for (const [what, answer, words] of answers) {
    it(`fails on ${what}`, async () => {
      gateway = await startFakeGateway(answer);
      const failure = await smoke(
        {
          ...{ gateway: new URL(gateway.url), model: undefined, api: 'chat', headers: {} },
          ...{ trust: { kind: 'system' }, pauseMs: 0, timeoutMs: 10_000 },
        },
        { ending: new AbortController().signal },
      ).catch((error: unknown) => error);
      assert.instanceOf(failure, SmokeFailure);
      assert.match(failure.message, words);
      assert.notInclude(failure.message, '\u001b');
    });
  }

  it('ends with 2 where nothing listens', async () => {
    const { code, stderr } = await runCli(['smoke', `http://127.0.0.1:${await freePort()}`]);
    assert.equal(code, 2);
    assert.match(stderr, /cannot be asked: nothing listens there/);
  });

  it('ends with 2 when there is no answer in time', async () => {
    const { code, stderr } = await run(() => {}, '--timeout', '0.2');
    assert.equal(code, 2);
    assert.match(stderr, /not done within 0\.2 s \(--timeout\)/);
  });

  it('ends with 2 when it is ended', async () => {
    let reached = () => {};
    const asked = new Promise<void>(resolve => {
      reached = resolve;
    });
    gateway = await startFakeGateway(() => reached());
    const cli = startCli(['smoke', gateway.url]);
    await asked;
    cli.kill('SIGTERM');
    const { code, stderr } = await cli.ended;
    assert.equal(code, 2);
    assert.match(stderr, /ended by SIGTERM/);
  });

  for (const [what, args] of [
    ['an URL of another kind', ['smoke', 'ftp://x']],
    ['a header of two lines', ['smoke', 'http://127.0.0.1:1', '--header', 'a: b\r\nc: d']],
    ['a key file that is not there', ['smoke', 'http://127.0.0.1:1', '--api-key-file', '/nowhere/key']],
  ] as const) {
    it(`ends with 2 on ${what}`, async () => {
      const { code, stderr } = await runCli(args);
      assert.equal(code, 2);
      assert.notEqual(stderr, '');
    });
  }

  describe('over TLS', () => {
    const tls = { cert: readFileSync(fixture('engine.pem')), key: readFileSync(fixture('engine.key.pem')) };

    it('ends with 2 when the authority is unknown, and says what to do', async () => {
      gateway = await startFakeGateway(serving, tls);
      const { code, stderr } = await runCli(['smoke', gateway.url]);
      assert.equal(code, 2);
      assert.match(stderr, /certificate is .*: --ca, or --insecure/);
    });

    for (const trust of [['--ca', fixture('ca.pem')], ['--insecure']]) {
      it(`asks with ${trust[0]}`, async () => {
        gateway = await startFakeGateway(serving, tls);
        const { code, stderr } = await runCli(['smoke', gateway.url, '--pause', '0', ...trust]);
        assert.deepEqual([code, stderr], [0, '']);
      });
    }

    it('says when one side speaks it and the other does not', async () => {
      gateway = await startFakeGateway(serving, tls);
      const plain = await runCli(['smoke', gateway.url.replace('https', 'http')]);
      assert.deepEqual([plain.code, plain.stdout], [2, '']);
      await gateway.stop();
      gateway = await startFakeGateway(serving);
      const secure = await runCli(['smoke', gateway.url.replace('http', 'https')]);
      assert.equal(secure.code, 2);
      assert.match(secure.stderr, /does not speak TLS: is it http:\/\/\?/);
    });
  });
});
