/** `/metrics`: those of vLLM's metrics that something reads, with its names and labels. */
import type { EngineCore } from '../core.ts';
import { FIRST_TOKEN_BUCKETS, type Observed } from '../stats.ts';

export const METRICS_CONTENT_TYPE = 'text/plain; version=1.0.0; charset=utf-8';

export function metricsText(core: EngineCore): string {
  const { cache, scheduler, stats, options } = core;
  const labels = `engine="0",model_name="${options.model}"`;
  const lines: string[] = [];
  const metric = (name: string, type: string, help: string, samples: readonly [string, number][]) => {
    const family = type === 'counter' ? `${name}_total` : name;
    lines.push(`# HELP vllm:${family} ${help}`, `# TYPE vllm:${family} ${type}`);
    for (const [suffix, value] of samples) lines.push(`vllm:${name}${suffix} ${value}`);
  };
  const gauge = (name: string, help: string, value: number) =>
    metric(name, 'gauge', help, [[`{${labels}}`, value]]);
  const counter = (name: string, help: string, value: number) =>
    metric(name, 'counter', help, [[`_total{${labels}}`, value]]);

  gauge('num_requests_running', 'Requests in prefill or decode.', scheduler.running);
  gauge('num_requests_waiting', 'Requests that wait for their prefill.', scheduler.waiting);
  gauge(
    'kv_cache_usage_perc',
    'Share of the KV cache held by running requests.',
    cache.usedBlocks / cache.capacityBlocks,
  );
  counter('prefix_cache_queries', 'Prompt tokens looked up in the prefix cache.', stats.promptTokens);
  counter('prefix_cache_hits', 'Prompt tokens found in the prefix cache.', stats.cachedTokens);
  counter('num_preemptions', 'Requests that lost their blocks and were computed again.', stats.preemptions);
  counter('prompt_tokens', 'Prompt tokens.', stats.promptTokens);
  counter('prompt_tokens_cached', 'Prompt tokens that were not computed.', stats.cachedTokens);
  counter('generation_tokens', 'Generated tokens.', stats.generatedTokens);
  metric(
    'request_success',
    'counter',
    'Finished requests.',
    Object.entries(stats.finishedRequests).map(([reason, count]) => [
      `_total{engine="0",finished_reason="${reason}",model_name="${options.model}"}`,
      count,
    ]),
  );
  metric(
    'time_to_first_token_seconds',
    'histogram',
    'Arrival to first token.',
    firstTokenSamples(core, labels),
  );
  const work: readonly [string, string, Observed][] = [
    ['request_prompt_tokens', 'Prompt tokens of finished requests.', stats.promptLengths],
    ['request_generation_tokens', 'Generated tokens of finished requests.', stats.generationLengths],
    ['request_queue_time_seconds', 'Arrival to the start of the prefill.', stats.queueSeconds],
    ['request_prefill_time_seconds', 'Start of the prefill to first token.', stats.prefillSeconds],
    ['request_decode_time_seconds', 'First token to last.', stats.decodeSeconds],
  ];
  for (const [name, help, { count, sum }] of work) {
    metric(name, 'histogram', help, [
      [`_bucket{engine="0",le="+Inf",model_name="${options.model}"}`, count],
      [`_count{${labels}}`, count],
      [`_sum{${labels}}`, sum],
    ]);
  }
  if (options.adapters.length > 0) {
    const { running, waiting } = scheduler.adapters;
    const adapters = `max_lora="${options.adapters.length}",running_lora_adapters="${running}",waiting_lora_adapters="${waiting}"`;
    metric('lora_requests_info', 'gauge', 'Adapters in use.', [
      [`{${adapters}}`, options.clock.now() / 1_000],
    ]);
  }
  // One more block than is usable: vLLM counts its null block.
  const config = `block_size="${options.blockSizeTokens}",enable_prefix_caching="True",engine="0",num_gpu_blocks="${options.cacheBlocks + 1}"`;
  metric('cache_config_info', 'gauge', 'The cache configuration.', [[`{${config}}`, 1]]);
  return `${lines.join('\n')}\n`;
}

function firstTokenSamples({ stats }: EngineCore, labels: string): [string, number][] {
  let total = 0;
  const buckets = [...FIRST_TOKEN_BUCKETS, '+Inf'].map((bound, i): [string, number] => {
    total += stats.firstTokenCounts[i]!;
    return [`_bucket{engine="0",le="${bound}",${labels.slice(labels.indexOf('model_name'))}}`, total];
  });
  return [...buckets, [`_count{${labels}}`, total], [`_sum{${labels}}`, stats.firstTokenSeconds]];
}
