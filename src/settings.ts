/**
 * Every setting there is: name, default, unit, check and what it is for. `docs/configuration.md` is generated from this
 * table. Names that start with AIBRIX_, and ROUTING_ALGORITHM, are AIBrix's own and mean what they mean there.
 */
import { isIPv6 } from 'node:net';
import { z } from 'zod';
import { STRATEGIES } from './domain.ts';

export interface Setting<T, Fallback extends string | undefined = string | undefined> {
  /** The first is the name we print; the others are accepted spellings. */
  readonly names: readonly [string, ...string[]];
  /** As one would write it; undefined when the setting has no default. */
  readonly fallback: Fallback;
  readonly unit: string;
  readonly read: z.ZodType<T, string>;
  readonly purpose: string;
  readonly group: 'Warmroute' | 'AIBrix' | 'OpenTelemetry';
}

const wholeNumber = (least: number, most: number) =>
  z
    .string()
    .regex(/^\d+$/, { error: 'must be a whole number', abort: true })
    .transform(Number)
    .refine(value => value >= least && value <= most, { error: `must be from ${least} to ${most}` });

/** Timers of Node fire at once when they are set to more. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** A Set of JavaScript holds 2^24 entries. */
const MAX_ENTRIES = 16_000_000;
/** Below it, one long prompt is all that there is room for. */
const MIN_INDEX_BYTES = 2 ** 20;
/** What a block's place in the index can be numbered by ends before. */
const MAX_INDEX_BYTES = 2 ** 32;
/** Of one message: more would not fit into a Buffer twice. */
const MAX_MESSAGE_BYTES = 2 ** 30;
const MAX_COUNT = 1_000_000;
/** More than any machine has. */
const MAX_BUFFERED_BYTES = 2 ** 40;

/** The spellings of Go's strconv.ParseBool, which AIBrix uses. */
const flag = z
  .string()
  .transform(text => text.toLowerCase())
  .refine(text => ['1', 't', 'true', '0', 'f', 'false'].includes(text), { error: 'must be true or false' })
  .transform(text => ['1', 't', 'true'].includes(text));

/** Whole seconds, with or without an `s`: AIBrix documents the second form and reads the first. In milliseconds. */
const seconds = z
  .string()
  .regex(/^\d+s?$/, { error: 'must be whole seconds, as 5 or 5s', abort: true })
  .transform(text => 1000 * Number.parseInt(text, 10))
  .refine(ms => ms > 0 && ms <= MAX_TIMER_MS, { error: 'must be from 1 to 2147483' });

/** AIBrix's seeds have 64 bits; ours are the lower 32 of them. */
const seed = z
  .string()
  .regex(/^\d+$/, { error: 'must be a whole number', abort: true })
  .transform(BigInt)
  .refine(value => value < 2n ** 64n, { error: 'must be below 2^64' })
  .transform(value => Number(value & 0xffffffffn));

const url = z.string().refine(text => /^https?:\/\//.test(text) && URL.canParse(text), {
  error: 'must be an http or https URL',
});

const urlTemplate = z
  .string()
  .refine(text => /^https?:\/\/.*%s/.test(text) && URL.canParse(text.replace('%s', '127.0.0.1')), {
    error: 'must be an http or https URL with %s for the IP address of the pod',
  });

/** `host:port`; port 0 lets the system choose. */
const address = z
  .string()
  .regex(/^(\[[^\]]*\]|[^:\s[\]]+):\d{1,5}$/, {
    error: 'must be host:port, an IPv6 host in brackets',
    abort: true,
  })
  .refine(text => !text.startsWith('[') || isIPv6(text.slice(1, text.indexOf(']'))), {
    error: 'the host in brackets must be an IPv6 address',
  })
  .refine(text => Number(text.slice(text.lastIndexOf(':') + 1)) <= 65535, {
    error: 'port must be at most 65535',
  });

const anyText = z.string();
const choice = <const T extends readonly [string, ...string[]]>(values: T) =>
  z.string().pipe(z.enum(values, { error: `must be one of ${values.join(', ')}` })) as z.ZodType<
    T[number],
    string
  >;

function setting<T, Fallback extends string | undefined>(
  group: Setting<T>['group'],
  names: Setting<T>['names'],
  fallback: Fallback,
  unit: string,
  read: z.ZodType<T, string>,
  purpose: string,
): Setting<T, Fallback> {
  return { names, fallback, unit, read, purpose, group };
}

