/** What clients and engines keep secret is in no log line at any level, and in no metric, page, span or recording. */
import { readFile, writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { assert } from 'chai';
import { createLogger } from '../src/ops/log/log.ts';
import type { TraceSink } from '../src/ops/telemetry.ts';
import { requestBody, requestHeaders, responseBody, responseHeaders } from './support/envoy-messages.ts';
import { eventually } from './support/eventually.ts';
import type { FakeEnvoy } from './support/fake-envoy.ts';
import { FakePublisher } from './support/fake-publisher.ts';
import { type AnswerRequest, HANG, json, RESET } from './support/fake-tokenizer.ts';
import { batchOf, storedMap } from './support/kv-events.ts';
import { adminPage, MODEL, ServeBench, type Served, WITH_EVENTS } from './support/serve-bench.ts';
import { type RecordingExporter, recordingExporter } from './support/telemetry.ts';
import { startCollector, withEnvironment } from './support/trace-collector.ts';

/** In every secret, and in nothing else. */
const STEM = 'hunter2';
/** As a token of a prompt. */
const TOKEN_ID = 770_077;
const secret = (where: string) => `${STEM}-${where} `.repeat(40);

const CREDENTIALS = {
  authorization: `Bearer sk-${STEM}-authorization`,
  'proxy-authorization': `Basic ${STEM}-proxy`,
  cookie: `session=${STEM}-cookie`,
  'x-api-key': `${STEM}-x-api-key`,
  'api-key': `${STEM}-api-key`,
  'x-goog-api-key': `${STEM}-goog`,
  'x-amz-security-token': `${STEM}-amz`,
  'x-forwarded-for': `${STEM}-client`,
  baggage: `user=${STEM}-baggage`,
  [`x-${STEM}`]: '1',
} as const;

const MESSAGES = [
  { role: 'system', content: secret('system') },
  { role: 'user', content: [{ type: 'text', text: secret('user') }] },
  {
    role: 'user',
    content: [{ type: 'image_url', image_url: { url: `https://${STEM}-image.example/x.png` } }],
  },
];
const HIDDEN = {
  cache_salt: secret('salt'),
  user: secret('end-user'),
  metadata: { [STEM]: secret('metadata') },
};
const FORM = [
  '--edge\r\ncontent-disposition: form-data; name="model"\r\n\r\n',
  `${MODEL}\r\n--edge\r\ncontent-disposition: form-data; name="prompt"\r\n\r\n${secret('form')}\r\n`,
  `--edge\r\ncontent-disposition: form-data; name="file"; filename="${STEM}-file.wav"\r\n\r\n${secret('audio')}\r\n--edge--\r\n`,
].join('');

interface Sent {
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
}

const sent = (path: string, body: object, headers: Sent['headers'] = {}): Sent => ({
  path,
  headers,
  body: JSON.stringify({ model: MODEL, ...HIDDEN, ...body }),
});
const COMPLETION = sent('/v1/completions', { prompt: secret('prompt') });

/** Requests that are decided, one way or another. */
const REQUESTS: readonly Sent[] = [
  COMPLETION,
  sent(`/v1/completions?api_key=${STEM}-query`, { prompt: secret('prompt') }),
  sent('/v1/chat/completions', { messages: MESSAGES, tools: [{ function: { name: `${STEM}-tool` } }] }),
  sent('/v1/responses', { input: secret('input'), instructions: secret('instructions') }),
  sent('/v1/responses', { input: secret('input'), previous_response_id: `resp_${STEM}` }),
  sent('/v1/messages', {
    messages: [{ role: 'user', content: secret('message') }],
    system: secret('system'),
  }),
  sent('/v1/embeddings', { input: secret('embedded') }),
  sent('/inference/v1/generate', { token_ids: [TOKEN_ID, TOKEN_ID], sampling_params: {} }),
  sent('/generate', { text: secret('text'), extra_key: secret('extra') }),
  {
    path: '/v1/audio/transcriptions',
    headers: { 'content-type': 'multipart/form-data; boundary=edge' },
    body: FORM,
  },
  { ...COMPLETION, headers: { 'content-encoding': 'gzip' }, body: gzipSync(COMPLETION.body) },
  sent('/v1/completions', { prompt: secret('prompt') }, { 'routing-strategy': 'random' }),
];

/** Requests that are refused, or that nothing is understood of. */
const MISTAKES: readonly Sent[] = [
  { path: '/v1/completions', body: `{"model":"${MODEL}","prompt":"${STEM}` },
  { path: '/v1/completions', body: `${STEM} is no JSON` },
  { path: '/v1/completions', body: JSON.stringify(secret('text')) },
  sent('/v1/completions', { model: `${STEM}-model`, prompt: secret('prompt') }),
  sent('/v1/completions', { model: { [STEM]: 1 }, prompt: secret('prompt') }),
  sent('/v1/completions', { prompt: { [STEM]: secret('prompt') } }),
  sent('/v1/chat/completions', { messages: secret('messages') }),
  sent('/v1/completions', { prompt: secret('prompt') }, { 'routing-strategy': `${STEM}-strategy` }),
  sent('/v1/completions', { prompt: secret('prompt') }, { 'external-filter': `(${STEM}-filter` }),
  sent('/v1/completions', { prompt: secret('prompt') }, { 'content-encoding': `${STEM}-encoding` }),
  sent('/v1/completions', { prompt: secret('prompt') }, { 'content-encoding': 'gzip' }),
  sent('/v1/completions/render', { prompt: secret('prompt') }),
  sent(`/v1/models/${STEM}-model`, {}, { ':method': 'GET' }),
  {
    path: '/v1/audio/transcriptions',
    headers: { 'content-type': 'multipart/form-data; boundary=edge' },
    body: `--edge\r\n${STEM}`,
  },
  { path: '/v1/completions', body: JSON.stringify({ model: MODEL, prompt: STEM.repeat(200_000) }) },
];

/** How engines answer that are asked for tokens: with the tokens, or with the prompt in an error. */
const ANSWERS: Readonly<Record<string, AnswerRequest>> = {
  tokens: ({ path }) => {
    const rendered = { request_id: 'r', token_ids: Array(64).fill(TOKEN_ID), features: null };
    if (path === '/tokenize')
      return json(200, { count: 64, max_model_len: 4096, tokens: rendered.token_ids });
    return json(200, path === '/v1/completions/render' ? [rendered] : rendered);
  },
  refusal: ({ text }) => json(400, { error: { message: text, type: 'BadRequestError', code: 400 } }),
  fault: ({ text }) => json(500, { error: { message: text } }),
  nonsense: ({ text }) => ({ kind: 'text', status: 200, text }),
  wrong: ({ text }) => json(200, { token_ids: [text], request_id: text, [text.slice(0, 100)]: TOKEN_ID }),
  absent: ({ text }) => json(404, { detail: text }),
  locked: ({ text }) => json(401, { error: text }),
  reset: () => RESET,
  hang: () => HANG,
};

/** What a sampled answer is read for stands beside what it says, and a client may have made the engine say that, too. */
const ANSWER = JSON.stringify({
  id: `resp_${STEM}`,
  output: secret('output'),
  usage: {
    prompt_tokens: 64,
    prompt_tokens_details: { cached_tokens: 0, [STEM]: STEM },
    user: secret('usage'),
  },
});

/** From the headers to what the pod answers, or as far as Envoy is let. */
async function exchange(envoy: FakeEnvoy, { path, headers, body }: Sent, status: number): Promise<void> {
  const config = { request_body_mode: 'BUFFERED', response_body_mode: 'NONE' } as const;
  const opened = { ':path': path, 'x-request-id': 'an-id', ...CREDENTIALS, ...headers };
  const stream = envoy.open().send(requestHeaders({ headers: opened, config }));
  let reply = await stream.reply();
  if (reply.immediate_response === undefined)
    reply = await stream.send(requestBody(body as Buffer, 'end')).reply();
  if (reply.immediate_response === undefined) {
    const { mode_override } = await stream.send(responseHeaders(status)).reply();
    if (mode_override?.response_body_mode === 'STREAMED')
      await stream.send(responseBody(ANSWER, 'end')).reply();
  }
  await stream.halfClose();
}

/** What is to be read in the log, so that it is known that the log was written. */
const SAID: Readonly<Record<keyof typeof ANSWERS, string>> = {
  tokens: 'request routed',
  refusal: 'request routed',
  fault: 'routed without knowing who holds the prompt',
  nonsense: 'routed without knowing who holds the prompt',
  wrong: 'routed without knowing who holds the prompt',
  absent: 'this pod cannot tokenize such requests',
  locked: 'this engine wants an API key to tokenize',
  reset: 'routed without knowing who holds the prompt',
  hang: 'routed without knowing who holds the prompt',
};

describe('the server writes no prompt, key, token, cookie or salt into its log, metrics, pages, spans and recording', function () {
  // Of an engine that never answers every request waits for its deadline.
  this.timeout(30_000);

  let bench: ServeBench;
  let publisher: FakePublisher;
  let exporter: RecordingExporter;
  let written: string;
  beforeEach(async () => {
    bench = await ServeBench.open();
    publisher = await FakePublisher.bind();
    bench.atEnd(() => publisher.close());
    exporter = recordingExporter();
    written = '';
  });
  afterEach(() => bench.stop());

  async function start(
    answer: AnswerRequest,
    traces: TraceSink = { kind: 'exporter', exporter },
  ): Promise<Served> {
    await bench.startTokenizers(2, answer);
    const { pods } = JSON.parse(await readFile(bench.podsFile, 'utf8')) as { pods: object[] };
    const announcing = { ...pods[0], kvEvents: { port: publisher.port } };
    await writeFile(bench.podsFile, JSON.stringify({ pods: [announcing, pods[1]] }));
    await writeFile(bench.path('key'), `${STEM}-of-the-engines\n`);
    const write = (line: string) => {
      written += line;
    };
    return bench.start(
      {
        ...WITH_EVENTS,
        WARMROUTE_DECISION_TIMEOUT_MS: '100',
        WARMROUTE_MAX_BODY_BYTES: '1000000',
        WARMROUTE_ANSWER_SAMPLE_PERCENT: '100',
        WARMROUTE_CONTROL_PERCENT: '50',
        WARMROUTE_ENGINE_API_KEY_FILE: bench.path('key'),
        WARMROUTE_RECORD_FILE: bench.path('recording'),
        WARMROUTE_RECORD_BLOCK_TOKENS: '16',
      },
      undefined,
      {
        log: createLogger({ level: 'debug', destination: { write } }),
        traces,
      },
    );
  }

  async function assertNothingIsTold({ server }: Served): Promise<void> {
    const shown: string[] = [];
    for (const path of [
      ...[
        '/metrics',
        '/debug/pods',
        '/debug/publishers',
        '/debug/decisions?limit=500',
        '/debug/decisions/an-id',
        '/v1/models',
        '/readyz',
      ],
    ])
      shown.push((await adminPage(server, path)).text);
    await server.stop();
    assert.isNotEmpty(exporter.spans);
    const spans = exporter.spans.map(({ name, attributes, events, status, links, resource }) => ({
      ...{ name, attributes, events, status, links, resource: resource.attributes },
    }));
    const recorded = await readFile(bench.path('recording'), 'utf8');
    assert.include(recorded, '"outcome":');
    const all = [written, recorded, ...shown, JSON.stringify(spans)].join('\n');
    for (const found of [STEM, Buffer.from(STEM).toString('hex'), String(TOKEN_ID)])
      assert.notInclude(all, found, all.split('\n').find(line => line.includes(found)) ?? '');
  }

  for (const [name, answer] of Object.entries(ANSWERS)) {
    it(`of requests, where engines that are asked for tokens answer with ${name}`, async () => {
      const served = await start(answer);
      for (const [i, request] of REQUESTS.entries())
        await exchange(served.envoy, request, i % 3 === 0 ? 500 : 200);
      for (const said of ['"level":"debug"', '"requestId":"an-id"', SAID[name]!])
        assert.include(written, said);
      await assertNothingIsTold(served);
    });
  }

  it('nor in what it sends to a collector', async () => {
    const collector = await startCollector('grpc');
    bench.atEnd(() => collector.close());
    await withEnvironment('OTEL_EXPORTER_OTLP_ENDPOINT', collector.url, async () => {
      const { server, envoy } = await start(ANSWERS.refusal!, { kind: 'otlp', protocol: 'grpc' });
      for (const request of [...REQUESTS, ...MISTAKES]) await exchange(envoy, request, 200);
      await server.stop();
    });
    const sent = Buffer.concat(collector.posts.map(({ body }) => body));
    for (const expected of ['warmroute.route', 'POST /v1/completions/render', 'gen_ai.operation.name'])
      assert.isTrue(sent.includes(expected), expected);
    for (const found of [STEM, String(TOKEN_ID)]) assert.isFalse(sent.includes(found), found);
  });

  it('of requests that are refused, not understood, or given up', async () => {
    const served = await start(ANSWERS.tokens!);
    for (const mistake of MISTAKES) await exchange(served.envoy, mistake, 200);
    const config = { request_body_mode: 'STREAMED' } as const;
    const unread = served.envoy.open().send(requestHeaders({ headers: CREDENTIALS, config }));
    await unread.reply();
    await unread.send(requestBody(secret('beginning'))).reply();
    await unread.reset();
    for (const said of ['request rejected', 'requests go on without a pick']) assert.include(written, said);
    await assertNothingIsTold(served);
  });

  it('of events, which have the tokens of prompts, and salts', async () => {
    const served = await start(ANSWERS.tokens!);
    await exchange(served.envoy, COMPLETION, 200);
    await publisher.joined();
    for (const event of [
      storedMap({ extra_keys: [[secret('salt')], [STEM]], lora_name: `${STEM}-adapter` }),
      storedMap({ token_ids: [TOKEN_ID, TOKEN_ID, TOKEN_ID, TOKEN_ID], block_hashes: [21, 22] }),
      { type: `${STEM}-event`, [STEM]: secret('event') },
      { ...storedMap(), token_ids: secret('tokens') },
      secret('no event'),
    ])
      await publisher.publish(batchOf(event));
    await publisher.publish(Buffer.from(secret('no batch')));
    await eventually('the events have been read', () => written.includes('the event stream broke'));
    assert.include(written, 'KV-cache event not understood');
    await assertNothingIsTold(served);
  });
});
