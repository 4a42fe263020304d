import { assert } from 'chai';
import { EnginePageReader, type Meaning } from '../../src/engine-api/engine-page.ts';
import { RecentWork } from '../../src/engine-api/recent-work.ts';
import { startEngine } from '../../src/simulator/engine.ts';

function pageOf(text: string) {
  const reader = new EnginePageReader();
  reader.push(Buffer.from(text));
  return reader.end();
}

/** What was said, without what was not. */
function said(text: string): Partial<Record<Meaning, number>> {
  const { sums } = pageOf(text);
  return Object.fromEntries(
    Object.entries(sums).flatMap(([meaning, { value, series }]) => (series > 0 ? [[meaning, value]] : [])),
  );
}

describe('an engine’s metrics', () => {
  // Name for name as vLLM writes them; two engines behind one port.
  const VLLM = `vllm:num_requests_running{engine="0",model_name="demo"} 2.0
vllm:num_requests_running{engine="1",model_name="demo"} 1.0
vllm:num_requests_waiting{engine="0",model_name="demo"} 4.0
vllm:num_requests_waiting{engine="1",model_name="demo"} 0.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="demo",reason="capacity"} 4.0
vllm:kv_cache_usage_perc{engine="0",model_name="demo"} 0.25
vllm:kv_cache_usage_perc{engine="1",model_name="demo"} 0.75
vllm:request_prompt_tokens_sum{engine="0",model_name="demo"} 1000
vllm:request_prompt_tokens_count{engine="0",model_name="demo"} 10
vllm:lora_requests_info{max_lora="4",running_lora_adapters="old",waiting_lora_adapters=""} 1.7e+09
vllm:lora_requests_info{max_lora="4",running_lora_adapters="a,b",waiting_lora_adapters="c"} 1.8e+09
vllm:lora_requests_info{max_lora="4",running_lora_adapters="older",waiting_lora_adapters=""} 1.6e+09
`;

  it('of vLLM: all ranks together', () => {
    assert.deepEqual(said(VLLM), {
      running: 3,
      waiting: 4,
      kvUsage: 1,
      promptTokens: 1000,
      prompts: 10,
    });
    assert.equal(pageOf(VLLM).sums.kvUsage.series, 2);
  });

  it('of vLLM: the adapters that were set last', () => {
    assert.deepEqual(pageOf(VLLM).adapters, { running: ['a', 'b'], waiting: ['c'], max: 4 });
    assert.isUndefined(pageOf('vllm:num_requests_running 0').adapters);
  });

  it('of older vLLM', () => {
    assert.deepEqual(said('vllm:gpu_cache_usage_perc 0.5\nvllm:cpu_cache_usage_perc 0.1\n'), {
      kvUsage: 0.5,
      cpuKvUsage: 0.1,
    });
  });

  it('of SGLang', () => {
    const text = `sglang:num_running_reqs{engine_type="unified",model_name="demo",tp_rank="0"} 2.0
sglang:num_queue_reqs{model_name="demo",tp_rank="0"} 1.0
sglang:token_usage{model_name="demo",tp_rank="0"} 0.28
sglang:utilization{model_name="demo"} 0.5
sglang:gpu_execution_seconds_total{category="forward_extend",model_name="demo"} 3.0
sglang:gpu_execution_seconds_total{category="forward_decode",model_name="demo"} 4.0
sglang:prompt_tokens_total{model_name="demo"} 300
sglang:generation_tokens_total{model_name="demo"} 60
sglang:num_requests_total{model_name="demo"} 3`;
    assert.deepEqual(said(text), {
      ...{ running: 2, waiting: 1, kvUsage: 0.28, utilization: 0.5, gpuSeconds: 7 },
      ...{ allPromptTokens: 300, allGeneratedTokens: 60, allRequests: 3 },
    });
  });

  it('of the simulated engine have the names that are read', async () => {
    const engine = await startEngine({ name: 'e', model: 'demo', adapters: ['sql'] });
    try {
      const response = await fetch(`${engine.url}/v1/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'sql', prompt: 'once upon a time', max_tokens: 3, ignore_eos: true }),
      });
      assert.equal(response.status, 200, await response.text());
      const page = pageOf(await (await fetch(`${engine.url}/metrics`)).text());
      const { sums } = page;
      for (const meaning of ['running', 'waiting', 'kvUsage', 'queued', 'prefills', 'decodes'] as const)
        assert.equal(sums[meaning].series, 1, meaning);
      assert.deepEqual(
        [sums.running.value, sums.waiting.value, sums.prompts.value, sums.generatedTokens.value],
        [0, 0, 1, 3],
      );
      assert.isAbove(sums.promptTokens.value, 3);
      assert.deepEqual(page.adapters, { running: [], waiting: [], max: 1 });
    } finally {
      await engine.stop();
    }
  });
});

describe('what an engine has done lately', () => {
  const vllm = (prompts: number, tokens: number, running = 0) =>
    pageOf(
      `vllm:num_requests_running ${running}\nvllm:request_prompt_tokens_sum ${tokens}\nvllm:request_prompt_tokens_count ${prompts}`,
    ).sums;

  it('is nothing where nothing was done', () => {
    const work = new RecentWork();
    work.add(vllm(0, 0), 0);
    assert.isUndefined(work.requests.promptTokens);
    assert.isUndefined(work.requests.prefillSeconds);
  });

  it('is nothing that is beyond all measure', () => {
    const work = new RecentWork();
    work.add(vllm(1e-300, 9e15), 0);
    assert.isUndefined(work.requests.promptTokens);
  });

  it('is what it has ever done when it is asked first, and soon only what is new', () => {
    const work = new RecentWork();
    work.add(vllm(1_000_000, 100_000_000), 0);
    assert.closeTo(work.requests.promptTokens!, 100, 1e-9);
    work.add(vllm(1_000_100, 100_000_000 + 100 * 500), 1_000);
    assert.closeTo(work.requests.promptTokens!, 464, 1);
    work.add(vllm(1_000_200, 100_050_000 + 100 * 500), 600_000);
    assert.closeTo(work.requests.promptTokens!, 500, 0.1);
  });

  it('stays as it was while nothing is done', () => {
    const work = new RecentWork();
    for (let second = 0; second < 600; second++) work.add(vllm(10, 1_000), 1_000 * second);
    assert.closeTo(work.requests.promptTokens!, 100, 1e-6);
  });

  it('goes on with a new process', () => {
    const work = new RecentWork();
    work.add(vllm(100, 10_000), 0);
    work.add(vllm(10, 3_000), 1_000);
    assert.closeTo(work.requests.promptTokens!, 200, 2);
  });

  it('has the stages of a request from SGLang’s clocks', () => {
    const work = new RecentWork();
    const text = `sglang:num_running_reqs 1
sglang:time_to_first_token_seconds_sum 30
sglang:time_to_first_token_seconds_count 10
sglang:queue_time_seconds_sum 10
sglang:queue_time_seconds_count 10
sglang:e2e_request_latency_seconds_sum 80
sglang:e2e_request_latency_seconds_count 10
sglang:prompt_tokens_total 1000
sglang:generation_tokens_total 200
sglang:num_requests_total 10`;
    work.add(pageOf(text).sums, 0);
    assert.deepEqual(work.requests, {
      ...{ promptTokens: 100, generatedTokens: 20 },
      ...{ queueSeconds: 1, prefillSeconds: 2, decodeSeconds: 5, prefillSecondsPerToken: undefined },
    });
  });

  describe('has a price of each prompt token that is not cached', () => {
    const page = (given: Readonly<Record<string, readonly [sum: number, count: number]>>, more = '') =>
      pageOf(
        Object.entries(given)
          .map(
            ([name, [sum, count]]) =>
              `vllm:request_${name}_sum ${sum}\nvllm:request_${name}_count ${count}\n`,
          )
          .join('') + more,
      ).sums;
    /** Ten requests of 1,000 tokens, 20 of them computed; a step takes 10 ms, and what they computed 4 ms each. */
    const MOSTLY_CACHED = {
      prompt_tokens: [10_000, 10],
      prefill_time_seconds: [0.14, 10],
      generation_tokens: [110, 10],
      decode_time_seconds: [1, 10],
    } as const;

    it('by what was computed of the same requests, without the step that it takes in any case', () => {
      const work = new RecentWork();
      work.add(page({ ...MOSTLY_CACHED, prefill_kv_computed_tokens: [200, 10] }), 0);
      assert.closeTo(work.requests.prefillSecondsPerToken!, 0.004 / 20, 1e-9);
    });

    it('by the share of tokens that were found, where that is not told', () => {
      const work = new RecentWork();
      const found = 'vllm:prefix_cache_hits_total 9800\nvllm:prefix_cache_queries_total 10000\n';
      work.add(page(MOSTLY_CACHED, found), 0);
      assert.closeTo(work.requests.prefillSecondsPerToken!, 0.004 / 20, 1e-9);
    });

    it('without a step where nothing was decoded, and never below nothing', () => {
      const computed = { ...MOSTLY_CACHED, prefill_kv_computed_tokens: [200, 10] } as const;
      const embeddings = new RecentWork();
      embeddings.add(page({ ...computed, generation_tokens: [10, 10] }), 0);
      assert.closeTo(embeddings.requests.prefillSecondsPerToken!, 0.014 / 20, 1e-9);
      const slow = new RecentWork();
      slow.add(page({ ...computed, decode_time_seconds: [10, 10] }), 0);
      assert.equal(slow.requests.prefillSecondsPerToken, 0);
    });

    it('that is not known where nothing was computed, or the engine does not say how much', () => {
      for (const sums of [
        page(MOSTLY_CACHED),
        page({ prefill_kv_computed_tokens: [0, 10], ...MOSTLY_CACHED }),
      ]) {
        const work = new RecentWork();
        work.add(sums, 0);
        assert.isUndefined(work.requests.prefillSecondsPerToken);
      }
    });
  });

  it('is how often it was found at work', () => {
    const work = new RecentWork();
    work.add(vllm(0, 0, 1), 0);
    assert.equal(work.busyShare, 1);
    for (let second = 1; second <= 600; second++) work.add(vllm(0, 0, second % 2), 1_000 * second);
    assert.closeTo(work.busyShare!, 0.5, 0.02);
    for (let second = 601; second <= 1_200; second++) work.add(vllm(0, 0, 0), 1_000 * second);
    assert.closeTo(work.busyShare!, 0, 1e-6);
  });

  it('is how long its GPUs computed, where it counts that', () => {
    const work = new RecentWork();
    const at = (seconds: number) =>
      pageOf(
        `sglang:num_running_reqs{dp_rank="0"} 5\nsglang:num_running_reqs{dp_rank="1"} 5\nsglang:gpu_execution_seconds_total ${seconds}`,
      ).sums;
    for (let second = 0; second <= 600; second++) work.add(at(second / 2), 1_000 * second);
    assert.closeTo(work.busyShare!, 0.25, 0.01);
    work.add(at(0), 601_000);
    assert.isAtMost(work.busyShare!, 1);
  });

  it('is unknown of an engine that does not say what runs', () => {
    const work = new RecentWork();
    work.add(pageOf('up 1').sums, 0);
    assert.isUndefined(work.busyShare);
  });
});
