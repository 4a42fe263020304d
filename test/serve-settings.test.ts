/** Each setting has its effect through `serve()`: shown here, or in the test that is named. */
import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks';
import { status as Status } from '@grpc/grpc-js';
import { assert } from 'chai';
import type { Environment } from '../src/config.ts';
import { SETTINGS } from '../src/settings/settings.ts';
import { toldReply } from './extproc/told.ts';
import { chainOf, SEED } from './support/blocks.ts';
import { startCli } from './support/cli.ts';
import { requestBody, requestHeaders } from './support/envoy-messages.ts';
import { eventually } from './support/eventually.ts';
import type { FakeEnvoy, FakeEnvoyStream } from './support/fake-envoy.ts';
import { FakePublisher } from './support/fake-publisher.ts';
import { answerBytes, NOT_FOUND } from './support/fake-tokenizer.ts';
import { freePort } from './support/free-port.ts';
import { batchOf, tokensOf } from './support/kv-events.ts';
import {
  adminPage,
  MODEL,
  PROMPT,
  REMOTE,
  routed,
  routedTo,
  ServeBench,
  type Served,
  WITH_EVENTS,
} from './support/serve-bench.ts';
import { startCollector, withEnvironment } from './support/trace-collector.ts';

/** `elsewhere`: in another test through the whole server, which names the setting, or what stands for it. */
type Shown =
  | { readonly kind: 'here'; readonly what: string; readonly show: () => Promise<void> }
  | { readonly kind: 'elsewhere'; readonly file: string; readonly as: string | undefined };

const here = (what: string, show: () => Promise<void>): Shown => ({ kind: 'here', what, show });
const elsewhere = (file: string, as?: string): Shown => ({ kind: 'elsewhere', file, as });

const LONG_MS = '600000';
/** What a test waits for comes in its own time, and not from what is done every few seconds. */
const QUIET: Environment = { WARMROUTE_HEALTH_INTERVAL_MS: '0', WARMROUTE_DECISION_TIMEOUT_MS: LONG_MS };
const PROMPT_BYTES = Buffer.byteLength(PROMPT);

let bench: ServeBench;

const start = (environment: Environment = {}): Promise<Served> => bench.start({ ...QUIET, ...environment });

/** Pods that nobody talks to. */
function writePods(count: number, given: object = {}): Promise<void> {
  const pods = Array.from({ length: count }, (_, i) => {
    return { name: `pod-${i}`, address: '127.0.0.1', port: 1 + i, model: MODEL, ...given };
  });
  return writeFile(bench.podsFile, JSON.stringify({ pods }));
}

/** What the second of two equal requests is told. */
async function again(envoy: FakeEnvoy, prompt = PROMPT) {
  await routed(envoy, prompt);
  return routed(envoy, prompt);
}

/** A request that was sent to a pod and is not over. */
async function inFlight(envoy: FakeEnvoy): Promise<FakeEnvoyStream> {
  const stream = envoy.open().send(requestHeaders({ headers: { ':path': '/v1/completions' } }));
  await stream.reply();
  stream.send(requestBody(JSON.stringify({ model: MODEL, prompt: PROMPT }), 'end'));
  await stream.reply();
  return stream;
}

/** A body that passes through the router and has not ended, and the end of a server meanwhile. */
async function drained(environment: Environment) {
  await writePods(2);
  const { server, envoy } = await start(environment);
  const config = { request_body_mode: 'FULL_DUPLEX_STREAMED' } as const;
  const upload = envoy.open().send(requestHeaders({ headers: { ':path': '/v1/files' }, config }));
  await upload.reply();
  upload.send(requestBody('he'));
  assert.equal(toldReply(await upload.reply()), 'request_body "he"');
  const other = await inFlight(envoy);
  const stopped = server.stop();
  assert.equal((await other.status).code, Status.OK);
  return { upload, stopped };
}

/** As if so much time had passed. */
async function later(minutes: number, work: () => Promise<void>): Promise<void> {
  const { now } = performance;
  performance.now = () => now.call(performance) + minutes * 60_000;
  try {
    await work();
  } finally {
    performance.now = now;
  }
}

/** What a collector is sent of one request. */
async function traced(protocol: 'grpc' | 'http/protobuf', environment: Environment) {
  await writePods(2);
  const collector = await startCollector(protocol);
  bench.atEnd(() => collector.close());
  await withEnvironment('OTEL_EXPORTER_OTLP_ENDPOINT', collector.url, async () => {
    const { envoy, server } = await start({ OTEL_EXPORTER_OTLP_PROTOCOL: protocol, ...environment });
    await routed(envoy);
    await server.stop();
  });
  return { url: collector.url, posts: collector.posts };
}

