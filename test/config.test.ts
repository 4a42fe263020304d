import { inspect } from 'node:util';
import { assert } from 'chai';
import { type Environment, loadConfig, namesWithoutEffect, readConfig, unknownNames } from '../src/config.ts';
import { DEFAULT_COSTS } from '../src/routing/policy.ts';
import { SETTINGS, type Setting } from '../src/settings/settings.ts';
import { aConfig, aStrategy } from './support/builders.ts';

function problemsOf(environment: Environment): readonly string[] {
  const loaded = readConfig(environment);
  return loaded.kind === 'invalid' ? loaded.problems : [];
}

const SWITCHES = {
  useRemoteTokenizer: ['AIBRIX_USE_REMOTE_TOKENIZER', 'AIBRIX_PREFIX_CACHE_USE_REMOTE_TOKENIZER'],
  kvEventSync: ['AIBRIX_KV_EVENT_SYNC_ENABLED', 'AIBRIX_PREFIX_CACHE_KV_EVENT_SYNC_ENABLED'],
} as const;
const [TOKENIZER, TOKENIZER_IN_AIBRIX] = SWITCHES.useRemoteTokenizer;
const [SYNC, SYNC_IN_AIBRIX] = SWITCHES.kvEventSync;

const ZONE_PROBLEM =
  'must be a value of a label: 1 to 63 letters, digits, "-", "_" or ".", letters or digits first and last';

