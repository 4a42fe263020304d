/** What we read of an engine's metrics: vLLM's and SGLang's names, and what xLLM has that they have not. */
import type { EngineAdapters } from '../domain.ts';
import { labelOf, type OnSample, SampleReader } from './sample-reader.ts';

/** Of all series of a name: behind one address there may be several ranks. */
interface Sum {
  value: number;
  series: number;
}

/** What a page said, by what it means. A name that is not there has no series. */
export type PageSums = Readonly<Record<Meaning, Readonly<Sum>>>;

export interface EnginePage {
  readonly sums: PageSums;
  readonly adapters: EngineAdapters | undefined;
}

/** Gauges, and counters of all that has been. Times are in seconds. */
const NAMES = {
  running: ['vllm:num_requests_running', 'sglang:num_running_reqs'],
  waiting: ['vllm:num_requests_waiting', 'sglang:num_queue_reqs'],
  kvUsage: [
    'vllm:kv_cache_usage_perc',
    // Its older name.
    'vllm:gpu_cache_usage_perc',
    'sglang:token_usage',
    'kv_cache_utilization',
  ],
  // vLLM before its engine V1.
  cpuKvUsage: ['vllm:cpu_cache_usage_perc'],
  utilization: ['sglang:utilization', 'engine_utilization'],
  gpuSeconds: ['sglang:gpu_execution_seconds_total'],
  promptTokens: ['vllm:request_prompt_tokens_sum', 'sglang:prompt_tokens_histogram_sum'],
  prompts: ['vllm:request_prompt_tokens_count', 'sglang:prompt_tokens_histogram_count'],
  generatedTokens: ['vllm:request_generation_tokens_sum', 'sglang:generation_tokens_histogram_sum'],
  generations: ['vllm:request_generation_tokens_count', 'sglang:generation_tokens_histogram_count'],
  // Of the same requests as the prefill times. Newer than those.
  computedTokens: ['vllm:request_prefill_kv_computed_tokens_sum'],
  computations: ['vllm:request_prefill_kv_computed_tokens_count'],
  cachedTokens: ['vllm:prefix_cache_hits_total', 'sglang:cached_tokens_total'],
  lookedUpTokens: ['vllm:prefix_cache_queries_total', 'sglang:prompt_tokens_total'],
  // SGLang's histograms of lengths are off unless asked for; these are always there.
  allPromptTokens: ['sglang:prompt_tokens_total'],
  allGeneratedTokens: ['sglang:generation_tokens_total'],
  allRequests: ['sglang:num_requests_total'],
  queueSeconds: ['vllm:request_queue_time_seconds_sum', 'sglang:queue_time_seconds_sum'],
  queued: ['vllm:request_queue_time_seconds_count', 'sglang:queue_time_seconds_count'],
  prefillSeconds: ['vllm:request_prefill_time_seconds_sum'],
  prefills: ['vllm:request_prefill_time_seconds_count'],
  decodeSeconds: ['vllm:request_decode_time_seconds_sum'],
  decodes: ['vllm:request_decode_time_seconds_count'],
  firstTokenSeconds: ['sglang:time_to_first_token_seconds_sum'],
  firstTokens: ['sglang:time_to_first_token_seconds_count'],
  totalSeconds: ['sglang:e2e_request_latency_seconds_sum'],
  totals: ['sglang:e2e_request_latency_seconds_count'],
} as const satisfies Record<string, readonly string[]>;

export type Meaning = keyof typeof NAMES;

const MEANINGS = Object.keys(NAMES) as Meaning[];
const ADAPTERS = 'vllm:lora_requests_info';
const MAX_ADAPTERS = 256;
const MAX_ADAPTER_LENGTH = 256;

/** Reads one page, part by part. */
export class EnginePageReader {
  readonly #sums = Object.fromEntries(MEANINGS.map(meaning => [meaning, { value: 0, series: 0 }])) as Record<
    Meaning,
    Sum
  >;
  readonly #samples: SampleReader;
  #adapters: EngineAdapters | undefined;
  #adaptersAt = Number.NEGATIVE_INFINITY;

  constructor() {
    const wanted = new Map<string, OnSample>([[ADAPTERS, (at, labels) => this.#setAdapters(at, labels)]]);
    for (const meaning of MEANINGS) {
      const sum = this.#sums[meaning];
      const add = (value: number) => {
        sum.value += value;
        sum.series++;
      };
      for (const name of NAMES[meaning]) wanted.set(name, add);
    }
    this.#samples = new SampleReader(wanted);
  }

  push(part: Buffer): void {
    this.#samples.push(part);
  }

  end(): EnginePage {
    this.#samples.end();
    return { sums: this.#sums, adapters: this.#adapters };
  }

  /** vLLM makes a series for each set of adapters that there has been; its value is when it was set. */
  #setAdapters(at: number, labels: string): void {
    if (at < this.#adaptersAt) return;
    this.#adaptersAt = at;
    this.#adapters = {
      running: namesIn(labelOf(labels, 'running_lora_adapters')),
      waiting: namesIn(labelOf(labels, 'waiting_lora_adapters')),
      max: Number(labelOf(labels, 'max_lora')) || 0,
    };
  }
}

function namesIn(list: string | undefined): string[] {
  return (list ?? '')
    .split(',')
    .map(name => name.trim())
    .filter(name => name !== '' && name.length <= MAX_ADAPTER_LENGTH)
    .slice(0, MAX_ADAPTERS);
}