/** Whether a prompt without tokens is recognized after `meanwhile`. */
async function isRecognized(
  environment: Environment,
  meanwhile: (envoy: FakeEnvoy) => Promise<unknown>,
): Promise<boolean> {
  await bench.startTokenizers(2, () => NOT_FOUND);
  const { envoy } = await start({ ...WITH_EVENTS, ...environment });
  assert.equal((await routed(envoy)).reason, 'no_token_form');
  await meanwhile(envoy);
  return (await routed(envoy)).reason === 'history_match';
}

const SHOWN: Readonly<Record<keyof typeof SETTINGS, Shown>> = {
  podsFile: elsewhere('test/main.test.ts'),
  discovery: elsewhere('test/serve-kubernetes.test.ts'),
  kubernetesSelector: elsewhere('test/serve-kubernetes.test.ts'),
  kubernetesNamespaces: elsewhere('test/serve-kubernetes.test.ts'),
  inferencePool: elsewhere('test/serve-kubernetes.test.ts', 'OF_POOL'),
  modelsRefreshMs: elsewhere('test/serve-kubernetes.test.ts'),
  zone: elsewhere('test/serve-zones.test.ts'),
  zonePenaltyMs: elsewhere('test/serve-zones.test.ts'),
  metricFamilies: elsewhere('test/serve-metric-families.test.ts'),
  metricsIntervalMs: elsewhere('test/serve-strategies.test.ts'),
  grpcAddress: elsewhere('test/serve-lifecycle.test.ts'),
  healthAddress: elsewhere('test/serve-tls.test.ts'),
  tls: elsewhere('test/serve-tls.test.ts'),
  tlsCertFile: elsewhere('test/serve-tls.test.ts'),
  tlsKeyFile: elsewhere('test/serve-tls.test.ts'),
  tlsClientCaFile: elsewhere('test/serve-tls.test.ts'),
  adminAddress: elsewhere('test/serve-lifecycle.test.ts'),
  adminDebug: elsewhere('test/serve.test.ts'),
  adminHosts: elsewhere('test/serve.test.ts'),
  showPrompts: elsewhere('test/serve-decisions.test.ts'),
  debugHeaders: elsewhere('test/e2e/target-headers.test.ts'),
  targetHeaders: elsewhere('test/e2e/target-headers.test.ts'),

  logLevel: here('leaves out what is less severe', async () => {
    await writePods(2);
    const adminPort = await freePort();
    const cli = startCli(['serve'], {
      ...{ ...QUIET, WARMROUTE_PODS_FILE: bench.podsFile, WARMROUTE_DRAIN_MS: '0' },
      ...{ WARMROUTE_GRPC_ADDRESS: '127.0.0.1:0', WARMROUTE_ADMIN_ADDRESS: `127.0.0.1:${adminPort}` },
      WARMROUTE_LOG_LEVEL: 'error',
    });
    await eventually('it is ready', () =>
      fetch(`http://127.0.0.1:${adminPort}/readyz`).then(
        ({ ok }) => ok,
        () => false,
      ),
    );
    cli.kill('SIGTERM');
    assert.deepInclude(await cli.ended, { code: 0, stdout: '' });
  }),

  allowedPaths: elsewhere('test/serve-paths.test.ts'),
  unsaidBodyMode: elsewhere('test/serve-paths.test.ts'),
  unsetStrategy: elsewhere('test/e2e/aibrix-routes.test.ts'),
  fallbackEndpoints: elsewhere('test/e2e/fallback-endpoints.test.ts'),
  knownBodiesBytes: here('keeps messages that the next turn has again', async () => {
    await writePods(2);
    const turn = { role: 'user', content: 'x'.repeat(9_000) };
    const knownBytes = async (environment: Environment) => {
      const { server, envoy } = await start(environment);
      for (const messages of [[turn], [turn, turn]])
        await routedTo(envoy, '/v1/chat/completions', { model: MODEL, messages });
      const { text } = await adminPage(server, '/metrics');
      return /^warmroute_body_bytes_total\{from="known"\} (\d+)$/m.exec(text)?.[1];
    };
    assert.equal(await knownBytes({}), String(JSON.stringify(turn).length));
    assert.equal(await knownBytes({ WARMROUTE_KNOWN_BODIES_BYTES: '0' }), undefined);
  }),
  shedQueue: elsewhere('test/e2e/shedding.test.ts'),
  priorityHeader: elsewhere('test/e2e/shedding.test.ts'),
  maxBodyBytes: elsewhere('test/e2e/body-limits.test.ts'),
  bodyTimeoutMs: elsewhere('test/e2e/stalled-bodies.test.ts'),
  maxBufferedBytes: elsewhere('test/e2e/stalled-bodies.test.ts'),
  rememberedResponses: elsewhere('test/serve-responses.test.ts'),
  recomputePrice: elsewhere('test/serve-prefix-cost.test.ts'),
  saturationPrice: elsewhere('test/serve-prefix-cost.test.ts'),
  decodeTokens: elsewhere('test/serve-prefix-cost.test.ts'),
  cpuLoadShare: elsewhere('test/serve-prefix-cost.test.ts'),
  storageLoadShare: elsewhere('test/serve-prefix-cost.test.ts'),
  adapterLoadMs: elsewhere('test/serve-prefix-cost.test.ts'),
  routingMode: elsewhere('test/serve-rollout.test.ts'),
  rolloutPercent: elsewhere('test/serve-rollout.test.ts'),
  shadowPolicy: elsewhere('test/serve-rollout.test.ts'),
  controlPercent: elsewhere('test/serve-worth.test.ts'),
  answerSamplePercent: elsewhere('test/serve-worth.test.ts'),
  recordFile: elsewhere('test/serve-record.test.ts'),
  recordMaxBytes: elsewhere('test/serve-record.test.ts'),
  recordFiles: elsewhere('test/serve-record.test.ts'),
  recordBlockTokens: elsewhere('test/serve-record.test.ts'),
  grpcIdleMs: elsewhere('test/e2e/idle-connection.test.ts'),
  grpcMaxConnections: elsewhere('test/serve.test.ts'),
  decisionTimeoutMs: elsewhere('test/e2e/deadline.test.ts'),
  warmupMs: elsewhere('test/composition/warmup.test.ts'),
  drainMs: elsewhere('test/main.test.ts'),

  drainBodiesMs: here('lets bodies come to their end, or cuts them', async () => {
    const patient = await drained({ WARMROUTE_DRAIN_BODIES_MS: LONG_MS });
    for (let i = 0; i < 100; i++) {
      patient.upload.send(requestBody('l'));
      assert.equal(toldReply(await patient.upload.reply()), 'request_body "l"');
    }
    patient.upload.send(requestBody('o', 'end'));
    assert.equal(toldReply(await patient.upload.reply()), 'request_body "o" end');
    await patient.upload.halfClose();
    await patient.stopped;

    const { upload, stopped } = await drained({ WARMROUTE_DRAIN_BODIES_MS: '0' });
    await stopped;
    assert.equal((await upload.status).code, Status.OK);
  }),

  tokenizerCacheBytes: here('keeps tokenizations, or none', async () => {
    await bench.startTokenizers(2);
    for (const [bytes, hits] of [
      ['1000000', 1],
      ['0', 0],
    ] as const) {
      const { envoy, server } = await start({ ...REMOTE, WARMROUTE_TOKENIZER_CACHE_BYTES: bytes });
      assert.equal((await again(envoy)).reason, 'prefix_match');
      const { text } = await adminPage(server, '/metrics');
      assert.lengthOf(text.match(/^warmroute_tokenize_calls_total\{kind="hit"\} 1$/gm) ?? [], hits);
    }
  }),

  tokenizerConnections: here('bounds the connections to one pod', async () => {
    const PROMPTS = 6;
    for (const most of [1, PROMPTS]) {
      const all = Promise.withResolvers<void>();
      const fakes = await bench.startTokenizers(2, async request => {
        await all.promise;
        return answerBytes(request);
      });
      const { envoy, server } = await start({
        ...REMOTE,
        WARMROUTE_TOKENIZER_CONNECTIONS_PER_POD: String(most),
      });
      const answers = Promise.all(Array.from({ length: PROMPTS }, (_, i) => routed(envoy, `${i} ${PROMPT}`)));
      // By then each is asked of both pods: whoever answers first ends the other call, and its connection.
      await eventually('every prompt waits for both pods', async () =>
        (await adminPage(server, '/metrics')).text.includes(
          `warmroute_tokenize_calls_total{kind="hedge"} ${PROMPTS}`,
        ),
      );
      const connections = fakes.map(fake => fake.connections);
      assert.isAtMost(Math.max(...connections), most);
      assert.isAtLeast(connections[0]! + connections[1]!, Math.min(2 * most, PROMPTS));
      all.resolve();
      await answers;
    }
  }),

  indexCapacityBytes: here('bounds the index', async () => {
    await writePods(2);
    const bytes = 2 ** 20;
    const { envoy, server } = await start({ WARMROUTE_INDEX_CAPACITY_BYTES: String(bytes) });
    for (let i = 0; i < 8; i++) await routed(envoy, `${i}${'x'.repeat(32_000)}`);
    assert.isAtMost(server.cache.index.bytes, bytes);
    assert.isAbove(server.cache.index.evicted, 0);
  }),

  expectedBlocksTtlMs: here('expects of a pod what was sent to it, or not', async () => {
    await bench.startTokenizers(2);
    for (const [ttl, reason] of [
      [LONG_MS, 'prefix_match'],
      ['0', 'no_match'],
    ] as const) {
      const { envoy } = await start({ ...WITH_EVENTS, WARMROUTE_EXPECTED_BLOCKS_TTL_MS: ttl });
      assert.equal((await again(envoy)).reason, reason);
    }
  }),

  kvEventsTopic: here('is what publishers hear', async () => {
    const publisher = await FakePublisher.bind();
    bench.atEnd(() => publisher.close());
    await writePods(1, { kvEvents: { port: publisher.port } });
    await start({ ...WITH_EVENTS, WARMROUTE_KV_EVENTS_TOPIC: 'kv@mine' });
    assert.equal(await publisher.joined(), 'kv@mine');
  }),

  kvEventsBind: here('is where engines may dial', async () => {
    await writePods(1, { kvEvents: { port: 1 } });
    const port = await freePort();
    const { server } = await start({ ...WITH_EVENTS, WARMROUTE_KV_EVENTS_BIND: `tcp://127.0.0.1:${port}` });
    const publisher = FakePublisher.dial(port);
    bench.atEnd(() => publisher.close());
    await publisher.joined();
    const stored = ['BlockStored', [7], null, [...tokensOf([7])], 2];
    await publisher.publish(batchOf(stored), { topic: `kv@pod-0@${MODEL}` });
    await eventually('the block is known', () => server.cache.index.size().blocks === 1);
    const { pods } = JSON.parse((await adminPage(server, '/debug/pods')).text);
    assert.deepInclude(pods[0], { pod: 'pod-0', ports: [] }, 'nobody dials it');
  }),

  healthIntervalMs: here('asks pods how they are again and again', async () => {
    const [fake] = await bench.startTokenizers(1);
    await start({ WARMROUTE_HEALTH_INTERVAL_MS: '50' });
    await eventually('it was asked often', () => fake!.polls.length >= 20);
  }),

  dnsRefreshMs: here('asks for host names again and again', async () => {
    await writePods(1, { address: 'localhost' });
    let asked = 0;
    const observer = new PerformanceObserver(list => {
      for (const entry of list.getEntries() as (PerformanceEntry & { readonly detail?: object })[])
        if ({ hostname: '', ...entry.detail }.hostname === 'localhost') asked++;
    });
    observer.observe({ entryTypes: ['dns'] });
    bench.atEnd(() => observer.disconnect());
    await start({ WARMROUTE_DNS_REFRESH_MS: '100' });
    await eventually('it was asked for often', () => asked >= 5);
  }),

  engineApiKeyFile: elsewhere('test/serve-engine-access.test.ts'),
  engineCaFile: elsewhere('test/serve-engine-access.test.ts'),
  tokenizer: elsewhere('test/serve-exact-tokens.test.ts'),
  tokenizerDir: elsewhere('test/serve-exact-tokens.test.ts'),
  tokenizerHub: elsewhere('test/serve-exact-tokens.test.ts'),
  tokenizerCheckPercent: elsewhere('test/serve-exact-tokens.test.ts'),
  tokenizerSegmentsBytes: elsewhere('test/serve-exact-tokens.test.ts'),
  hubEndpoint: elsewhere('test/serve-exact-tokens.test.ts'),
  hubToken: elsewhere('test/serve-exact-tokens.test.ts'),
  hubTokenPath: elsewhere('test/serve-exact-tokens.test.ts'),
  hubHome: elsewhere('test/serve-exact-tokens.test.ts'),
  hubCache: elsewhere('test/serve-exact-tokens.test.ts'),
  hubOffline: elsewhere('test/serve-exact-tokens.test.ts'),
  useRemoteTokenizer: elsewhere('test/serve.test.ts', 'REMOTE'),
  kvEventSync: elsewhere('test/serve.test.ts', 'WITH_EVENTS'),

  localTokenizer: here('makes tokens of bytes, or of words', async () => {
    await writePods(2);
    const matched = async (kind: string, environment: Environment = {}) => {
      const { envoy } = await start({ AIBRIX_PREFIX_CACHE_TOKENIZER_TYPE: kind, ...environment });
      return (await again(envoy)).matchedBlocks;
    };
    assert.equal(await matched('character'), Math.floor(PROMPT_BYTES / 4));
    const words = await matched('tiktoken');
    assert.isAbove(words, PROMPT.split(' ').length - 10);
    assert.isBelow(words, Math.floor(PROMPT_BYTES / 4));
    assert.equal(await matched('tiktoken', REMOTE), words, 'where no engine answers');
    // Four bytes for each token of a block.
    const inBlocks = { AIBRIX_PREFIX_CACHE_BLOCK_SIZE: '64' };
    assert.equal(await matched('tiktoken', inBlocks), Math.floor(words / 16));
  }),

  blockSizeBytes: here('is the size of the history’s blocks', async () => {
    await writePods(2);
    const { envoy } = await start({ AIBRIX_PREFIX_CACHE_BLOCK_SIZE: '64' });
    assert.equal((await again(envoy)).matchedBlocks, Math.floor(PROMPT_BYTES / 64));
  }),

  historyBlocks: here('bounds both histories', async () => {
    await writePods(2);
    const { envoy } = await start({ AIBRIX_PREFIX_CACHE_BLOCK_NUMBER: '100' });
    assert.equal((await again(envoy)).matchedBlocks, 100);

    const another = (to: FakeEnvoy) => routed(to, 'something else');
    assert.isTrue(await isRecognized({}, another));
    assert.isFalse(await isRecognized({ AIBRIX_PREFIX_CACHE_BLOCK_NUMBER: '1' }, another));
  }),

  historyMs: here('is how long both histories count', async () => {
    await writePods(2);
    for (const [minutes, reason] of [
      ['20', 'prefix_match'],
      ['1', 'no_match'],
    ] as const) {
      const environment = { AIBRIX_PREFIX_CACHE_EVICTION_DURATION_MINS: minutes };
      const { envoy } = await start(environment);
      await routed(envoy);
      await later(2, async () => assert.equal((await routed(envoy)).reason, reason));
    }
    for (const minutes of ['20', '1']) {
      await bench.startTokenizers(2, () => NOT_FOUND);
      const { envoy } = await start({
        ...{ ...WITH_EVENTS, AIBRIX_PREFIX_CACHE_EVICTION_DURATION_MINS: minutes },
      });
      await routed(envoy);
      await later(2, async () => {
        assert.equal((await routed(envoy)).reason, minutes === '20' ? 'history_match' : 'no_token_form');
      });
    }
  }),

  hashSeed: here('is what blocks are hashed with', async () => {
    await writePods(2);
    const chain = chainOf(Buffer.from(PROMPT), 4, { space: 'character', model: MODEL });
    for (const [environment, isKnown] of [
      [{ AIBRIX_PREFIX_CACHE_HASH_SEED: String(SEED) }, true],
      [{}, false],
    ] as const) {
      const { envoy, server } = await start(environment);
      await routed(envoy);
      assert.equal(server.cache.index.find(chain).layers().length > 0, isKnown);
    }
  }),

  imbalanceRequests: here('sets the load above the prefix', async () => {
    await writePods(2);
    for (const [requests, reason] of [
      ['1', 'no_match'],
      ['8', 'prefix_match'],
    ] as const) {
      const name = 'AIBRIX_PREFIX_CACHE_POD_RUNNING_REQUEST_IMBALANCE_ABS_COUNT';
      const { envoy } = await start({ [name]: requests });
      await routed(envoy);
      for (let i = 0; i < 2; i++) await inFlight(envoy);
      assert.equal((await routed(envoy)).reason, reason);
    }
  }),

  standardDeviationFactor: here('is how much more than others a pod may have for its prefix', async () => {
    await writePods(3);
    for (const [factor, reason] of [
      ['1', 'prefix_match_skipped'],
      ['2', 'prefix_match'],
    ] as const) {
      const { envoy } = await start({ AIBRIX_PREFIX_CACHE_STANDARD_DEVIATION_FACTOR: factor });
      await routed(envoy);
      await inFlight(envoy);
      assert.equal((await routed(envoy)).reason, reason);
    }
  }),

  tokenizerEndpointTemplate: elsewhere('test/serve.test.ts'),
  tokenizerTimeoutMs: elsewhere('test/serve-slow-tokenizers.test.ts'),

  strategy: here('is that of requests that name none', async () => {
    await writePods(2);
    const { envoy } = await start({ ROUTING_ALGORITHM: 'round-robin' });
    const targets = [await routed(envoy), await routed(envoy), await routed(envoy)];
    assert.isTrue(targets.every(({ reason }) => reason === 'round-robin'));
    assert.deepEqual(targets[0], targets[2]);
    assert.notEqual(targets[0]!.target, targets[1]!.target);
  }),

  grpcMaxMessageBytes: here('refuses larger messages, as far as bodies are no larger', async () => {
    await writePods(2);
    const sent = async (bytes: string) => {
      const { envoy } = await start({
        WARMROUTE_MAX_BODY_BYTES: '1024',
        AIBRIX_GRPC_MAX_MESSAGE_SIZE_BYTES: bytes,
      });
      const stream = envoy.open().send(requestHeaders({ headers: { ':path': '/v1/completions' } }));
      await stream.reply();
      return stream.send(requestBody(Buffer.alloc(2 ** 21, ' '), 'end'));
    };
    const { immediate_response } = await (await sent('4194304')).reply();
    assert.equal(String(immediate_response?.status?.code), 'PayloadTooLarge');
    assert.equal((await (await sent('1')).status).code, Status.RESOURCE_EXHAUSTED);
  }),

  otlpEndpoint: here('is where traces go', async () => {
    const { posts } = await traced('http/protobuf', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' });
    assert.isAbove(posts.length, 0);
    assert.isEmpty((await traced('http/protobuf', {})).posts);
  }),

  otlpProtocol: here('is how they are sent', async () => {
    for (const protocol of ['grpc', 'http/protobuf'] as const) {
      const { posts } = await traced(protocol, { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' });
      assert.include(posts[0]?.type, protocol === 'grpc' ? 'application/grpc' : 'application/x-protobuf');
    }
  }),

  serviceName: here('is in them', async () => {
    const { posts } = await traced('http/protobuf', {
      ...{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', OTEL_SERVICE_NAME: 'router-of-row-7' },
    });
    assert.include(posts[0]?.body.toString('latin1'), 'router-of-row-7');
  }),
};

describe('each setting has its effect', function () {
  // Engines, sockets and files are real.
  this.timeout(20_000);

  beforeEach(async () => {
    bench = await ServeBench.open();
  });
  afterEach(() => bench.stop());

  it('and a row here', () => {
    assert.sameMembers(Object.keys(SHOWN), Object.keys(SETTINGS));
  });

  it('and without events the first 8,192 blocks of a prompt are looked at', async () => {
    await bench.startTokenizers(2);
    const { envoy } = await start(REMOTE);
    assert.equal((await again(envoy, 'x'.repeat(10_000))).matchedBlocks, 8_192);
  });

  for (const [less, more] of [
    ['WARMROUTE_BODY_TIMEOUT_MS', 'WARMROUTE_DECISION_TIMEOUT_MS'],
    ['WARMROUTE_DECISION_TIMEOUT_MS', 'WARMROUTE_BODY_TIMEOUT_MS'],
  ] as const) {
    it(`${less} lets a STREAMED body go, where it is less than ${more}`, async () => {
      await writePods(2);
      const { envoy } = await start({ [more]: LONG_MS, [less]: '50' });
      const config = {
        ...({ request_body_mode: 'STREAMED', send_body_without_waiting_for_header_response: true } as const),
      };
      const stream = envoy.open().send(requestHeaders({ config }), requestBody('{'));
      assert.equal(toldReply(await stream.reply()), 'request_headers pick');
    });
  }

  for (const key of Object.keys(SETTINGS) as (keyof typeof SETTINGS)[]) {
    const shown = SHOWN[key];
    const [name] = SETTINGS[key].names;
    if (shown?.kind === 'here') {
      it(`${name} ${shown.what}`, shown.show);
    } else if (shown?.kind === 'elsewhere') {
      it(`${name}: ${shown.file}`, () => {
        // Those that start the whole server.
        assert.match(shown.file, /^test\/(e2e\/|serve|main|composition\/)[\w/-]*\.test\.ts$/);
        assert.isTrue(existsSync(shown.file));
        assert.include(readFileSync(shown.file, 'utf8'), shown.as ?? name);
      });
    }
  }
});