export const SETTINGS = {
  podsFile: setting(
    'Warmroute',
    ['WARMROUTE_PODS_FILE'],
    undefined,
    'path',
    anyText,
    'The pods, YAML or JSON; read again when it changes. Required by `warmroute serve`.',
  ),
  grpcAddress: setting(
    'Warmroute',
    ['WARMROUTE_GRPC_ADDRESS'],
    '0.0.0.0:50052',
    'host:port',
    address,
    'Where Envoy reaches the external processor. Port 0: any free one; the ready log line names it.',
  ),
  adminAddress: setting(
    'Warmroute',
    ['WARMROUTE_ADMIN_ADDRESS'],
    '0.0.0.0:8080',
    'host:port',
    address,
    'HTTP for operators: `/metrics`, `/healthz` and `/readyz` for all that reach it; `/v1/models`, `/debug/publishers` and `/debug/pods` for clients on the same host (`WARMROUTE_ADMIN_DEBUG`).',
  ),
  adminDebug: setting(
    'Warmroute',
    ['WARMROUTE_ADMIN_DEBUG'],
    'false',
    'true or false',
    flag,
    'Serves all pages of the admin port, `/v1/models` among them, to all that reach it. Off: they are for clients on the same host, whose `Host` header must be local too. A proxy on the same host, or a sidecar of the same pod, is such a client, whoever asks through it.',
  ),
  debugHeaders: setting(
    'Warmroute',
    ['WARMROUTE_DEBUG_HEADERS'],
    'false',
    'true or false',
    flag,
    'Lets a request with `x-warmroute-debug: 1` get `x-warmroute-pod`, `-matched-blocks`, `-total-blocks` and `-reason` in the response, and puts the pod and the blocks into Envoy’s dynamic metadata (namespace `warmroute`), for access logs. Off: matched blocks tell one tenant what another has asked.',
  ),
  targetHeaders: setting(
    'Warmroute',
    ['WARMROUTE_TARGET_HEADERS'],
    'off',
    'headers',
    choice(['off', 'warmroute', 'aibrix']),
    'By which response headers clients learn the pod. `warmroute`: `x-target-pod`, the address of the pod that served, set by Envoy (`envoy/`). `aibrix`: `target-pod` (name) and `target-pod-ip`, the pick, where Envoy shows the response headers to the router. Off: addresses of pods are nobody else’s business.',
  ),
  logLevel: setting(
    'Warmroute',
    ['WARMROUTE_LOG_LEVEL'],
    'info',
    'level',
    choice(['debug', 'info', 'warn', 'error']),
    'Least severe log level that is written.',
  ),
  allowedPaths: setting(
    'Warmroute',
    ['WARMROUTE_ALLOWED_PATHS'],
    'public',
    'paths',
    choice(['public', 'engine_internal']),
    'Which paths clients may ask for. `public`: `/v1/load_lora_adapter`, `/v1/unload_lora_adapter` and the render endpoints are answered 403. `engine_internal`: these as well; adapters are loaded on the one pod that Envoy chooses. docs/paths.md has the table.',
  ),
  unsaidBodyMode: setting(
    'Warmroute',
    ['WARMROUTE_UNSAID_BODY_MODE'],
    'BUFFERED',
    'mode',
    choice(['BUFFERED', 'FULL_DUPLEX_STREAMED']),
    'How proxies send bodies that do not say so (no `protocol_config`): Envoy before 1.34, and others. `FULL_DUPLEX_STREAMED` for inference gateways among them: it is what the endpoint picker protocol asks for, and cannot be told from `BUFFERED` before the headers must be answered.',
  ),
  maxBodyBytes: setting(
    'Warmroute',
    ['WARMROUTE_MAX_BODY_BYTES'],
    '33554432',
    'bytes',
    wholeNumber(1024, MAX_MESSAGE_BYTES),
    'Larger request bodies, also after decoding, are answered 413. Keep it equal to the buffer limit of Envoy (`per_connection_buffer_limit_bytes`).',
  ),
  bodyTimeoutMs: setting(
    'Warmroute',
    ['WARMROUTE_BODY_TIMEOUT_MS'],
    '30000',
    'ms',
    wholeNumber(1, MAX_TIMER_MS),
    'FULL_DUPLEX_STREAMED: how long a body may take to come in. After that the request is routed by load and the rest of the body passes through. (STREAMED: `WARMROUTE_DECISION_TIMEOUT_MS`, since Envoy waits no longer.)',
  ),
  maxBufferedBytes: setting(
    'Warmroute',
    ['WARMROUTE_MAX_BUFFERED_BYTES'],
    '268435456',
    'bytes',
    wholeNumber(1024, MAX_BUFFERED_BYTES),
    'Memory for the bodies of all requests together while they are gathered and decided on. Above it those that have been coming for longest are routed by load, and the rest of them passes through.',
  ),
  rememberedResponses: setting(
    'Warmroute',
    ['WARMROUTE_REMEMBERED_RESPONSES'],
    '65536',
    'responses',
    wholeNumber(0, MAX_COUNT),
    'How many responses of `/v1/responses` it is remembered of which pod made them, some 200 bytes each: requests that name one go to that pod. 0: none, and answers are not looked at.',
  ),
  grpcIdleMs: setting(
    'Warmroute',
    ['WARMROUTE_GRPC_IDLE_MS'],
    '3900000',
    'ms',
    wholeNumber(100, MAX_TIMER_MS),
    'gRPC connections without streams are ended after this long. Keep it above the `idle_timeout` of Envoy’s cluster (10 minutes in `envoy/`, an hour by default), so that it is Envoy that ends its own: a request that it sends in the moment of our end is refused, and needs a `retry_policy`.',
  ),
  grpcMaxConnections: setting(
    'Warmroute',
    ['WARMROUTE_GRPC_MAX_CONNECTIONS'],
    '4096',
    'connections',
    wholeNumber(1, MAX_COUNT),
    'Most gRPC connections at a time; further ones are refused. Each worker thread of each Envoy has one, and one more for every 256 requests in flight.',
  ),
  decisionTimeoutMs: setting(
    'Warmroute',
    ['WARMROUTE_DECISION_TIMEOUT_MS'],
    '800',
    'ms',
    wholeNumber(1, MAX_TIMER_MS),
    'After this long the request is routed by load. Keep it below `message_timeout` of Envoy (1 s in `envoy/`).',
  ),
  warmupMs: setting(
    'Warmroute',
    ['WARMROUTE_WARMUP_MS'],
    '10000',
    'ms',
    wholeNumber(0, MAX_TIMER_MS),
    'With KV event sync: how long a router that has just started is not ready, from when the first pod is known, unless every event stream is learned before. 0 = it serves at once, from an empty index.',
  ),
  drainMs: setting(
    'Warmroute',
    ['WARMROUTE_DRAIN_MS'],
    '5000',
    'ms',
    wholeNumber(0, MAX_TIMER_MS),
    'Between NOT_SERVING and the end of the server on SIGTERM: time for the health checks of Envoy to notice.',
  ),
  drainBodiesMs: setting(
    'Warmroute',
    ['WARMROUTE_DRAIN_BODIES_MS'],
    '20000',
    'ms',
    wholeNumber(0, MAX_TIMER_MS),
    'How much longer, on SIGTERM, exchanges may go on whose bodies pass through the router (FULL_DUPLEX_STREAMED): ending them earlier cuts the body. Others are not waited for; their generations go on without the router.',
  ),
  tokenizerCacheBytes: setting(
    'Warmroute',
    ['WARMROUTE_TOKENIZER_CACHE_BYTES'],
    '67108864',
    'bytes',
    wholeNumber(0, MAX_MESSAGE_BYTES),
    'Remote tokenizations kept for identical requests; 0 keeps none.',
  ),
  tokenizerConnections: setting(
    'Warmroute',
    ['WARMROUTE_TOKENIZER_CONNECTIONS_PER_POD'],
    '16',
    'connections',
    wholeNumber(1, MAX_COUNT),
    'Most keep-alive connections to one pod for tokenizing.',
  ),
  indexCapacityBytes: setting(
    'Warmroute',
    ['WARMROUTE_INDEX_CAPACITY_BYTES'],
    '536870912',
    'bytes',
    wholeNumber(MIN_INDEX_BYTES, MAX_INDEX_BYTES),
    'Memory for the index: some 25 bytes per distinct block of all engines together. It is taken as it is needed; above it the blocks stored longest ago are given up, a sequence’s tail before its head.',
  ),
  expectedBlocksTtlMs: setting(
    'Warmroute',
    ['WARMROUTE_EXPECTED_BLOCKS_TTL_MS'],
    '5000',
    'ms',
    wholeNumber(0, MAX_TIMER_MS),
    'With KV-cache events: how long the blocks of a request just routed count before the engine has announced them. 0: not at all.',
  ),
  kvEventsTopic: setting(
    'Warmroute',
    ['WARMROUTE_KV_EVENTS_TOPIC'],
    '',
    'text',
    anyText,
    'Prefix of the ZeroMQ topics subscribed to; empty for all.',
  ),
  kvEventsBind: setting(
    'Warmroute',
    ['WARMROUTE_KV_EVENTS_BIND'],
    undefined,
    'addresses',
    z
      .string()
      .regex(
        /^tcp:\/\/[^\s,]+:(\d+|\*)(,tcp:\/\/[^\s,]+:(\d+|\*))*$/,
        'must be tcp://host:port, several with commas',
      )
      .transform(text => text.split(',')),
    'Where engines that dial connect to, one address per data-parallel rank, as `tcp://*:5557`; their topics, `kv@<pod>@<model>`, name the pod. Unset: Warmroute dials the pods.',
  ),
  healthIntervalMs: setting(
    'Warmroute',
    ['WARMROUTE_HEALTH_INTERVAL_MS'],
    '2000',
    'ms',
    wholeNumber(0, MAX_TIMER_MS),
    'How often each pod is asked for `GET /health`, one request at a time per pod; more seldom where there are more than 500 pods at 2,000 ms. 0: never; then only what pods answer to requests tells how they are.',
  ),
  dnsRefreshMs: setting(
    'Warmroute',
    ['WARMROUTE_DNS_REFRESH_MS'],
    '5000',
    'ms',
    wholeNumber(100, MAX_TIMER_MS),
    'How often host names in the pods file are resolved again.',
  ),
  engineApiKeyFile: setting(
    'Warmroute',
    ['WARMROUTE_ENGINE_API_KEY_FILE'],
    undefined,
    'path',
    anyText,
    'A file with the key that engines were started with (`vllm serve --api-key`), sent to them as a bearer token when they are asked to render or tokenize, and who they are. Read at the start. Clients bring their own.',
  ),
  engineCaFile: setting(
    'Warmroute',
    ['WARMROUTE_ENGINE_CA_FILE'],
    undefined,
    'path',
    anyText,
    'PEM certificates that engines’ own are checked against where `AIBRIX_VLLM_TOKENIZER_ENDPOINT_TEMPLATE` says https; theirs must name the host in the template, so an IP address where that is `%s`. Unset: those that Node trusts. Read at the start.',
  ),
  useRemoteTokenizer: setting(
    'AIBrix',
    ['AIBRIX_USE_REMOTE_TOKENIZER', 'AIBRIX_PREFIX_CACHE_USE_REMOTE_TOKENIZER'],
    'false',
    'true or false',
    flag,
    'Tokenize with the engines (vLLM render endpoints, else `/tokenize`).',
  ),
  kvEventSync: setting(
    'AIBrix',
    ['AIBRIX_KV_EVENT_SYNC_ENABLED', 'AIBRIX_PREFIX_CACHE_KV_EVENT_SYNC_ENABLED'],
    'false',
    'true or false',
    flag,
    'Feed the index with KV-cache events over ZeroMQ. Needs the remote tokenizer.',
  ),
  localTokenizer: setting(
    'AIBrix',
    ['AIBRIX_PREFIX_CACHE_TOKENIZER_TYPE'],
    'character',
    'kind',
    choice(['character', 'tiktoken', 'remote']),
    'Tokenizer without the remote one, and its fallback when no events are synced; `remote` means `character` here, as in AIBrix.',
  ),
  blockSizeBytes: setting(
    'AIBrix',
    ['AIBRIX_PREFIX_CACHE_BLOCK_SIZE'],
    '4',
    'bytes',
    wholeNumber(1, MAX_COUNT),
    'Block size of the routing history without KV-cache events: one byte per character, four per token. With events the block size is the engines’ own.',
  ),
  historyBlocks: setting(
    'AIBrix',
    ['AIBRIX_PREFIX_CACHE_BLOCK_NUMBER'],
    '200000',
    'blocks × pods',
    wholeNumber(1, MAX_ENTRIES),
    'Bound of the routing history; the blocks used longest ago go first.',
  ),
  historyMinutes: setting(
    'AIBrix',
    ['AIBRIX_PREFIX_CACHE_EVICTION_DURATION_MINS'],
    '20',
    'minutes',
    wholeNumber(1, MAX_COUNT),
    'How long an entry of the routing history counts without KV-cache events.',
  ),
  hashSeed: setting(
    'AIBrix',
    ['AIBRIX_PREFIX_CACHE_HASH_SEED'],
    undefined,
    'number',
    seed,
    'Seed of the block hashes; random when unset. No two processes need the same one.',
  ),
  imbalanceRequests: setting(
    'AIBrix',
    ['AIBRIX_PREFIX_CACHE_POD_RUNNING_REQUEST_IMBALANCE_ABS_COUNT'],
    '8',
    'requests',
    wholeNumber(1, MAX_COUNT),
    'When the most and the least loaded pod are further apart than this, only the least loaded are considered.',
  ),
  standardDeviationFactor: setting(
    'AIBrix',
    ['AIBRIX_PREFIX_CACHE_STANDARD_DEVIATION_FACTOR'],
    '1',
    'factor',
    wholeNumber(1, MAX_COUNT),
    'A pod with the prefix is taken while its load is at most mean + factor × standard deviation.',
  ),
  tokenizerEndpointTemplate: setting(
    'AIBrix',
    ['AIBRIX_VLLM_TOKENIZER_ENDPOINT_TEMPLATE'],
    undefined,
    'URL',
    urlTemplate,
    'Where a pod tokenizes, `%s` being its IP address; unset: the address and port of its OpenAI API, over http. With https, the pod’s own pages are asked over https, too.',
  ),
  tokenizerTimeoutMs: setting(
    'AIBrix',
    ['AIBRIX_TOKENIZER_REQUEST_TIMEOUT'],
    '5',
    's',
    seconds,
    'Bound of one remote tokenization, whichever pods are asked, and of a probe of a pod that fails. The decision has its own, shorter one, `WARMROUTE_DECISION_TIMEOUT_MS`.',
  ),
  strategy: setting(
    'AIBrix',
    ['ROUTING_ALGORITHM'],
    'prefix-cache',
    'strategy',
    choice(STRATEGIES),
    'Strategy of requests without a `routing-strategy` header.',
  ),
  grpcMaxMessageBytes: setting(
    'AIBrix',
    ['AIBRIX_GRPC_MAX_MESSAGE_SIZE_BYTES'],
    '4194304',
    'bytes',
    wholeNumber(1, MAX_MESSAGE_BYTES),
    'Largest gRPC message accepted; raised to what `WARMROUTE_MAX_BODY_BYTES` needs.',
  ),
  otlpEndpoint: setting(
    'OpenTelemetry',
    ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT'],
    undefined,
    'URL',
    url,
    'Where traces go; unset: nowhere. The other `OTEL_EXPORTER_OTLP_*` variables have their standard meaning.',
  ),
  otlpProtocol: setting(
    'OpenTelemetry',
    ['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'OTEL_EXPORTER_OTLP_PROTOCOL'],
    'grpc',
    'protocol',
    choice(['grpc', 'http/protobuf']),
    'How traces are sent.',
  ),
  serviceName: setting(
    'OpenTelemetry',
    ['OTEL_SERVICE_NAME'],
    'warmroute',
    'text',
    anyText,
    'The name of this service in traces.',
  ),
} as const satisfies Record<string, Setting<unknown>>;

/** Variables of AIBrix that have nothing to steer here; setting them is no mistake. */
export const WITHOUT_EFFECT: readonly { readonly name: string; readonly why: string }[] = [
  {
    name: 'AIBRIX_PREFIX_CACHE_REMOTE_TOKENIZER_ENDPOINT',
    why: 'AIBrix asks for it and never calls it; the pods tokenize',
  },
  {
    name: 'AIBRIX_PREFIX_CACHE_KV_EVENT_PUBLISH_ADDR',
    why: 'AIBrix does not read it either; the pods file says where a pod publishes',
  },
  { name: 'AIBRIX_PREFIX_CACHE_KV_EVENT_SUBSCRIBE_ADDRS', why: 'as above' },
  { name: 'AIBRIX_PREFIX_CACHE_EVICTION_INTERVAL_SECONDS', why: 'entries expire exactly, without a sweep' },
  {
    name: 'AIBRIX_SYNC_MAX_CONTEXTS',
    why: 'one index holds all contexts; WARMROUTE_INDEX_CAPACITY_BYTES bounds it',
  },
  { name: 'AIBRIX_SYNC_MAX_PREFIXES_PER_CONTEXT', why: 'as above' },
  { name: 'AIBRIX_SYNC_EVICTION_INTERVAL_SECONDS', why: 'only the engines evict' },
  { name: 'AIBRIX_SYNC_EVICTION_DURATION_MINUTES', why: 'only the engines evict' },
  {
    name: 'AIBRIX_TOKENIZER_HEALTH_CHECK_PERIOD',
    why: 'a circuit breaker per pod follows the calls themselves',
  },
  { name: 'AIBRIX_TOKENIZER_TTL', why: 'a tokenizer leaves with its pod' },
  { name: 'AIBRIX_MAX_TOKENIZERS_PER_POOL', why: 'as above' },
];
