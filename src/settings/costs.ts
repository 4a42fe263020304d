/** What `prefix-cost` reckons with: docs/policies.md has where the defaults come from. */
import { type Setting, setting } from './setting.ts';
import { factor, MAX_COUNT, MAX_TIMER_MS, shareInPercent, wholeNumber } from './values.ts';

export const COSTS = {
  recomputePrice: setting(
    'Warmroute',
    ['WARMROUTE_RECOMPUTE_PRICE'],
    '3',
    'factor',
    factor(100),
    'What computing a token costs the requests that come later, in tokens, where queues are long; less where they are short. Higher: more cache hits, and longer queues where the hot pods are. 0, and `WARMROUTE_SATURATION_PRICE` too: each request goes where its own first token comes soonest. For `prefix-cost`.',
  ),
  saturationPrice: setting(
    'Warmroute',
    ['WARMROUTE_SATURATION_PRICE'],
    '1',
    'factor',
    factor(100),
    'The same for each prompt of average length that waits even at the pod with the shortest queue. For `prefix-cost`.',
  ),
  decodeTokens: setting(
    'Warmroute',
    ['WARMROUTE_DECODE_COST_TOKENS'],
    '200',
    'tokens',
    wholeNumber(0, MAX_COUNT),
    'What each request that decodes on a pod costs one that would be computed there, in prompt tokens. For `prefix-cost`.',
  ),
  cpuLoadShare: setting(
    'Warmroute',
    ['WARMROUTE_CPU_LOAD_PERCENT'],
    '10',
    'percent',
    shareInPercent,
    'What loading a token from the memory of the engine’s CPU costs, as a share of computing it. For `prefix-cost`.',
  ),
  storageLoadShare: setting(
    'Warmroute',
    ['WARMROUTE_STORAGE_LOAD_PERCENT'],
    '50',
    'percent',
    shareInPercent,
    'The same of a token that is in storage.',
  ),
  adapterLoadMs: setting(
    'Warmroute',
    ['WARMROUTE_ADAPTER_LOAD_MS'],
    '100',
    'ms',
    wholeNumber(0, MAX_TIMER_MS),
    'What loading a LoRA adapter takes that an engine has no request for (its metric `vllm:lora_requests_info`), twice as much where all its places are taken. For `prefix-cost`.',
  ),
} as const satisfies Record<string, Setting<unknown>>;