describe('configuration', () => {
  it('is valid without any variable, with these defaults', () => {
    assert.deepEqual({ ...aConfig() } as object, {
      grpcAddress: '0.0.0.0:50052',
      tls: 'off',
      adminAddress: '0.0.0.0:8080',
      answerSamplePercent: 1,
      zonePenaltyMs: 10,
      ...DEFAULT_COSTS,
      routingMode: 'route',
      rolloutPercent: 100,
      controlPercent: 0,
      metricFamilies: ['aibrix', 'llm-d'],
      adminDebug: false,
      showPrompts: false,
      debugHeaders: false,
      targetHeaders: 'off',
      logLevel: 'info',
      allowedPaths: 'public',
      unsaidBodyMode: 'BUFFERED',
      unsetStrategy: 'route',
      fallbackEndpoints: 1,
      knownBodiesBytes: 128 * 1024 * 1024,
      priorityHeader: 'x-gateway-inference-priority',
      maxBodyBytes: 32 * 1024 * 1024,
      bodyTimeoutMs: 30_000,
      maxBufferedBytes: 256 * 1024 * 1024,
      rememberedResponses: 65_536,
      recordMaxBytes: 268_435_456,
      recordFiles: 4,
      recordBlockTokens: 512,
      grpcIdleMs: 3_900_000,
      grpcMaxConnections: 4096,
      decisionTimeoutMs: 800,
      warmupMs: 10_000,
      drainMs: 5000,
      drainBodiesMs: 20_000,
      tokenizerCacheBytes: 64 * 1024 * 1024,
      tokenizerConnections: 16,
      indexCapacityBytes: 536_870_912,
      expectedBlocksTtlMs: 5000,
      tokenizerHub: false,
      tokenizerCheckPercent: 1,
      tokenizerSegmentsBytes: 256 * 1024 * 1024,
      hubEndpoint: 'https://huggingface.co',
      hubHome: '~/.cache/huggingface',
      hubOffline: false,
      kvEventsTopic: '',
      dnsRefreshMs: 5000,
      healthIntervalMs: 2000,
      metricsIntervalMs: 1000,
      // AIBrix's own.
      useRemoteTokenizer: false,
      kubernetesSelector: 'model.aibrix.ai/name',
      modelsRefreshMs: 10000,
      kvEventSync: false,
      localTokenizer: 'character',
      blockSizeBytes: 4,
      historyBlocks: 200_000,
      historyMs: 20 * 60_000,
      imbalanceRequests: 8,
      standardDeviationFactor: 1,
      tokenizerTimeoutMs: 5000,
      grpcMaxMessageBytes: 4 * 1024 * 1024,
      // AIBrix leaves this one unset.
      strategy: aStrategy(),
      otlpProtocol: 'grpc',
      serviceName: 'warmroute',
      mode: { kind: 'local', tokenizer: 'character' },
      defaultStrategy: aStrategy(),
    });
  });

  describe('of TLS', () => {
    const FILES = { WARMROUTE_TLS_CERT_FILE: '/tls/tls.crt', WARMROUTE_TLS_KEY_FILE: '/tls/tls.key' };
    const CA = { WARMROUTE_TLS_CLIENT_CA_FILE: '/tls/ca.crt' };

    it('is complete, or refused', () => {
      for (const environment of [
        { WARMROUTE_TLS: 'files', ...FILES },
        { WARMROUTE_TLS: 'files', ...FILES, ...CA },
        { WARMROUTE_TLS: 'self-signed', ...CA },
      ])
        assert.deepEqual(problemsOf(environment), []);
      assert.deepEqual(problemsOf({ WARMROUTE_TLS: 'files' }), [
        'WARMROUTE_TLS is files: give WARMROUTE_TLS_CERT_FILE the path of a PEM file',
        'WARMROUTE_TLS is files: give WARMROUTE_TLS_KEY_FILE the path of a PEM file',
      ]);
    });

    it('is not left out where files are set for it', () => {
      const [cert, key, ca, ...more] = problemsOf({ ...FILES, ...CA });
      assert.isEmpty(more);
      assert.match(
        cert!,
        /^WARMROUTE_TLS_CERT_FILE is set, but WARMROUTE_TLS is off: set it to files, or unset/,
      );
      assert.match(key!, /^WARMROUTE_TLS_KEY_FILE is set, but/);
      assert.match(ca!, /^WARMROUTE_TLS_CLIENT_CA_FILE is set, .*: set it to self-signed or files, or unset/);
      const ofBoth = problemsOf({ WARMROUTE_TLS: 'self-signed', ...FILES, ...CA });
      assert.lengthOf(ofBoth, 2);
    });

    it('is self-signed by default where an inference gateway dials, and shown with that default', () => {
      const pool = { WARMROUTE_DISCOVERY: 'file,inference-pool', WARMROUTE_INFERENCE_POOL: 'llm/pool' };
      for (const [environment, value] of [
        [{}, 'off'],
        [{ WARMROUTE_DISCOVERY: 'kubernetes' }, 'off'],
        [pool, 'self-signed'],
      ] as const) {
        const loaded = readConfig(environment);
        assert(loaded.kind === 'valid');
        assert.equal(loaded.config.tls, value);
        assert.deepInclude(loaded.effective, { name: 'WARMROUTE_TLS', value, source: 'default' });
      }
      const off = readConfig({ ...pool, WARMROUTE_TLS: 'off' });
      assert(off.kind === 'valid');
      assert.equal(off.config.tls, 'off', 'what is set is not overruled');
    });
  });

  it('leaves requests without a strategy to Envoy only where none is configured', () => {
    const strategyOf = (ROUTING_ALGORITHM?: string) =>
      aConfig({ WARMROUTE_UNSET_STRATEGY: 'pass', ROUTING_ALGORITHM }).defaultStrategy;
    assert.deepEqual(
      [strategyOf(), strategyOf(''), strategyOf('prefix-cache')],
      ['pass', 'pass', aStrategy()],
    );
  });

  it('refuses AIBrix’s client key, which is not checked here, without repeating it', () => {
    const [problem, ...more] = problemsOf({ AIBRIX_AUTH_BEARER_TOKEN: 'hunter2' });
    assert.match(problem ?? '', /AIBRIX_AUTH_BEARER_TOKEN.*Envoy/);
    assert.notInclude(problem, 'hunter2');
    assert.isEmpty(more);
  });

  it('knows which variables of AIBrix change nothing here, and says why', () => {
    const environment = {
      REDIS_HOST: 'aibrix-redis-master',
      REDIS_PORT: 'tcp://10.0.0.1:6379',
      AIBRIX_PREFILL_REQUEST_TIMEOUT: '60',
      AIBRIX_STATESYNC_ENABLED: ' ',
      AIBRIX_SYNC_MAX_CONTEXTS: '1000',
      AIBRIX_GATEWAY_PLUGINS_SERVICE_HOST: '10.0.0.2',
      ROUTING_ALGORITHM: 'random',
      HOME: '/',
    };
    const found = namesWithoutEffect(environment);
    assert.deepEqual(
      found.map(({ name }) => name),
      ['REDIS_HOST', 'AIBRIX_PREFILL_REQUEST_TIMEOUT', 'AIBRIX_SYNC_MAX_CONTEXTS'],
    );
    for (const { why } of found) assert.isNotEmpty(why);
    assert.isEmpty(unknownNames(environment));
  });

  it('knows which names are nobody’s', () => {
    const environment = {
      ...{
        AIBRIX_PREFIX_CASHE_BLOCK_SIZE: '16',
        WARMROUTE_DRIAN_MS: '1',
        AIBRIX_REDIS_MASTER_PORT: 'tcp://10.0.0.1:6379',
      },
      ...{ AIBRIX_AUTH_BEARER_TOKEN: 'x', AIBRIX_PREFIX_CACHE_BLOCK_SIZE: '16', OTHER: '1' },
    };
    assert.deepEqual(unknownNames(environment), ['AIBRIX_PREFIX_CASHE_BLOCK_SIZE', 'WARMROUTE_DRIAN_MS']);
  });

  it('is shown without the passwords of URLs, be they right or wrong', () => {
    const name = 'OTEL_EXPORTER_OTLP_ENDPOINT';
    const loaded = readConfig({ [name]: 'http://user:hunter2@collector:4317' });
    const shown = loaded.kind === 'valid' && loaded.effective.find(setting => setting.name === name)?.value;
    assert.equal(shown, 'http://***@collector:4317');
    const [problem] = problemsOf({ [name]: 'ftp://user:hunter2@collector' });
    assert.include(problem, '***@collector');
    assert.notInclude(problem, 'hunter2');
  });

  it('is shown without the token of the model hub, be it right or wrong', () => {
    const loaded = readConfig({ HF_TOKEN: 'hf_hunter2' });
    assert(loaded.kind === 'valid');
    assert.deepInclude(loaded.effective, { name: 'HF_TOKEN', value: '***', source: 'environment' });
    assert.notInclude(JSON.stringify(loaded), 'hunter2');
    assert.notInclude(inspect(loaded, { depth: 9, showHidden: true }), 'hunter2');
    assert.notInclude(`${loaded.config.hubToken}`, 'hunter2');
    assert.equal(loaded.config.hubToken?.reveal(), 'hf_hunter2');
    const [problem] = problemsOf({ HF_TOKEN: 'hf_hunter2\nx-header: 1' });
    assert.equal(problem, 'HF_TOKEN=***: must be the token, and nothing else');
  });

  it('takes the switches of the model hub as its own clients do', () => {
    for (const on of ['1', 'ON', 'yes', 'True']) assert.isTrue(aConfig({ HF_HUB_OFFLINE: on }).hubOffline);
    for (const off of ['0', 'off', 'NO', 'false'])
      assert.isFalse(aConfig({ HF_HUB_OFFLINE: off }).hubOffline);
  });

  it('cannot be changed once it is read', () => {
    const config = aConfig() as { drainMs: number; mode: { kind: string } };
    assert.throws(() => {
      config.drainMs = 1;
    }, TypeError);
    assert.throws(() => {
      config.mode.kind = 'remote';
    }, TypeError);
  });

  it('of this process comes from its environment', () => {
    const before = process.env.WARMROUTE_DRAIN_MS;
    process.env.WARMROUTE_DRAIN_MS = '1234';
    try {
      const loaded = loadConfig();
      assert.equal(loaded.kind === 'valid' && loaded.config.drainMs, 1234);
    } finally {
      if (before === undefined) delete process.env.WARMROUTE_DRAIN_MS;
      else process.env.WARMROUTE_DRAIN_MS = before;
    }
  });

  it('takes an empty variable for an unset one, and spaces around a value for nothing', () => {
    const config = aConfig({
      WARMROUTE_DRAIN_MS: '',
      WARMROUTE_LOG_LEVEL: '  ',
      ROUTING_ALGORITHM: ' random ',
    });
    assert.equal(config.drainMs, 5000);
    assert.equal(config.logLevel, 'info');
    assert.deepEqual(config.strategy, aStrategy('random'));
  });

  it('says of every setting what is in force and where it comes from', () => {
    const loaded = readConfig({ ROUTING_ALGORITHM: 'random', [TOKENIZER_IN_AIBRIX]: '1' });
    assert(loaded.kind === 'valid');
    assert.lengthOf(loaded.effective, Object.keys(SETTINGS).length);
    assert.deepInclude(loaded.effective, {
      name: 'ROUTING_ALGORITHM',
      value: 'random',
      source: 'environment',
    });
    assert.deepInclude(loaded.effective, { name: TOKENIZER_IN_AIBRIX, value: '1', source: 'environment' });
    assert.deepInclude(loaded.effective, {
      name: 'WARMROUTE_LOG_LEVEL',
      value: 'info',
      source: 'default',
    });
    assert.deepInclude(loaded.effective, { name: 'WARMROUTE_PODS_FILE', value: '', source: 'unset' });
  });

  describe('modes', () => {
    const modes = [
      [{}, { kind: 'local', tokenizer: 'character' }],
      [{ AIBRIX_PREFIX_CACHE_TOKENIZER_TYPE: 'tiktoken' }, { kind: 'local', tokenizer: 'tiktoken' }],
      [{ AIBRIX_PREFIX_CACHE_TOKENIZER_TYPE: 'remote' }, { kind: 'local', tokenizer: 'character' }],
      [{ [TOKENIZER]: 'true' }, { kind: 'remote', fallback: 'character' }],
      [
        { [TOKENIZER]: 'true', AIBRIX_PREFIX_CACHE_TOKENIZER_TYPE: 'tiktoken' },
        { kind: 'remote', fallback: 'tiktoken' },
      ],
      [{ [TOKENIZER]: 'true', [SYNC]: 'true' }, { kind: 'remote_with_events' }],
      [{ [TOKENIZER_IN_AIBRIX]: 'true', [SYNC_IN_AIBRIX]: 'true' }, { kind: 'remote_with_events' }],
      [{ [TOKENIZER]: 'true', [SYNC_IN_AIBRIX]: 'true' }, { kind: 'remote_with_events' }],
    ] as const;
    for (const [environment, mode] of modes) {
      it(`${JSON.stringify(environment)} is ${JSON.stringify(mode)}`, () => {
        assert.deepEqual(aConfig(environment).mode as object, mode);
      });
    }

    const FILES = { WARMROUTE_TOKENIZER_DIR: '/models' };
    for (const [environment, mode] of [
      [{ [SYNC]: 'true', WARMROUTE_TOKENIZER: 'local', ...FILES }, { kind: 'local_with_events' }],
      [{ [SYNC]: 'true', WARMROUTE_TOKENIZER: 'auto', ...FILES }, { kind: 'local_with_events' }],
      [
        { [SYNC]: 'true', [TOKENIZER]: 'true', WARMROUTE_TOKENIZER: 'local', ...FILES },
        { kind: 'local_with_events' },
      ],
      [{ [SYNC]: 'true', [TOKENIZER]: 'true', WARMROUTE_TOKENIZER: 'auto' }, { kind: 'remote_with_events' }],
      [
        { [SYNC]: 'true', [TOKENIZER]: 'true', WARMROUTE_TOKENIZER: 'engine' },
        { kind: 'remote_with_events' },
      ],
      [
        { [TOKENIZER]: 'true', WARMROUTE_TOKENIZER: 'local', WARMROUTE_TOKENIZER_HUB: 'true' },
        { kind: 'local', tokenizer: 'character' },
      ],
      [
        { [TOKENIZER]: 'true', ...FILES },
        { kind: 'remote', fallback: 'character' },
      ],
    ] as const) {
      it(`${JSON.stringify(environment)} is ${JSON.stringify(mode)}`, () => {
        const config = aConfig(environment);
        assert.deepEqual(config.mode as object, mode);
        assert.equal(config.strategy.text, mode.kind.endsWith('events') ? 'prefix-cost' : 'prefix-cache');
      });
    }

    it('without a place for tokenizer files no mode goes by them alone', () => {
      for (const environment of [
        { WARMROUTE_TOKENIZER: 'local' },
        { WARMROUTE_TOKENIZER: 'local', [TOKENIZER]: 'true' },
        { WARMROUTE_TOKENIZER: 'auto' },
        { WARMROUTE_TOKENIZER: 'auto', [SYNC]: 'true' },
      ]) {
        const [problem, ...others] = problemsOf(environment);
        assert.isEmpty(others);
        assert.match(
          problem!,
          /no place for tokenizer files: set WARMROUTE_TOKENIZER_DIR, or WARMROUTE_TOKENIZER_HUB/,
        );
        // The pods file may name one; nobody knows before it is read.
        assert.isEmpty(problemsOf({ ...environment, WARMROUTE_PODS_FILE: '/pods.yaml' }));
      }
      assert.isEmpty(problemsOf({ WARMROUTE_TOKENIZER: 'auto', [TOKENIZER]: 'true' }));
      assert.isEmpty(problemsOf({ WARMROUTE_TOKENIZER: 'engine' }));
    });

    it('a place for tokenizer files alone is not yet a wish to do without the engines’ tokenizer', () => {
      const [problem] = problemsOf({ [SYNC]: 'true', ...FILES });
      assert.match(problem!, /WARMROUTE_TOKENIZER to auto or local/);
      assert.lengthOf(problemsOf({ [SYNC]: 'true', ...FILES, WARMROUTE_TOKENIZER: 'engine' }), 1);
    });

    for (const sync of SWITCHES.kvEventSync) {
      it(`${sync} without the remote tokenizer is refused, naming both settings`, () => {
        const [problem, ...others] = problemsOf({ [sync]: 'true' });
        assert.isEmpty(others);
        for (const name of [TOKENIZER, TOKENIZER_IN_AIBRIX, SYNC, SYNC_IN_AIBRIX])
          assert.include(problem, name);
      });
    }
  });

  describe('switches with two spellings', () => {
    for (const [key, [ours, theirs]] of Object.entries(SWITCHES)) {
      // The tokenizer is on, so that the only question is the one asked.
      const base = key === 'kvEventSync' ? { [TOKENIZER]: 'true' } : {};
      const read = (environment: Environment) =>
        aConfig({ ...base, ...environment })[key as keyof typeof SWITCHES];

      it(`${ours} and ${theirs} do the same`, () => {
        assert.isTrue(read({ [ours]: 'true' }));
        assert.isTrue(read({ [theirs]: 'true' }));
        assert.isFalse(read({ [ours]: '', [theirs]: 'false' }));
      });

      it(`${ours} and ${theirs} may both be set if they agree, in whatever words`, () => {
        assert.isTrue(read({ [ours]: '1', [theirs]: 'True' }));
      });

      it(`${ours} and ${theirs} may not contradict each other`, () => {
        assert.deepEqual(problemsOf({ ...base, [ours]: 'true', [theirs]: 'false' }), [
          `${ours} and ${theirs} contradict each other: set one of them`,
        ]);
      });

      it(`a mistake in either spelling of ${ours} is reported`, () => {
        assert.deepEqual(problemsOf({ ...base, [ours]: 'true', [theirs]: 'on' }), [
          `${theirs}=on: must be true or false`,
        ]);
      });
    }

    for (const [text, value] of Object.entries({
      ...{ '1': true, t: true, T: true, true: true, TRUE: true, True: true },
      ...{ '0': false, f: false, F: false, false: false, FALSE: false, False: false },
    })) {
      it(`read ${text} as ${value}, as Go's ParseBool does`, () => {
        assert.equal(aConfig({ WARMROUTE_DEBUG_HEADERS: text }).debugHeaders, value);
        assert.equal(aConfig({ WARMROUTE_ADMIN_DEBUG: text }).adminDebug, value);
      });
    }
  });

  describe('values', () => {
    const good: [string, string, keyof typeof SETTINGS, unknown][] = [
      ['AIBRIX_TOKENIZER_REQUEST_TIMEOUT', '7', 'tokenizerTimeoutMs', 7000],
      ['AIBRIX_TOKENIZER_REQUEST_TIMEOUT', '7s', 'tokenizerTimeoutMs', 7000],
      ['AIBRIX_TOKENIZER_REQUEST_TIMEOUT', '500ms', 'tokenizerTimeoutMs', 500],
      ['AIBRIX_TOKENIZER_REQUEST_TIMEOUT', '1.5s', 'tokenizerTimeoutMs', 1500],
      ['AIBRIX_TOKENIZER_REQUEST_TIMEOUT', '1m', 'tokenizerTimeoutMs', 60_000],
      ['AIBRIX_TOKENIZER_REQUEST_TIMEOUT', '1m30s', 'tokenizerTimeoutMs', 90_000],
      ['AIBRIX_TOKENIZER_REQUEST_TIMEOUT', '1500µs', 'tokenizerTimeoutMs', 2],
      ['AIBRIX_PREFIX_CACHE_EVICTION_DURATION_MINS', '7', 'historyMs', 420_000],
      ['AIBRIX_PREFIX_CACHE_EVICTION_DURATION_MINS', '90s', 'historyMs', 90_000],
      ['WARMROUTE_GRPC_ADDRESS', '[::]:50052', 'grpcAddress', '[::]:50052'],
      ['WARMROUTE_ADMIN_ADDRESS', '[fe80::1]:0', 'adminAddress', '[fe80::1]:0'],
      ['WARMROUTE_ADMIN_ADDRESS', 'localhost:65535', 'adminAddress', 'localhost:65535'],
      ['AIBRIX_PREFIX_CACHE_HASH_SEED', '4294967295', 'hashSeed', 0xffffffff],
      ['AIBRIX_PREFIX_CACHE_HASH_SEED', '18446744073709551615', 'hashSeed', 0xffffffff],
      ['WARMROUTE_DRAIN_MS', '0', 'drainMs', 0],
      ['WARMROUTE_DRAIN_MS', '2147483647', 'drainMs', 2 ** 31 - 1],
      [
        'AIBRIX_VLLM_TOKENIZER_ENDPOINT_TEMPLATE',
        'http://%s:8000',
        'tokenizerEndpointTemplate',
        'http://%s:8000',
      ],
      ['OTEL_EXPORTER_OTLP_ENDPOINT', 'http://[::1]:4317', 'otlpEndpoint', 'http://[::1]:4317'],
      ['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'http/protobuf', 'otlpProtocol', 'http/protobuf'],
      ['OTEL_SERVICE_NAME', 'router', 'serviceName', 'router'],
      ['WARMROUTE_KV_EVENTS_TOPIC', 'kv@', 'kvEventsTopic', 'kv@'],
      ['WARMROUTE_PODS_FILE', '/etc/warmroute/pods.yaml', 'podsFile', '/etc/warmroute/pods.yaml'],
      ['WARMROUTE_ENGINE_API_KEY_FILE', '/run/secrets/key', 'engineApiKeyFile', '/run/secrets/key'],
      ['WARMROUTE_ENGINE_CA_FILE', '/etc/ca.pem', 'engineCaFile', '/etc/ca.pem'],
      ['WARMROUTE_ROLLOUT_PERCENT', '0.5', 'rolloutPercent', 0.5],
      ['WARMROUTE_MODE', 'shadow', 'routingMode', 'shadow'],
      ['WARMROUTE_PRIORITY_HEADER', 'X-Priority', 'priorityHeader', 'x-priority'],
    ];
    it('are lists and names of Kubernetes', () => {
      const config = aConfig({
        WARMROUTE_DISCOVERY: 'kubernetes, file,kubernetes',
        WARMROUTE_KUBERNETES_NAMESPACES: 'blue, green',
        WARMROUTE_INFERENCE_POOL: 'llm/pool.v1',
      });
      assert.deepEqual(config.discovery, ['kubernetes', 'file']);
      assert.deepEqual(config.kubernetesNamespaces, ['blue', 'green']);
      assert.deepEqual(config.inferencePool, { namespace: 'llm', name: 'pool.v1' });
      assert.deepEqual(aConfig({ WARMROUTE_INFERENCE_POOL: 'p' }).inferencePool, {
        namespace: undefined,
        name: 'p',
      });
      assert.deepEqual(aConfig({ WARMROUTE_KUBERNETES_NAMESPACES: '*' }).kubernetesNamespaces, ['*']);
    });

    for (const [name, text, key, value] of good) {
      it(`${name}=${text} is good`, () => assert.equal(aConfig({ [name]: text })[key], value));
    }

    it('of OpenTelemetry’s two spellings the one for traces wins', () => {
      const { otlpEndpoint } = aConfig({
        OTEL_EXPORTER_OTLP_ENDPOINT: 'http://all:4317',
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://traces:4317',
      });
      assert.equal(otlpEndpoint, 'http://traces:4317');
    });

    const flag = 'must be true or false';
    const whole = 'must be a whole number';
    const timer = 'must be from 1 to 2147483647';
    const host = 'must be host:port, an IPv6 host in brackets';
    const url = 'must be an http or https URL';
    const bad: [string, string, string][] = [
      ['WARMROUTE_DISCOVERY', 'file,dns', 'must be of file, kubernetes, inference-pool; several with commas'],
      ['WARMROUTE_DISCOVERY', ',', 'must be of file, kubernetes, inference-pool; several with commas'],
      ['WARMROUTE_KUBERNETES_NAMESPACES', 'a,*', 'must be names of namespaces, several with commas, or *'],
      [
        'WARMROUTE_KUBERNETES_NAMESPACES',
        '../pods',
        'must be names of namespaces, several with commas, or *',
      ],
      ['WARMROUTE_INFERENCE_POOL', 'a/b/c', 'must be namespace/name, or name'],
      ['WARMROUTE_INFERENCE_POOL', 'A', 'must be namespace/name, or name'],
      ['WARMROUTE_MODELS_REFRESH_MS', '99', 'must be from 100 to 2147483647'],
      ['WARMROUTE_GRPC_ADDRESS', '50052', host],
      ['WARMROUTE_GRPC_ADDRESS', ':50052', host],
      ['WARMROUTE_GRPC_ADDRESS', '::1:50052', host],
      ['WARMROUTE_GRPC_ADDRESS', '[pod]:1', 'the host in brackets must be an IPv6 address'],
      ['WARMROUTE_HEALTH_ADDRESS', '9003', host],
      ['WARMROUTE_TLS', 'on', 'must be one of off, self-signed, files'],
      ['WARMROUTE_ADMIN_ADDRESS', '0.0.0.0:65536', 'port must be at most 65535'],
      ['WARMROUTE_ADMIN_ADDRESS', '0.0.0.0:', host],
      ['WARMROUTE_SHOW_PROMPTS', 'yes', flag],
      ['WARMROUTE_DEBUG_HEADERS', 'yes', flag],
      ['WARMROUTE_ADMIN_DEBUG', 'yes', flag],
      ['WARMROUTE_TARGET_HEADERS', 'on', 'must be one of off, warmroute, aibrix'],
      ['WARMROUTE_LOG_LEVEL', 'trace', 'must be one of debug, info, warn, error'],
      ['WARMROUTE_ALLOWED_PATHS', 'all', 'must be one of public, engine_internal'],
      ['WARMROUTE_UNSAID_BODY_MODE', 'STREAMED', 'must be one of BUFFERED, FULL_DUPLEX_STREAMED'],
      ['WARMROUTE_UNSET_STRATEGY', 'random', 'must be one of route, pass'],
      ['WARMROUTE_FALLBACK_ENDPOINTS', '9', 'must be from 1 to 8'],
      ['WARMROUTE_SHED_QUEUE', '0', 'must be from 1 to 1000000'],
      ['WARMROUTE_PRIORITY_HEADER', 'x priority', 'must be the name of a header'],
      ['WARMROUTE_MAX_BODY_BYTES', '1023', 'must be from 1024 to 1073741824'],
      ['WARMROUTE_BODY_TIMEOUT_MS', '0', 'must be from 1 to 2147483647'],
      ['WARMROUTE_MAX_BUFFERED_BYTES', '1023', 'must be from 1024 to 1099511627776'],
      ['WARMROUTE_REMEMBERED_RESPONSES', '-1', whole],
      ['WARMROUTE_RECOMPUTE_PRICE', '-1', 'must be a number, as 5 or 0.5'],
      ['WARMROUTE_SATURATION_PRICE', '101', 'must be from 0 to 100'],
      ['WARMROUTE_DECODE_COST_TOKENS', '1.5', whole],
      ['WARMROUTE_CPU_LOAD_PERCENT', '101', 'must be from 0 to 100'],
      ['WARMROUTE_STORAGE_LOAD_PERCENT', '101', 'must be from 0 to 100'],
      ['WARMROUTE_ADAPTER_LOAD_MS', '1s', whole],
      ['WARMROUTE_MODE', 'observe', 'must be one of route, shadow'],
      ['WARMROUTE_ROLLOUT_PERCENT', '100.1', 'must be from 0 to 100'],
      ['WARMROUTE_ROLLOUT_PERCENT', '-1', 'must be a number, as 5 or 0.5'],
      [
        'WARMROUTE_SHADOW_POLICY',
        'fastest',
        'fastest is none of prefix-cost, prefix-cache, least-request, random, round-robin, power-of-two, session-affinity, least-kv-cache, least-gpu-cache, least-latency, throughput, least-busy-time, least-utilization',
      ],
      ['WARMROUTE_CONTROL_PERCENT', '50.1', 'must be from 0 to 50'],
      ['WARMROUTE_CONTROL_PERCENT', '5%', 'must be a number, as 5 or 0.5'],
      ['WARMROUTE_ANSWER_SAMPLE_PERCENT', '101', 'must be from 0 to 100'],
      ['WARMROUTE_RECORD_MAX_BYTES', '65535', 'must be from 65536 to 1099511627776'],
      ['WARMROUTE_RECORD_FILES', '0', 'must be from 1 to 1000'],
      ['WARMROUTE_RECORD_BLOCK_TOKENS', '0', 'must be from 1 to 65536'],
      ['WARMROUTE_ZONE', 'eu 1a', ZONE_PROBLEM],
      ['WARMROUTE_ZONE', 'z'.repeat(64), ZONE_PROBLEM],
      ['WARMROUTE_ZONE_PENALTY_MS', '60001', 'must be from 0 to 60000'],
      ['WARMROUTE_GRPC_IDLE_MS', '99', 'must be from 100 to 2147483647'],
      ['WARMROUTE_GRPC_MAX_CONNECTIONS', '0', 'must be from 1 to 1000000'],
      ['WARMROUTE_DECISION_TIMEOUT_MS', '0', timer],
      ['WARMROUTE_DECISION_TIMEOUT_MS', '2147483648', timer],
      ['WARMROUTE_WARMUP_MS', '10s', whole],
      ['WARMROUTE_DRAIN_MS', '5s', whole],
      ['WARMROUTE_DRAIN_BODIES_MS', '20s', whole],
      ['WARMROUTE_KV_EVENTS_BIND', '*:5557', 'must be tcp://host:port, several with commas'],
      ['WARMROUTE_TOKENIZER_CACHE_BYTES', '-1', whole],
      ['WARMROUTE_TOKENIZER_CONNECTIONS_PER_POD', '0', 'must be from 1 to 1000000'],
      ['WARMROUTE_INDEX_CAPACITY_BYTES', '1000', 'must be from 1048576 to 4294967296'],
      ['WARMROUTE_EXPECTED_BLOCKS_TTL_MS', '1.5', whole],
      ['WARMROUTE_HEALTH_INTERVAL_MS', '-1', 'must be a whole number'],
      ['WARMROUTE_METRICS_INTERVAL_MS', '1s', whole],
      ['WARMROUTE_METRIC_FAMILIES', 'aibrix,none', 'must be of aibrix, llm-d, several with commas, or none'],
      ['WARMROUTE_DNS_REFRESH_MS', '99', 'must be from 100 to 2147483647'],
      [TOKENIZER, 'on', flag],
      [TOKENIZER_IN_AIBRIX, '2', flag],
      [SYNC, 'enabled', flag],
      [SYNC_IN_AIBRIX, 'no', flag],
      ['AIBRIX_PREFIX_CACHE_TOKENIZER_TYPE', 'bpe', 'must be one of character, tiktoken, remote'],
      ['AIBRIX_PREFIX_CACHE_BLOCK_SIZE', '0', 'must be from 1 to 1000000'],
      ['AIBRIX_PREFIX_CACHE_BLOCK_NUMBER', '1e5', whole],
      ['AIBRIX_PREFIX_CACHE_HASH_SEED', '0x1', whole],
      ['AIBRIX_PREFIX_CACHE_HASH_SEED', '18446744073709551616', 'must be below 2^64'],
      ['AIBRIX_PREFIX_CACHE_POD_RUNNING_REQUEST_IMBALANCE_ABS_COUNT', 'eight', whole],
      ['AIBRIX_PREFIX_CACHE_STANDARD_DEVIATION_FACTOR', '1.5', whole],
      [
        'AIBRIX_VLLM_TOKENIZER_ENDPOINT_TEMPLATE',
        'http://engine:8000',
        `${url} with %s for the IP address of the pod`,
      ],
      [
        'AIBRIX_VLLM_TOKENIZER_ENDPOINT_TEMPLATE',
        'http://%s:port',
        `${url} with %s for the IP address of the pod`,
      ],
      ['AIBRIX_TOKENIZER_REQUEST_TIMEOUT', '5 s', 'must be a time, as 5, 5s or 500ms'],
      ['AIBRIX_TOKENIZER_REQUEST_TIMEOUT', '-5s', 'must be a time, as 5, 5s or 500ms'],
      ['AIBRIX_TOKENIZER_REQUEST_TIMEOUT', '5d', 'must be a time, as 5, 5s or 500ms'],
      ['AIBRIX_TOKENIZER_REQUEST_TIMEOUT', 's', 'must be a time, as 5, 5s or 500ms'],
      ['AIBRIX_PREFIX_CACHE_EVICTION_DURATION_MINS', '1000001', 'must be from 1ms to 1000000m'],
      ['AIBRIX_TOKENIZER_REQUEST_TIMEOUT', '0', 'must be from 1ms to 2147483s'],
      ['AIBRIX_TOKENIZER_REQUEST_TIMEOUT', '2147484s', 'must be from 1ms to 2147483s'],
      [
        'ROUTING_ALGORITHM',
        'slo',
        'slo is not taken over from AIBrix: requests are not queued here by service level; use least-latency, or prefix-cache',
      ],
      ['AIBRIX_GRPC_MAX_MESSAGE_SIZE_BYTES', '4Mi', whole],
      ['OTEL_EXPORTER_OTLP_ENDPOINT', 'collector:4317', url],
      ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'http://', url],
      ['OTEL_EXPORTER_OTLP_PROTOCOL', 'http/json', 'must be one of grpc, http/protobuf'],
      [
        'WARMROUTE_ADMIN_HOSTS',
        'a.example:80',
        'must be host names without a port, several with commas, or *',
      ],
      ['WARMROUTE_TOKENIZER', 'remote', 'must be one of engine, local, auto'],
      ['WARMROUTE_TOKENIZER_HUB', 'on', 'must be true or false'],
      ['WARMROUTE_TOKENIZER_CHECK_PERCENT', '101', 'must be from 0 to 100'],
      ['WARMROUTE_TOKENIZER_SEGMENTS_BYTES', '1Mi', whole],
      ['WARMROUTE_KNOWN_BODIES_BYTES', '1Mi', whole],
      ['HF_ENDPOINT', 'huggingface.co', url],
      ['HF_HUB_OFFLINE', 'maybe', 'must be 1 or 0'],
      ['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'udp', 'must be one of grpc, http/protobuf'],
    ];
    for (const [name, text, reason] of bad) {
      it(`${name}=${text} is refused`, () => {
        assert.deepEqual(problemsOf({ [name]: text }), [`${name}=${text}: ${reason}`]);
      });
    }

    it('that can be wrong are all in the table above', () => {
      const files = ['WARMROUTE_PODS_FILE', 'WARMROUTE_ENGINE_API_KEY_FILE', 'WARMROUTE_ENGINE_CA_FILE'];
      const texts = [
        'WARMROUTE_RECORD_FILE',
        'WARMROUTE_KV_EVENTS_TOPIC',
        'WARMROUTE_KUBERNETES_SELECTOR',
        'OTEL_SERVICE_NAME',
      ];
      const tls = ['WARMROUTE_TLS_CERT_FILE', 'WARMROUTE_TLS_KEY_FILE', 'WARMROUTE_TLS_CLIENT_CA_FILE'];
      const tokenizers = ['WARMROUTE_TOKENIZER_DIR', 'HF_TOKEN_PATH', 'HF_HOME', 'HF_HUB_CACHE'];
      // Of HF_TOKEN above: it is not shown.
      const free = [...files, ...tls, ...texts, ...tokenizers, 'HF_TOKEN'];
      const names = Object.values<Setting<unknown>>(SETTINGS).flatMap(setting => setting.names);
      assert.sameMembers([...new Set([...bad.map(([name]) => name), ...free])], names);
    });

    it('that are wrong are all reported at once', () => {
      const last = new Map(bad.map(([name, text, reason]) => [name, { text, reason }]));
      const problems = problemsOf(Object.fromEntries(Array.from(last, ([name, { text }]) => [name, text])));
      // Of OpenTelemetry's two spellings only the one in force is looked at.
      const ignored = ['OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_EXPORTER_OTLP_PROTOCOL'];
      assert.sameMembers(
        [...problems],
        Array.from(last)
          .filter(([name]) => !ignored.includes(name))
          .map(([name, { text, reason }]) => `${name}=${text}: ${reason}`),
      );
    });
  });
});
