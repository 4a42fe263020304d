/** Variables of AIBrix that have nothing to steer here; setting them is no mistake. The log names them once, at the start. */
export interface WithoutEffect {
  /** A last `*` stands for any more letters. */
  readonly name: string;
  readonly why: string;
}

const NO_REDIS =
  'there is no Redis here: what it keeps for AIBrix’s users, rate limits and replicas is not taken over';
const NO_PROMETHEUS =
  'no Prometheus is asked: strategies compare what the engines say themselves (docs/strategies.md)';
const NO_DISAGGREGATION = 'prefill and decode are not routed apart here';
const NOT_TAKEN_OVER = 'that strategy is not taken over (docs/strategies.md)';

export const WITHOUT_EFFECT: readonly WithoutEffect[] = [
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
  { name: 'AIBRIX_ROUTING_ALGORITHM', why: 'AIBrix reads ROUTING_ALGORITHM, as is done here' },
  {
    name: 'AIBRIX_POD_METRIC_REFRESH_INTERVAL_MS',
    why: 'WARMROUTE_METRICS_INTERVAL_MS says how often engines’ metrics are read; requests in flight are counted exactly',
  },
  { name: 'AIBRIX_HTTPROUTE_CACHE_TTL', why: 'HTTPRoutes are not looked at' },
  {
    name: 'AIBRIX_GATEWAY_TIMEOUT_SECONDS',
    why: 'AIBrix’s controller reads it; Envoy’s route has the time-out',
  },
  { name: 'AIBRIX_STATESYNC_*', why: 'each replica follows the engines’ events itself' },
  { name: 'REDIS_*', why: NO_REDIS },
  { name: 'PROMETHEUS_*', why: NO_PROMETHEUS },
  { name: 'AIBRIX_PROMETHEUS_*', why: NO_PROMETHEUS },
  { name: 'AIBRIX_TTFT_THRESHOLD_S', why: NO_DISAGGREGATION },
  { name: 'AIBRIX_PREFILL_*', why: NO_DISAGGREGATION },
  { name: 'AIBRIX_DECODE_*', why: NO_DISAGGREGATION },
  { name: 'AIBRIX_PROMPT_LENGTH_BUCKETING', why: NO_DISAGGREGATION },
  { name: 'AIBRIX_KV_CONNECTOR_TYPE', why: NO_DISAGGREGATION },
  { name: 'AIBRIX_TRT_MACHINE_ID', why: NO_DISAGGREGATION },
  { name: 'AIBRIX_ROUTER_PREBLE_*', why: NOT_TAKEN_OVER },
  { name: 'AIBRIX_ROUTER_VTC_*', why: NOT_TAKEN_OVER },
  { name: 'AIBRIX_GPU_OPTIMIZER_TRACING_FLAG', why: 'nothing is recorded for AIBrix’s GPU optimizer' },
  { name: 'AIBRIX_MODEL_GPU_PROFILE_CACHING_FLAG', why: 'as above' },
  { name: 'AIBRIX_POD_DEPLOYMENT_LABEL', why: 'pods are not grouped by Deployment' },
];

/** What is said of a variable; undefined: it is none of these. */
export function withoutEffect(name: string): WithoutEffect | undefined {
  return WITHOUT_EFFECT.find(each =>
    each.name.endsWith('*') ? name.startsWith(each.name.slice(0, -1)) : name === each.name,
  );
}
