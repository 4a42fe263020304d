/** AIBrix's settings, with their names and meanings. */
import { STRATEGIES } from '../domain.ts';
import { type Setting, setting } from './setting.ts';
import {
  choice,
  flag,
  MAX_COUNT,
  MAX_ENTRIES,
  MAX_MESSAGE_BYTES,
  seconds,
  seed,
  urlTemplate,
  wholeNumber,
} from './values.ts';

export const AIBRIX = {
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
