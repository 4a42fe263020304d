/** Decisions as operators see them: those that were made, and those that would be. */
import { writeFile } from 'node:fs/promises';
import { assert } from 'chai';
import type { DecisionRecord } from '../src/explain/record.ts';
import { runCli } from './support/cli.ts';
import { requestBody, requestHeaders, responseHeaders } from './support/envoy-messages.ts';
import type { FakeEnvoy } from './support/fake-envoy.ts';
import { answerBytes } from './support/fake-tokenizer.ts';
import {
  adminPage,
  decisionOn,
  MODEL,
  PROMPT,
  REMOTE,
  ServeBench,
  type Served,
} from './support/serve-bench.ts';

const BODY = { model: MODEL, prompt: PROMPT };
const QUIET = { ...REMOTE, WARMROUTE_HEALTH_INTERVAL_MS: '0', WARMROUTE_DECISION_TIMEOUT_MS: '600000' };

describe('decisions, for operators', function () {
  this.timeout(20_000);
  let bench: ServeBench;
  let served: Served;

  beforeEach(async () => {
    bench = await ServeBench.open();
    await bench.startTokenizers(3);
  });
  afterEach(() => bench.stop());

  async function start(environment = {}): Promise<FakeEnvoy> {
    served = await bench.start({ ...QUIET, ...environment });
    return served.envoy;
  }

  const page = async (path: string) => {
    const { status, text } = await adminPage(served.server, path);
    return { status, content: JSON.parse(text) };
  };
  const made = async (query = ''): Promise<DecisionRecord[]> =>
    (await page(`/debug/decisions${query}`)).content.decisions;

  async function dry(
    query: string,
    body: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<{ readonly status: number; readonly content: DecisionRecord & { readonly error: string } }> {
    const response = await fetch(`http://127.0.0.1:${served.server.adminPort}/debug/route${query}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    return { status: response.status, content: (await response.json()) as never };
  }

  const ask = (envoy: FakeEnvoy, id: string, body: object = {}, headers = {}) =>
    decisionOn(envoy, '/v1/completions', { prompt: PROMPT, ...body }, { 'x-request-id': id, ...headers });

  describe('that were made', () => {
    it('are shown newest first, by id, model, pod and reason', async () => {
      const envoy = await start();
      const first = await ask(envoy, 'r-1');
      await ask(envoy, 'r-2');
      await ask(envoy, 'r-3', { model: 'nobody' });
      const all = await made();
      assert.deepEqual(
        all.map(({ id, outcome, reason, error }) => [id, outcome, reason ?? error]),
        [
          ['r-3', 'rejected', 'unknown_model'],
          ['r-2', 'routed', 'prefix_match'],
          ['r-1', 'routed', 'no_match'],
        ],
      );
      assert.deepInclude(all[1], { path: '/v1/completions', model: MODEL, endpoint: first.target! });
      assert.isAbove(all[1]!.matchedBlocks!, 0);
      assert.isAbove(all[1]!.tokens!, PROMPT.length);
      assert.lengthOf(all[1]!.candidates, 3);
      assert.isAbove(all[1]!.tookMicroseconds, 0);
      const ids = async (query: string) => (await made(query)).map(({ id }) => id);
      assert.deepEqual(await ids('?limit=1'), ['r-3']);
      assert.deepEqual(await ids('?reason=no_match'), ['r-1']);
      assert.deepEqual(await ids(`?model=${MODEL}`), ['r-2', 'r-1']);
      assert.isNull(all[0]!.model, 'it is a client’s own text');
      assert.deepEqual(await ids(`?pod=${all[1]!.pod}&limit=500`), ['r-2', 'r-1']);
      assert.deepEqual(await ids('?pod=nobody'), []);
      assert.equal((await page('/debug/decisions/r-2')).content.id, 'r-2');
    });

    it('are found by whatever their clients call them, and are not what they never were', async () => {
      const envoy = await start();
      for (const id of ['..', 'a/b?c=%2e', '__proto__', '<script>']) {
        await ask(envoy, id);
        const { decisions } = (await page(`/debug/decisions?id=${encodeURIComponent(id)}`)).content;
        assert.deepEqual(
          (decisions as DecisionRecord[]).map(each => each.id),
          [id],
        );
      }
      assert.equal(
        (await page(`/debug/decisions/${encodeURIComponent('a/b?c=%2e')}`)).content.id,
        'a/b?c=%2e',
      );
      const unknown = await page('/debug/decisions/never');
      assert.equal(unknown.status, 404);
      assert.match(unknown.content.error, /no decision with this request id is known/);
      for (const limit of ['0', '501', 'x', '-1', '1e3']) {
        assert.equal((await page(`/debug/decisions?limit=${limit}`)).status, 400, limit);
      }
    });

    it('say who served, once the answer is seen', async () => {
      const envoy = await start();
      const stream = envoy
        .open()
        .send(requestHeaders({ headers: { ':path': '/v1/completions', 'x-request-id': 'r-1' } }));
      await stream.reply();
      stream.send(requestBody(JSON.stringify(BODY), 'end'));
      await stream.reply();
      const [before] = await made();
      assert.notProperty(before, 'served');
      stream.send(responseHeaders(200));
      await stream.reply();
      const [{ served, pod } = assert.fail('none')] = await made();
      assert.deepInclude(served, { status: 200, pod: pod! });
      assert.isAtLeast(served!.answeredMs, 0);
      await stream.halfClose();
    });

    it('keep nothing of a prompt, unless WARMROUTE_SHOW_PROMPTS=true', async () => {
      for (const [value, shown] of [
        ['false', undefined],
        ['true', PROMPT.repeat(2).slice(0, 2_000)],
      ] as const) {
        const envoy = await start({ WARMROUTE_SHOW_PROMPTS: value });
        await ask(envoy, 'r-1', { prompt: PROMPT.repeat(2) });
        const { text } = await adminPage(served.server, '/debug/decisions');
        assert.equal(text.includes('my diagnosis'), shown !== undefined);
        assert.equal((await made())[0]!.prompt, shown);
        assert.equal(
          (await dry('?path=/v1/completions', { ...BODY, prompt: PROMPT.repeat(2) })).content.prompt,
          shown,
        );
      }
    });
  });

  describe('that would be made', () => {
    it('are those of the request that comes next, and leave nothing behind', async () => {
      const envoy = await start();
      const { target } = await ask(envoy, 'r-1');
      const metrics = async () =>
        (await adminPage(served.server, '/metrics')).text
          .split('\n')
          .filter(
            line =>
              !/^#|_process_|^process_|_seconds|event_loop|heap|memory|tokenize_calls|tokenizer_circuit|cpu/.test(
                line,
              ),
          );
      const [before, blocks] = [await metrics(), served.server.cache.index.size()];
      const { status, content } = await dry('?path=/v1/completions', BODY, { 'x-request-id': 'dry-1' });
      assert.equal(status, 200);
      assert.deepInclude(content, {
        id: 'dry-1',
        outcome: 'routed',
        reason: 'prefix_match',
        endpoint: target!,
      });
      await dry('?path=/v1/completions', { ...BODY, prompt: 'something else altogether '.repeat(50) });
      const unknown = await dry('?path=/v1/completions', { ...BODY, model: 'nobody' });
      assert.deepInclude(unknown.content, { error: 'unknown_model' as never, model: 'nobody' });
      await dry('?path=/v1/completions', BODY, { 'routing-strategy': 'random' });
      assert.deepEqual(await metrics(), before);
      assert.deepEqual(served.server.cache.index.size(), blocks);
      assert.deepEqual(
        (await made()).map(({ id }) => id),
        ['r-1'],
      );
      assert.equal((await ask(envoy, 'r-2')).target, target);
    });

    it('take no turn of round robin', async () => {
      const envoy = await start({ ROUTING_ALGORITHM: 'round-robin' });
      const dryTargets = [];
      for (let i = 0; i < 2; i++)
        dryTargets.push((await dry('?path=/v1/completions', BODY)).content.endpoint);
      const { target } = await ask(envoy, 'r-1');
      assert.deepEqual(dryTargets, [target, target]);
      assert.notEqual((await dry('?path=/v1/completions', BODY)).content.endpoint, target);
    });

    it('are made of headers, subset and body of an envelope, or of those of the POST', async () => {
      await start();
      const path = '/v1/completions';
      const strategy = { 'routing-strategy': 'least-request' };
      const enveloped = await dry('', { path, headers: strategy, body: BODY });
      assert.deepInclude(enveloped.content, { reason: 'least-request', path, model: MODEL });
      assert.deepInclude((await dry(`?path=${path}`, BODY, strategy)).content, { reason: 'least-request' });
      const { content: all } = await dry('', { path, body: JSON.stringify(BODY) });
      const [, other] = all.candidates;
      const { content } = await dry('', { path, body: BODY, subset: [other!.endpoint] });
      assert.deepInclude(content, { pod: other!.pod, reason: 'only_pod' });
      assert.match(content.policy[0]!, /allows 1 of them/);
    });

    it('know every kind of request', async () => {
      const cases = [
        ['an unknown model', { path: '/v1/completions', body: { model: 'x', prompt: 'y' } }, 'unknown_model'],
        ['a body that is no JSON', { path: '/v1/completions', body: '{"model"' }, 'malformed_body'],
        ['no body', { path: '/v1/completions' }, 'malformed_body'],
        [
          'a strategy that is none',
          { path: '/v1/completions', body: BODY, headers: { 'routing-strategy': 'best' } },
          'bad_strategy',
        ],
        [
          'a filter that is none',
          { path: '/v1/completions', body: BODY, headers: { 'external-filter': '((' } },
          'bad_filter',
        ],
        ['an empty subset', { path: '/v1/completions', body: BODY, subset: [] }, 'no_allowed_pod'],
        ['a path that is not for clients', { path: '/v1/load_lora_adapter', body: {} }, 'path_refused'],
        ['a body that is too large', { path: '/v1/completions', body: 'x'.repeat(2_000) }, 'body_too_large'],
        ['the list of models', { path: '/v1/models', method: 'GET' }, /list of models itself/],
        ['an endpoint that is not routed', { path: '/v1/files', body: {} }, /not routed by what they ask/],
        [
          'an unknown model, of an inference gateway',
          { path: '/v1/completions', body: { model: 'x', prompt: 'y' }, bodyMode: 'FULL_DUPLEX_STREAMED' },
          'any_pod',
        ],
        [
          'a path without a prompt, of an inference gateway',
          { path: '/v1/files', body: {}, bodyMode: 'FULL_DUPLEX_STREAMED' },
          'any_pod',
        ],
        [
          'an endpoint without a prompt',
          { path: '/v1/embeddings', body: { model: MODEL, input: 'x' } },
          'no_prompt',
        ],
      ] as const;
      await start({ WARMROUTE_MAX_BODY_BYTES: '1600' });
      for (const [what, asked, expected] of cases) {
        const { status, content } = await dry('', asked);
        assert.equal(status, 200, what);
        if (typeof expected === 'string') assert.include([content.error, content.reason], expected, what);
        else assert.match(content.policy.join(), expected, what);
        assert.isNotEmpty(content.policy, what);
      }
    });

    it('say in full what is wrong with a header', async () => {
      await start();
      const { content } = await dry('?path=/v1/completions', BODY, { 'routing-strategy': 'best' });
      assert.match(
        content.policy[0]!,
        /^The routing-strategy header is refused: best is none of prefix-cost, prefix-cache/,
      );
      const filter = await dry('?path=/v1/completions', BODY, { 'external-filter': '((' });
      assert.match(filter.content.policy[0]!, /^The external-filter header is refused: /);
    });

    it('are not made of what cannot be read', async () => {
      const cases = [
        ['no JSON', '', 'nonsense', /expected is \{"path"/],
        ['no path', '', { body: BODY }, /^path: /],
        ['a path that is none', '', { path: 'v1', body: BODY }, /must begin with \//],
        ['a path in the query that is none', '?path=v1', BODY, /must begin with \//],
        ['members that mean nothing', '', { path: '/v1/completions', boddy: BODY }, /boddy/],
        [
          'headers that are none',
          '',
          { path: '/v1/completions', headers: { a: 1 }, body: BODY },
          /^headers\.a/,
        ],
        ['too many values', '', `[${'[],'.repeat(200_000)}[]]`, /too many values/],
        [
          'too much for an envelope',
          '',
          { path: '/x', body: 'x'.repeat(1 << 20) },
          /more than 1048576 bytes/,
        ],
        [
          'a body that cannot be written again',
          '',
          `{"path":"/x","body":${'['.repeat(50_000)}${']'.repeat(50_000)}}`,
          /nested too deeply/,
        ],
      ] as const;
      await start();
      for (const [what, query, body, error] of cases) {
        const { status, content } = await dry(query, body);
        assert.equal(status, 400, what);
        assert.match(content.error, error, what);
      }
    });

    it('end with the client that asked', async () => {
      const asked = Promise.withResolvers<void>();
      const answer = Promise.withResolvers<void>();
      await bench.startTokenizers(2, async request => {
        asked.resolve();
        await answer.promise;
        return answerBytes(request);
      });
      await start();
      const leaving = new AbortController();
      const asking = fetch(`http://127.0.0.1:${served.server.adminPort}/debug/route?path=/v1/completions`, {
        ...{ method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(BODY) },
        signal: leaving.signal,
      });
      await asked.promise;
      leaving.abort();
      await asking.then(
        () => assert.fail('answered'),
        () => {},
      );
      answer.resolve();
    });
  });

  it('have exit codes for scripts, through warmroute explain', async function () {
    this.timeout(40_000);
    await start();
    const file = bench.path('request.json');
    await writeFile(file, JSON.stringify(BODY));
    const environment = { WARMROUTE_ADMIN_ADDRESS: `127.0.0.1:${served.server.adminPort}` };
    const [json, rejected] = await Promise.all([
      runCli(['explain', file, '--json', '--header', 'routing-strategy: least-request'], environment),
      runCli(['explain', file, '--header', 'routing-strategy: best'], environment),
    ]);
    assert.deepEqual([json.code, json.stderr], [0, '']);
    assert.equal(JSON.parse(json.stdout).reason, 'least-request');
    assert.deepEqual([rejected.code, rejected.stderr], [1, '']);
    assert.match(rejected.stdout, /rejected, bad_strategy/);
  });
});
