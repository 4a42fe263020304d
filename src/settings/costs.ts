/** What `prefix-cost` reckons with: docs/policies.md has where the defaults come from. */
import { type Setting, setting } from './setting.ts';
import { factor, MAX_TIMER_MS, shareInPercent, wholeNumber } from './values.ts';

export const COSTS = {
  recomputePrice: setting(
    'Warmroute',
    ['WARMROUTE_RECOMPUTE_PRICE'],
    '2',
    'factor',
    factor(100),
    'What computing a token that another pod holds costs the requests that come later, in tokens, while all pods are as busy as they can be; less where they are less busy. Higher: more cache hits, and longer queues where the hot pods are. 0: each request goes where its own first token comes soonest. For `prefix-cost`.',
  ),
  decodingTokens: setting(
    'Warmroute',
    ['WARMROUTE_DECODING_COST_TOKENS'],
    '200',
    'tokens',
    wholeNumber(0, 1_000_000),
    'What each sequence that decodes on a pod counts for, in prompt tokens that wait there: steps take longer with it, computing a prompt holds it up, and its client comes back there. Higher: conversations are spread more evenly. For `prefix-cost`.',
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
